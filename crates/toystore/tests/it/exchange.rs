//! HTTP exchanges with a node, written apart from the program's own client: what that gets wrong
//! must not go unnoticed because the tests get it wrong too.
//!
//! Used by every test with real processes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any deadline of the store: a test that waits so long has found a hang.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Clone, Debug)]
pub struct Said {
    /// The status code.
    pub status: u16,
    /// By name, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Said {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The number in a header.
    pub fn number(&self, header: &str) -> u64 {
        let text = self.headers.get(header).unwrap_or_else(|| panic!("no {header}: {self:?}"));
        text.parse().unwrap()
    }

    /// The state of the toy that it tells of.
    pub fn version(&self) -> u64 {
        self.number("toystore-toy-version")
    }
}

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Opens one to `http://HOST:PORT`. That works with a paused process too.
    pub fn open(url: &str) -> Result<Connection, String> {
        let address = url.strip_prefix("http://").unwrap();
        let open = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Connection { stream: BufReader::new(stream) })
        };
        open().map_err(|e: std::io::Error| format!("{url}: {e}"))
    }

    /// Writes a request; does not wait.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(), String> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: toystore\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(text.as_bytes()).map_err(|e| format!("{path}: {e}"))
    }

    /// Waits for the answer.
    pub fn answer(&mut self) -> Result<Said, String> {
        self.read_answer().map_err(|e| format!("no answer: {e}"))
    }

    fn read_answer(&mut self) -> std::io::Result<Said> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("said {line:?}")))?;
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_string());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok(Said { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// `GET`, on this connection.
    pub fn get(&mut self, path: &str) -> Result<Said, String> {
        self.ask("GET", path, &[], "")?;
        self.answer()
    }

    /// Orders, on this connection.
    pub fn order(&mut self, key: &str, toy: &str, quantity: u64) -> Result<Said, String> {
        let body = serde_json::json!({"name": toy, "quantity": quantity}).to_string();
        self.ask("POST", "/orders", &[("Idempotency-Key", key)], &body)?;
        self.answer()
    }
}

/// `GET`, on a new connection.
pub fn get(url: &str, path: &str) -> Result<Said, String> {
    Connection::open(url)?.get(path)
}

/// `GET` of what only nodes may ask.
pub fn get_internal(url: &str, path: &str, token: &str) -> Result<Said, String> {
    let mut connection = Connection::open(url)?;
    connection.ask("GET", path, &[("Authorization", &format!("Bearer {token}"))], "")?;
    connection.answer()
}

/// Orders, on a new connection.
pub fn order(url: &str, key: &str, toy: &str, quantity: u64) -> Result<Said, String> {
    Connection::open(url)?.order(key, toy, quantity)
}
