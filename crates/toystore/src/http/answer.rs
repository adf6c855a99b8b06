//! An HTTP answer: status, headers, body; the error object; and how they are written.
//!
//! Headers are written as they are added, into one buffer, so that an answer costs one allocation
//! and a copy. The lab's JSON is in [`super::lab`], the original project's in [`super::seed`].
//! Called by these and [`super::site`]; written to a socket by [`super::serving`].

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use shop::message::Problem;
use tokio::sync::mpsc;

use super::head::Head;
use super::wire::POSTCARD;

/// A body that is all there, or comes piece by piece.
#[derive(Debug)]
pub enum Body {
    /// All there.
    Whole(Bytes),
    /// A stream of events, as long as the sender lives.
    Stream(mpsc::Receiver<Bytes>),
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    /// Lines of headers, each with its end.
    headers: Vec<u8>,
    body: Body,
    /// Whether the connection ends with it.
    closes: bool,
}

const JSON: &str = "application/json";

/// How soon a client should try again, in seconds: about as long as a failover takes.
const RETRY_SECONDS: &str = "1";

/// Content type, who served, and what proof needs: room for all of it at once.
const HEADERS_BYTES: usize = 448;

/// A body of so many bytes is written together with its head; a larger one is not copied.
const BODY_BYTES_COPIED: usize = 16 * 1024;

impl Answer {
    /// An answer with a body.
    pub fn new(status: StatusCode, body: Body) -> Answer {
        Answer { status, headers: Vec::with_capacity(HEADERS_BYTES), body, closes: false }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds a header. `value` must be free of line breaks: it is ours, a number, or the value of a
    /// header that was read.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.add_lines(&[name.as_bytes(), b": ", value.as_ref(), b"\r\n"]);
    }

    /// Adds whole lines of headers, each with its end, in parts: what many answers have in common
    /// is copied in one piece.
    pub fn add_lines(&mut self, parts: &[&[u8]]) {
        self.headers.reserve(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.headers.extend_from_slice(part);
        }
    }

    /// The connection ends with this answer.
    pub fn closing(mut self) -> Answer {
        self.closes = true;
        self
    }

    /// Whether the connection ends with it.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Appends the answer to what will be written, and returns what is written after it: a body
    /// that is large, or a stream.
    ///
    /// `asked` is the request, if it became one: `HEAD` gets no body, HTTP/1.0 its own version.
    pub fn write(self, asked: Option<&Head>, out: &mut Vec<u8>) -> Option<Body> {
        let old = asked.is_some_and(Head::is_old);
        out.extend_from_slice(if old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        out.extend_from_slice(self.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.status.canonical_reason().unwrap_or("Other").as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.headers);
        let bodiless = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match &self.body {
            Body::Whole(_) if bodiless => {}
            Body::Whole(body) => {
                out.extend_from_slice(b"content-length: ");
                out.extend_from_slice(digits(body.len() as u64, &mut Digits::default()));
                out.extend_from_slice(b"\r\n");
            }
            // To a client of HTTP/1.0 it ends with the connection.
            Body::Stream(_) if old => {}
            Body::Stream(_) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        if self.closes {
            out.extend_from_slice(b"connection: close\r\n");
        } else if old {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        push_date(out);
        out.extend_from_slice(b"\r\n");
        match self.body {
            _ if bodiless || asked.is_some_and(|asked| asked.method() == "HEAD") => None,
            Body::Whole(body) if body.len() <= BODY_BYTES_COPIED => {
                out.extend_from_slice(&body);
                None
            }
            body => Some(body),
        }
    }
}

/// Room for the decimal digits of any number.
pub type Digits = [u8; 20];

/// A number in decimal digits.
pub fn digits(mut number: u64, space: &mut Digits) -> &[u8] {
    // From the last to the first.
    let mut start = space.len();
    loop {
        start -= 1;
        space[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &space[start..];
        }
    }
}

/// Appends the header `Date`, which every answer of a server with a clock has (RFC 9110 §6.6.1).
/// It is written anew once a second.
fn push_date(out: &mut Vec<u8>) {
    const LINE: usize = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();
    thread_local! {
        static WRITTEN: Cell<(i64, [u8; LINE])> = const { Cell::new((i64::MIN, [0; LINE])) };
    }
    // The coarse clock is a tick late at most, and a tenth of the price.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse).tv_sec;
    let (second, mut line) = WRITTEN.get();
    if second != now {
        let since_1970 = Duration::from_secs(u64::try_from(now).unwrap_or(0));
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_1970);
        line.copy_from_slice(format!("date: {date}\r\n").as_bytes());
        WRITTEN.set((now, line));
    }
    out.extend_from_slice(&line);
}

/// An answer with a body.
pub fn whole(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(status, Body::Whole(body.into()));
    answer.add("content-type", content_type);
    answer
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    whole(status, JSON, body)
}

/// `{"data":…}`.
pub fn data(value: &Value) -> Answer {
    json(StatusCode::OK, json!({"data": value}).to_string())
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    Answer::new(status, Body::Whole(Bytes::new()))
}

/// The error object.
pub fn error(status: StatusCode, message: &str) -> Answer {
    let body = json!({"error": {"code": status.as_u16(), "message": message}});
    let mut answer = json(status, body.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.add("retry-after", RETRY_SECONDS);
    }
    answer
}

/// The status of an expected failure.
pub fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status()).expect("the table holds HTTP statuses")
}

/// An answer for another service.
pub fn postcard(response: &shop::message::Response) -> Answer {
    let status = response.as_ref().err().map_or(StatusCode::OK, status_of);
    let body = ::postcard::to_stdvec(response).expect("our types have nothing unknown to postcard");
    whole(status, POSTCARD, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: Answer, head: &str) -> String {
        let mut asked = Head::new();
        asked.read(head.as_bytes()).unwrap().unwrap();
        let mut out = Vec::new();
        assert!(answer.write(Some(&asked), &mut out).is_none());
        let text = String::from_utf8(out).unwrap();
        let lines = text.split("\r\n").filter(|line| !line.starts_with("date: "));
        lines.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn an_answer_fits_who_asked() {
        let now = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let teapot = || whole(StatusCode::IM_A_TEAPOT, "text/tea", "milk");
        let expected = "HTTP/1.1 418 I'm a teapot|content-type: text/tea|content-length: 4||milk";
        assert_eq!(written(teapot(), now), expected);
        let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(written(teapot(), head), expected.replace("milk", ""));
        let old = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let expected = "HTTP/1.0 204 No Content|connection: keep-alive||";
        assert_eq!(written(empty(StatusCode::NO_CONTENT), old), expected);
        let expected = "HTTP/1.1 304 Not Modified|connection: close||";
        assert_eq!(written(empty(StatusCode::NOT_MODIFIED).closing(), now), expected);
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_need() {
        for number in [0, 7, 10, 65_535, u64::MAX] {
            assert_eq!(digits(number, &mut Digits::default()), number.to_string().as_bytes());
        }
    }
}
