//! What is looked at in every request before it is understood: protocol, content type, token; and
//! the bounds of its body.
//!
//! Called by [`super::site`] and [`super::serving`].

use hyper::StatusCode;

use super::head::Head;
use super::wire::{self, Encoding};

/// The largest body of a public request, in bytes.
pub const BODY_BYTES_MAX_PUBLIC: usize = 16 * 1024;

/// The largest body between services, in bytes.
pub const BODY_BYTES_MAX_INTERNAL: usize = 8 * 1024 * 1024;

/// The most bytes of a line that announces a chunk, and of all that follows the last one.
const CHUNK_LINE_BYTES_MAX: usize = 256;
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// Why a request is not looked at any further. The connection ends with the answer.
pub type Refused = (StatusCode, String);

/// Protocol and content type.
///
/// # Errors
/// If this node does not speak them.
pub fn check_head(head: &Head) -> Result<Encoding, Refused> {
    if let Some(protocol) = head.header(wire::PROTOCOL_HEADER)
        && protocol != wire::PROTOCOL.as_bytes()
    {
        let (own, other) = (wire::PROTOCOL, protocol.escape_ascii());
        let why = format!("this node speaks Toystore-Protocol {own}, not \"{other}\": upgrade");
        return Err((StatusCode::BAD_REQUEST, why));
    }
    let Some(content_type) = head.header("content-type") else { return Ok(Encoding::Json) };
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let is = |known: &str| essence.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
    if is("application/json") {
        return Ok(Encoding::Json);
    }
    if is(wire::POSTCARD) {
        return Ok(Encoding::Postcard);
    }
    let given = content_type.escape_ascii();
    let why = format!("content type \"{given}\": expected application/json");
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
}

/// For a body with more bytes than it may have.
pub fn too_large(limit: usize) -> Refused {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"))
}

/// For a body that ends early, or is no sequence of chunks.
pub fn broken(why: &str) -> Refused {
    (StatusCode::BAD_REQUEST, format!("the body broke off or is malformed: {why}"))
}

/// A body that comes in chunks (RFC 9112 §7.1), as far as it is there.
#[derive(Debug, Default)]
pub struct Chunks {
    /// What they held.
    body: Vec<u8>,
    part: Part,
    trailer: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// The size of a chunk.
    #[default]
    Size,
    /// So many bytes of it.
    Data(usize),
    /// The line break behind it.
    DataEnd,
    /// Lines of headers that nobody reads, and an empty one.
    Trailer,
}

impl Chunks {
    /// Takes what is at the front of `input`, and says how many bytes that were; and the body, once
    /// it is whole.
    ///
    /// # Errors
    /// If it is malformed, or has more than `limit` bytes.
    pub fn read(
        &mut self,
        input: &[u8],
        limit: usize,
    ) -> Result<(usize, Option<Vec<u8>>), Refused> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.part {
                Part::Size => match httparse::parse_chunk_size(rest) {
                    // However it came: a line that is too long is, even if all of it is there.
                    Ok(httparse::Status::Complete((len, size))) if len <= CHUNK_LINE_BYTES_MAX => {
                        at += len;
                        let size = usize::try_from(size).map_err(|_| too_large(limit))?;
                        if size > limit - self.body.len() {
                            return Err(too_large(limit));
                        }
                        self.part = if size == 0 { Part::Trailer } else { Part::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if rest.len() <= CHUNK_LINE_BYTES_MAX => {
                        return Ok((at, None));
                    }
                    Ok(_) | Err(_) => return Err(broken("a chunk's size is no number")),
                },
                Part::Data(left) => {
                    let data = &rest[..left.min(rest.len())];
                    self.body.extend_from_slice(data);
                    at += data.len();
                    if data.len() < left {
                        self.part = Part::Data(left - data.len());
                        return Ok((at, None));
                    }
                    self.part = Part::DataEnd;
                }
                Part::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.part = Part::Size;
                    }
                    [] | [b'\r'] => return Ok((at, None)),
                    _ => return Err(broken("a chunk is longer than its size")),
                },
                Part::Trailer => {
                    let end = rest.windows(2).position(|pair| pair == b"\r\n");
                    self.trailer += end.map_or(0, |end| end + 2);
                    let line = end.unwrap_or(rest.len());
                    if self.trailer.max(line) > TRAILER_BYTES_MAX {
                        return Err(broken("too much follows the last chunk"));
                    }
                    match end {
                        Some(0) => return Ok((at + 2, Some(std::mem::take(&mut self.body)))),
                        Some(end) => at += end + 2,
                        None => return Ok((at, None)),
                    }
                }
            }
        }
    }
}

/// Takes as long for a wrong token as for the right one.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    left.len() == right.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body that comes in pieces of `step` bytes.
    fn read(text: &str, step: usize) -> Result<Option<Vec<u8>>, Refused> {
        let (mut chunks, mut input) = (Chunks::default(), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            input.extend_from_slice(piece);
            let (len, body) = chunks.read(&input, 16)?;
            input.drain(..len);
            if body.is_some() {
                return Ok(body);
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_are_a_body_however_they_are_torn() {
        let text = "4;name=value\r\nabcd\r\n5\r\nefghi\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..text.len() {
            let body = read(text, step).unwrap();
            assert_eq!(body.as_deref(), Some(&b"abcdefghi"[..]), "in steps of {step}");
        }
        assert_eq!(read(&text[..text.len() - 1], 3).unwrap(), None);
    }

    #[test]
    fn what_follows_a_body_is_left_alone() {
        let mut chunks = Chunks::default();
        let (len, body) = chunks.read(b"1\r\na\r\n0\r\n\r\nGET /", 16).unwrap();
        assert_eq!((len, body), (11, Some(b"a".to_vec())));
    }

    #[test]
    fn malformed_and_endless_bodies_are_refused() {
        let refused = |text: &str, status: u16, words: &str| {
            let (found, why) = read(text, 7).unwrap_err();
            assert!(found == status && why.contains(words), "{text:?}: {found} {why}");
        };
        refused("zz\r\nabc", 400, "no number");
        refused("-1\r\nabc", 400, "no number");
        refused("2\r\nabcd\r\n", 400, "longer than its size");
        refused("11\r\n", 413, "more than 16 bytes");
        refused("8\r\nabcdefgh\r\n9\r\n", 413, "more than 16 bytes");
        refused("fffffffffffffffff\r\n", 400, "no number");
        refused(&format!("1;{}", "x".repeat(300)), 400, "no number");
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
        assert_eq!(read(&long, 1), read(&long, long.len()), "torn, and whole");
        refused(&format!("0\r\n{}", "A: b\r\n".repeat(3000)), 400, "too much follows");
        refused(&format!("0\r\n{}", "x".repeat(17_000)), 400, "too much follows");
    }
}
