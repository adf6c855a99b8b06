//! What is served as it is: the files of the page, and those of a bundle.
//!
//! Called by `web` and [`super::viewing`].

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::error;

#[derive(RustEmbed)]
#[folder = "src/command/dashboard/assets"]
struct Assets;

/// A bundle may be somebody else's: nothing of it is run, fetched or sent. Its page has styles of
/// its own, so those are all that is left.
const BUNDLE_POLICY: &str = "script-src 'none'; connect-src 'none'; img-src 'none'; \
                             media-src 'none'; font-src 'none'; object-src 'none'; \
                             frame-src 'none'; base-uri 'none'; form-action 'none'; \
                             frame-ancestors 'none'";

/// A page of elsewhere can have a name of its own resolved to this machine, and would speak to us
/// as if it were ours (DNS rebinding): such a name is not ours.
pub async fn from_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    let is_ours = name.is_some_and(|name| {
        let name = name.host().trim_start_matches('[').trim_end_matches(']');
        let address = name.parse::<std::net::IpAddr>().map(|ip| ip.is_loopback());
        address.unwrap_or(name.eq_ignore_ascii_case("localhost"))
    });
    if is_ours {
        return next.run(request).await;
    }
    let why = "this page is served to this machine only, as localhost or by its address";
    error(StatusCode::FORBIDDEN, why).into_response()
}

/// A file of the page.
pub async fn file(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return error(StatusCode::METHOD_NOT_ALLOWED, "only GET is known there").into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = Assets::get(path) else {
        let why = format!("there is no /{path} here; the page is at /");
        return error(StatusCode::NOT_FOUND, &why).into_response();
    };
    let hash = file.metadata.sha256_hash();
    let tag =
        hash.iter().take(8).fold("\"".to_string(), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = format!("{}; charset=utf-8", file.metadata.mimetype());
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_string()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'".to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_string()),
        (header::REFERRER_POLICY, "no-referrer".to_string()),
    ];
    (head, file.data.into_owned()).into_response()
}

/// What a file of a bundle is, if it is one that a page links to.
pub fn kind_of(file: &str) -> Option<&'static str> {
    match file {
        "history.jsonl" => Some("application/jsonl"),
        "verdict.txt" | "trace.txt" => Some("text/plain; charset=utf-8"),
        "picture.html" => Some("text/html; charset=utf-8"),
        _ => None,
    }
}

/// A file of a bundle.
pub fn of_bundle(file: &str, bytes: impl Into<Body>) -> Response {
    let Some(kind) = kind_of(file) else {
        let why = "a bundle shows history.jsonl, verdict.txt, trace.txt and picture.html";
        return error(StatusCode::NOT_FOUND, why).into_response();
    };
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, BUNDLE_POLICY),
    ];
    (head, bytes.into()).into_response()
}
