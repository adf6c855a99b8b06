//! The bytes of an answer, and whether it is right.
//!
//! Pure: [`read`] finds an answer in what has come so far, [`judge`] compares it with what was
//! asked. Called by [`super::client`]. Written from the outside, as [`crate::client::dialect`] is:
//! what it expects is the lab's text, not our own servers' types.

use std::borrow::Cow;

use serde::Deserialize;

/// The most headers of an answer: ours have about twelve.
pub const HEADERS_MAX: usize = 64;

/// The largest answer that is waited for, in bytes; a toy or an order has some hundreds.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How much of a wrong body is shown, in characters.
const SHOWN_MAX: usize = 120;

/// A whole answer at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The HTTP status.
    pub status: u16,
    /// Where the body begins.
    pub body: usize,
    /// Where it ends.
    pub end: usize,
    /// Whether the connection ends with it.
    pub closes: bool,
    /// Whether it came out of the frontend's cache.
    pub hit: bool,
}

/// The answer in what has come so far; absent if more must come.
///
/// # Errors
/// If it is not HTTP, or no answer of which the end can be known.
pub fn read(bytes: &[u8]) -> Result<Option<Frame>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(bytes).map_err(|error| format!("not HTTP: {error}"))?;
    let httparse::Status::Complete(body) = parsed else { return limited(bytes.len()) };
    let status = answer.code.unwrap_or_default();
    // HTTP/1.0 closes, unless it says otherwise.
    let mut closes = answer.version == Some(0);
    let (mut length, mut hit) = (None, false);
    for header in answer.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let text = std::str::from_utf8(header.value).unwrap_or_default();
            let number = text.trim().parse::<usize>();
            length = Some(number.map_err(|_| format!("{text:?} is no content-length"))?);
        } else if is("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        } else if is("x-cache") {
            hit = header.value == b"hit";
        } else if is("transfer-encoding") {
            return Err("an answer in chunks: only those with a content-length are read".into());
        }
    }
    let length = match length {
        Some(length) => length,
        None if matches!(status, 204 | 304) => 0,
        None => return Err(format!("an answer without content-length, status {status}")),
    };
    let end = body.saturating_add(length);
    if bytes.len() < end {
        return limited(end);
    }
    Ok(Some(Frame { status, body, end, closes, hit }))
}

fn limited(bytes: usize) -> Result<Option<Frame>, String> {
    match bytes > ANSWER_BYTES_MAX {
        true => Err(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")),
        false => Ok(None),
    }
}

/// What was asked, as far as the answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A toy.
    Read {
        /// What it is called.
        name: &'a str,
    },
    /// An order.
    Order,
    /// An order that is there.
    OrderQuery {
        /// Its number.
        number: u64,
        /// What was ordered.
        name: &'a str,
        /// How many.
        quantity: u32,
    },
}

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The toy that was asked for, and whether there is any.
    Toy {
        /// Whether it can be ordered.
        in_stock: bool,
    },
    /// The order is recorded under this number.
    Ordered(u64),
    /// There is not enough of it: a right answer, too.
    NoStock,
    /// The order is as it was acknowledged.
    Found,
    /// The store says that it cannot, 5xx.
    Unavailable(String),
    /// It cannot be true, or is not what the lab's text says; why.
    Wrong(String),
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Toy<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "price")]
    _price: f64,
    quantity: u64,
}

#[derive(Deserialize)]
struct Made {
    order_number: u64,
}

#[derive(Deserialize)]
struct Order<'a> {
    number: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    quantity: u64,
}

/// Compares an answer with what was asked.
pub fn judge(asked: Asked<'_>, status: u16, body: &[u8]) -> Verdict {
    match (asked, status) {
        (_, 500..) => Verdict::Unavailable(format!("{status} {}", shown(body))),
        (Asked::Read { name }, 200) => match data::<Toy<'_>>(body) {
            Ok(toy) if toy.name == name => Verdict::Toy { in_stock: toy.quantity > 0 },
            Ok(toy) => Verdict::Wrong(format!("asked for {name:?}, got {:?}", toy.name)),
            Err(why) => Verdict::Wrong(why),
        },
        (Asked::Order, 200) => match data::<Made>(body) {
            Ok(made) => Verdict::Ordered(made.order_number),
            Err(why) => Verdict::Wrong(why),
        },
        (Asked::Order, 400) if shown(body).to_lowercase().contains("insufficient") => {
            Verdict::NoStock
        }
        (Asked::OrderQuery { number, name, quantity }, 200) => match data::<Order<'_>>(body) {
            Ok(order)
                if (order.number, &*order.name, order.quantity)
                    == (number, name, u64::from(quantity)) =>
            {
                Verdict::Found
            }
            Ok(order) => Verdict::Wrong(format!(
                "order {number} was {quantity} of {name:?}, and is now {} of {:?} under number {}",
                order.quantity, order.name, order.number
            )),
            Err(why) => Verdict::Wrong(why),
        },
        (Asked::OrderQuery { number, .. }, 404) => {
            Verdict::Wrong(format!("order {number} was acknowledged, and is not there"))
        }
        (Asked::Read { .. } | Asked::Order | Asked::OrderQuery { .. }, _) => {
            Verdict::Wrong(format!("status {status}: {}", shown(body)))
        }
    }
}

fn data<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    match serde_json::from_slice::<Envelope<T>>(body) {
        Ok(envelope) => Ok(envelope.data),
        Err(error) => Err(format!("not the lab's JSON: {error}: {}", shown(body))),
    }
}

/// The beginning of a body. Whoever answered may be anybody, and these words go to a terminal: what
/// would steer it is not shown.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN_MAX)]);
    let harmless = |one: char| if one.is_control() { '�' } else { one };
    let mut shown: String = text.chars().take(SHOWN_MAX).map(harmless).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Cache: hit\r\n\
                         Content-Length: 56\r\n\r\n\
                         {\"data\":{\"name\":\"Tux\",\"price\":25.99,\"quantity\":100}}1234";

    #[test]
    fn what_would_steer_a_terminal_is_not_shown() {
        assert_eq!(shown("\u{1b}[2Jno\r\n\u{9b}1m".as_bytes()), "�[2Jno���1m");
        let long = "ü".repeat(SHOWN_MAX + 1);
        assert_eq!(shown(long.as_bytes()), format!("{}…", &long[2..]));
    }

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        for length in 0..HIT.len() {
            assert_eq!(read(&HIT[..length]), Ok(None), "{length}");
        }
        let frame = read(HIT).unwrap().unwrap();
        assert_eq!((frame.status, frame.end, frame.hit), (200, HIT.len(), true));
        assert!(!frame.closes);
        let old = read(b"HTTP/1.0 204 No Content\r\n\r\n").unwrap().unwrap();
        assert!(old.closes && old.body == old.end);
        let closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(read(closing).unwrap().unwrap().closes);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (bytes, expected) in [
            (&b"hello there\r\n\r\n"[..], "not HTTP"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "without content-length"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "chunks"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "no content-length"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "more than"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_answer_is_compared_with_what_was_asked() {
        let read = Asked::Read { name: "Tux" };
        let query = Asked::OrderQuery { number: 7, name: "Tux", quantity: 2 };
        let toy = |in_stock| Verdict::Toy { in_stock };
        for (asked, status, body, expected) in [
            (read, 200, r#"{"data":{"name":"Tux","price":1.5,"quantity":3}}"#, toy(true)),
            (read, 200, r#"{"data":{"name":"T\u0075x","price":1,"quantity":0}}"#, toy(false)),
            (Asked::Order, 200, r#"{"data":{"order_number":7}}"#, Verdict::Ordered(7)),
            (
                Asked::Order,
                400,
                r#"{"error":{"code":400,"message":"Insufficient stock"}}"#,
                Verdict::NoStock,
            ),
            (query, 200, r#"{"data":{"number":7,"name":"Tux","quantity":2}}"#, Verdict::Found),
        ] {
            assert_eq!(judge(asked, status, body.as_bytes()), expected, "{body}");
        }
        for (asked, status, body, expected) in [
            (read, 200, r#"{"data":{"name":"Fox","price":1.5,"quantity":3}}"#, "got \"Fox\""),
            (read, 200, r#"{"data":{"name":"Tux","quantity":3}}"#, "missing field `price`"),
            (read, 200, "<html>", "not the lab's JSON"),
            (read, 404, "{}", "status 404"),
            (Asked::Order, 200, r#"{"data":{"order_number":-1}}"#, "not the lab's JSON"),
            (Asked::Order, 400, "{}", "status 400"),
            (query, 404, "{}", "order 7 was acknowledged, and is not there"),
            (query, 200, r#"{"data":{"number":7,"name":"Tux","quantity":1}}"#, "is now 1 of"),
        ] {
            let Verdict::Wrong(why) = judge(asked, status, body.as_bytes()) else {
                panic!("{body} was taken for right");
            };
            assert!(why.contains(expected), "{why}");
        }
        let busy = judge(read, 503, b"not available");
        assert_eq!(busy, Verdict::Unavailable("503 not available".to_string()));
    }
}
