# The image around a binary that is built already; its context is what deploy/static-binary made.
#   make image
# What follows the COPY is that of deploy/Dockerfile, word for word; a test compares them.
FROM scratch
COPY toystore /toystore
# A named volume takes its owner from the folder that it is put over. A folder that is copied with
# its parent keeps its time.
COPY --chown=65532:65532 volumes /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="toystore" \
      org.opencontainers.image.description="A distributed toy store that you can break, and whose answers are proved." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV TOYSTORE_LISTEN=0.0.0.0:8080 \
    TOYSTORE_DATA=/data
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --timeout=3s --start-period=10s --retries=3 CMD ["/toystore", "health"]
ENTRYPOINT ["/toystore"]
CMD ["--help"]
