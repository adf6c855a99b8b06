//! The head of a request: its line and its headers, and how long its body is.
//!
//! A head is read into one that the connection keeps, so that a request costs no allocation. The
//! grammar is the crate `httparse`'s; what the headers mean for the connection (length, keep-alive,
//! `Expect`) is decided here, strictly: a request that two readers could understand differently is
//! how requests are smuggled past a proxy (RFC 9112 §11.2), so it is refused.
//!
//! Pure. Called by [`super::serving`]; read by [`super::site`] and `request`.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::Status;
use hyper::{Method, StatusCode};

/// The largest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most headers of a request.
pub const HEADERS_MAX: usize = 64;

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; none, if no header speaks of a body.
    Length(u64),
    /// As many as come, in chunks.
    Chunked,
}

/// One request's head.
#[derive(Debug)]
pub struct Head {
    /// Its bytes; `path`, `query` and `fields` are ranges of them.
    bytes: Vec<u8>,
    method: Method,
    path: Range<usize>,
    query: Range<usize>,
    /// Names and values.
    fields: Vec<(Range<usize>, Range<usize>)>,
    framing: Framing,
    minor: u8,
    keep_alive: bool,
    expects_continue: bool,
}

/// What is wrong with a head, and the status that says so.
pub type Malformed = (StatusCode, String);

fn malformed(why: &str) -> Malformed {
    (StatusCode::BAD_REQUEST, format!("this is no whole HTTP/1.1 request: {why}"))
}

/// For a head with too many bytes or headers.
fn too_large() -> Malformed {
    let why = format!("a head has at most {HEADERS_MAX} headers and {HEAD_BYTES_MAX} bytes");
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why)
}

impl Head {
    /// A place for heads.
    pub fn new() -> Head {
        Head {
            bytes: Vec::new(),
            method: Method::GET,
            path: 0..0,
            query: 0..0,
            fields: Vec::new(),
            framing: Framing::Length(0),
            minor: 1,
            keep_alive: true,
            expects_continue: false,
        }
    }

    /// Takes the head at the front of `input`, and says how many bytes it has; `None` if it is not
    /// all there yet.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        if input.is_empty() {
            return Ok(None);
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let len = match parsed.parse_with_uninit_headers(input, &mut headers) {
            Ok(Status::Complete(len)) if len <= HEAD_BYTES_MAX => len,
            Ok(Status::Partial) if input.len() < HEAD_BYTES_MAX => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
            Err(error) => return Err(malformed(&error.to_string())),
        };
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(malformed("its line is not whole"));
        };
        self.bytes.clear();
        self.bytes.extend_from_slice(&input[..len]);
        let place = |part: &[u8]| {
            // `part` lies within `input`: the parser copies nothing.
            let start = part.as_ptr() as usize - input.as_ptr() as usize;
            start..start + part.len()
        };
        self.method = Method::from_bytes(method.as_bytes())
            .map_err(|_| malformed("its method is no token"))?;
        self.minor = minor;
        let (path, query) = split_target(target);
        (self.path, self.query) = (place(path.as_bytes()), place(query.as_bytes()));
        self.fields.clear();
        let fields = parsed.headers.iter();
        self.fields.extend(fields.map(|f| (place(f.name.as_bytes()), place(f.value))));
        self.interpret()?;
        Ok(Some(len))
    }

    /// What the headers say of the connection and the body.
    fn interpret(&mut self) -> Result<(), Malformed> {
        let (mut length, mut chunked, mut hosts) = (None, false, 0);
        self.keep_alive = self.minor == 1;
        self.expects_continue = false;
        for (name, value) in &self.fields {
            let (name, value) = (&self.bytes[name.clone()], &self.bytes[value.clone()]);
            if name.eq_ignore_ascii_case(b"host") {
                hosts += 1;
            } else if name.eq_ignore_ascii_case(b"connection") {
                for option in list(value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.keep_alive = false;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") && self.minor == 0 {
                        self.keep_alive = true;
                    }
                }
            } else if name.eq_ignore_ascii_case(b"content-length") {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let number = std::str::from_utf8(value).ok().filter(|_| digits);
                let number = number.and_then(|text| text.parse::<u64>().ok());
                let number = number.ok_or_else(|| malformed("Content-Length is no number"))?;
                if length.replace(number).is_some_and(|other| other != number) {
                    return Err(malformed("two values of Content-Length"));
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") || self.minor == 0 {
                    return Err(malformed("of the transfer encodings only chunked is known"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case(b"expect") {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    let why = "Expect: only 100-continue can be expected here".to_string();
                    return Err((StatusCode::EXPECTATION_FAILED, why));
                }
                // A client of HTTP/1.0 would take the leave for the answer.
                self.expects_continue = self.minor == 1;
            }
        }
        if hosts > 1 || (hosts == 0 && self.minor == 1) {
            return Err(malformed("it must have one header Host"));
        }
        self.framing = match (length, chunked) {
            (Some(_), true) => {
                return Err(malformed("both Content-Length and Transfer-Encoding"));
            }
            (length, false) => Framing::Length(length.unwrap_or(0)),
            (None, true) => Framing::Chunked,
        };
        Ok(())
    }

    /// `GET`.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// What is asked for, percent-encoded, without the query.
    pub fn path(&self) -> &str {
        self.text_at(&self.path)
    }

    /// The same as bytes: nobody looks whether it is text once more.
    pub fn path_bytes(&self) -> &[u8] {
        &self.bytes[self.path.clone()]
    }

    /// What follows `?`.
    pub fn query(&self) -> &str {
        self.text_at(&self.query)
    }

    fn text_at(&self, range: &Range<usize>) -> &str {
        // The parser has looked: a target is UTF-8.
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default()
    }

    /// The value of a header, the first if it comes twice. `name` in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let is = |range: &Range<usize>| {
            range.len() == name.len()
                && self.bytes[range.clone()].eq_ignore_ascii_case(name.as_bytes())
        };
        let (_, value) = self.fields.iter().find(|(given, _)| is(given))?;
        Some(&self.bytes[value.clone()])
    }

    /// How long the body is.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client wants to ask more on this connection.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether it is HTTP/1.0.
    pub fn is_old(&self) -> bool {
        self.minor == 0
    }

    /// Whether the client waits for leave to send the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }
}

/// Path and query of a target: `/a?b`, or the same behind a scheme and a host.
fn split_target(target: &str) -> (&str, &str) {
    // Nearly every target is a path, in which no scheme need be looked for.
    let scheme = if target.starts_with('/') { None } else { target.split_once("://") };
    let target = match scheme {
        Some((scheme, rest)) if !scheme.contains('/') => {
            // No path at all is the path `/`, which nobody serves either.
            &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]
        }
        Some(_) | None => target,
    };
    // By bytes: a search for a character is made for longer texts than a target is.
    match target.bytes().position(|byte| byte == b'?') {
        Some(place) => (&target[..place], &target[place + 1..]),
        None => (target, &target[target.len()..]),
    }
}

/// The items of a header that is a list.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Head>, Malformed> {
        let mut head = Head::new();
        let len = head.read(text.as_bytes())?;
        assert!(len.is_none_or(|len| len == text.len()), "{len:?}");
        Ok(len.map(|_| head))
    }

    fn check(text: &str, path: &str, query: &str, framing: Framing, keep_alive: bool) {
        let head = read(text).unwrap().unwrap();
        let found = (head.path(), head.query(), head.framing(), head.keep_alive());
        assert_eq!(found, (path, query, framing, keep_alive), "{text:?}");
    }

    fn check_refused(text: &str, status: u16, words: &str) {
        let (found, why) = read(text).unwrap_err();
        assert_eq!(found, status, "{text:?}");
        assert!(why.contains(words), "{why:?} does not say {words:?}");
    }

    #[test]
    fn a_head_says_what_is_asked_and_how_long_the_body_is() {
        let none = Framing::Length(0);
        check("GET /a?b=c?d HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "b=c?d", none, true);
        check("GET http://x:1/a?b HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "b", none, true);
        check("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", "", "", none, true);
        check("GET /?u=a://b HTTP/1.1\r\nHost: x\r\n\r\n", "/", "u=a://b", none, true);
        check("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", "", none, true);
        check("GET / HTTP/1.1\r\nhost: x\r\nconnection: a, Close\r\n\r\n", "/", "", none, false);
        check("GET / HTTP/1.0\r\n\r\n", "/", "", none, false);
        check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/", "", none, true);
        let seven = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\ncontent-length:7\r\n\r\n";
        check(seven, "/", "", Framing::Length(7), true);
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n";
        check(chunked, "/", "", Framing::Chunked, true);
    }

    #[test]
    fn half_a_head_is_none_and_the_next_request_is_left_alone() {
        let whole = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).unwrap().is_none(), "{len}");
        }
        let mut head = Head::new();
        let two = format!("{whole}GET /b HTTP/1.1");
        assert_eq!(head.read(two.as_bytes()).unwrap(), Some(whole.len()));
        assert_eq!((head.path(), head.header("HOST")), ("/a", Some(&b"x"[..])));
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
        let refused = |fields: &str, words: &str| check_refused(&head(fields), 400, words);
        refused("Content-Length: 5\r\nContent-Length: 6", "two values of Content-Length");
        refused("Content-Length: 5, 5", "no number");
        refused("Content-Length: +5", "no number");
        refused("Content-Length: ", "no number");
        refused("Content-Length: 99999999999999999999", "no number");
        refused("Content-Length: 5\r\nTransfer-Encoding: chunked", "both");
        refused("Transfer-Encoding: chunked\r\nContent-Length: 5", "both");
        refused("Transfer-Encoding: gzip, chunked", "only chunked");
        refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "only chunked");
        refused("Host: y", "one header Host");
        refused("A: b\r\n c", "header");
        check_refused("GET / HTTP/1.1\r\n\r\n", 400, "one header Host");
        check_refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "chunked");
        check_refused(&head("Expect: the unexpected"), 417, "only 100-continue");
    }

    #[test]
    fn a_head_has_bounds() {
        let fields = |count: usize| "A: b\r\n".repeat(count);
        let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        assert!(read(&head(&fields(HEADERS_MAX - 1))).unwrap().is_some());
        check_refused(&head(&fields(HEADERS_MAX)), 431, "at most 64 headers and 16384 bytes");
        let long = "x".repeat(HEAD_BYTES_MAX);
        check_refused(&head(&format!("A: {long}\r\n")), 431, "at most 64 headers");
        check_refused(&format!("GET /{long}"), 431, "at most 64 headers");
    }
}
