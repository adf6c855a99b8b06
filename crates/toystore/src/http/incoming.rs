//! What is looked at in every request before it is understood: protocol, content type, and a body
//! within its bounds of size and time.
//!
//! Called by [`super::site`].

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};

use super::wire::{self, Encoding};

/// The largest body of a public request, in bytes.
pub const BODY_BYTES_MAX_PUBLIC: usize = 16 * 1024;

/// The largest body between services, in bytes.
pub const BODY_BYTES_MAX_INTERNAL: usize = 8 * 1024 * 1024;

/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Why a request is not looked at any further. The connection ends with the answer.
pub type Refused = (StatusCode, String);

/// Protocol and content type.
///
/// Two lengths (`Content-Length` and `Transfer-Encoding`), with which requests are smuggled past a
/// proxy, are hyper's matter: it goes by the second, and closes the connection (RFC 9112 §6.1).
pub fn check_head(headers: &HeaderMap) -> Result<Encoding, Refused> {
    if let Some(protocol) = headers.get(wire::PROTOCOL_HEADER)
        && protocol.as_bytes() != wire::PROTOCOL.as_bytes()
    {
        let own = wire::PROTOCOL;
        let why = format!("this node speaks Toystore-Protocol {own}, not {protocol:?}: upgrade");
        return Err((StatusCode::BAD_REQUEST, why));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Encoding::Json) };
    let essence = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let is = |known: &str| essence.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
    if is("application/json") {
        return Ok(Encoding::Json);
    }
    if is(wire::POSTCARD) {
        return Ok(Encoding::Postcard);
    }
    let why = format!("content type {content_type:?}: expected application/json");
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
}

/// The whole body, within its bounds of size and time.
pub async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
) -> Result<Bytes, Refused> {
    let too_large =
        || (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit as u64) {
        return Err(too_large());
    }
    if hyper::body::Body::is_end_stream(&body) {
        return Ok(Bytes::new());
    }
    let whole = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, limit).collect());
    match whole.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            Err((StatusCode::BAD_REQUEST, format!("the body broke off or is malformed: {error}")))
        }
        Err(_) => {
            let why = format!("the body did not come within {} s", BODY_DEADLINE.as_secs());
            Err((StatusCode::REQUEST_TIMEOUT, why))
        }
    }
}

/// Takes as long for a wrong token as for the right one.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    left.len() == right.len() && differing == 0
}
