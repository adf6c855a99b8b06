# Containers: `make image`, then `docker compose up -d`. Everything else is cargo's: see README.md.

IMAGE ?= toystore:latest
FEATURES ?=
# How much it is optimised: release, or quick, which is built sooner.
PROFILE ?= release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
REVISION := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# More arguments for docker build.
BUILD ?=
LABELS := --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)
SECRET := deploy/secrets/cluster-token

.PHONY: image image-from-sources image-of-binary secret

# With cargo, no image has to be pulled; without it, Rust's is.
ifneq ($(shell command -v cargo 2>/dev/null),)
image: image-of-binary
else
image: image-from-sources
endif

image-of-binary: secret
	FEATURES=$(FEATURES) PROFILE=$(PROFILE) deploy/static-binary target/image
	docker build -f deploy/binary.Dockerfile $(LABELS) -t $(IMAGE) target/image

image-from-sources: secret
	docker build -f deploy/Dockerfile $(LABELS) --build-arg FEATURES=$(FEATURES) \
		--build-arg PROFILE=$(PROFILE) $(BUILD) \
		-t $(IMAGE) .

# What the nodes show each other. It outlives the image: a store keeps its secret.
secret: $(SECRET)

$(SECRET):
	install -d -m 700 $(@D)
	{ head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; echo; } > $@
	chmod 444 $@
