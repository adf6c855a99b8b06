//! Bytes to a node and bytes back, exactly as they are: for what no client library would send, and
//! for answers that are compared byte for byte.
//!
//! Used by `wire`, `bad_input` and `openapi`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::exchange::PATIENCE;

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// `HTTP/1.1`.
    pub protocol: String,
    /// The status code.
    pub status: u16,
    /// By name, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Heard {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Expects a status and a body, to the byte.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) -> &Heard {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{self:?}");
        self
    }

    /// Expects headers.
    #[track_caller]
    pub fn with(&self, headers: &[(&str, &str)]) -> &Heard {
        for (name, value) in headers {
            assert_eq!(self.header(name), *value, "{name}: {self:?}");
        }
        self
    }

    /// Expects the error object with this status and, somewhere in its message, these words.
    #[track_caller]
    pub fn is_error(&self, status: u16, words: &str) -> &Heard {
        assert_eq!(self.status, status, "{self:?}");
        let error = &self.json()["error"];
        let message = error["message"].as_str().unwrap_or_else(|| panic!("no message: {self:?}"));
        assert!(message.contains(words), "{message:?} does not say {words:?}");
        let exact = serde_json::json!({"error": {"code": status, "message": message}});
        self.is(status, &exact.to_string()).with(&[("content-type", "application/json")])
    }
}

/// A connection.
#[derive(Debug)]
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// Opens one to `http://HOST:PORT`.
    pub fn open(url: &str) -> Raw {
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Raw { stream: BufReader::new(stream) }
    }

    /// Sends bytes; a server that has heard enough may close before it has all of them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Raw {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Says that nothing more will come.
    pub fn end(&mut self) -> &mut Raw {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        self
    }

    /// The next answer; absent at the end of the connection.
    pub fn hear(&mut self) -> Option<Heard> {
        self.hear_as("GET")
    }

    /// The same to a method: that to `HEAD` has no body.
    pub fn hear_as(&mut self, method: &str) -> Option<Heard> {
        match self.read(method) {
            Ok(heard) => heard,
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }

    fn read(&mut self, method: &str) -> io::Result<Option<Heard>> {
        let mut heard = Heard::default();
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        heard.protocol = words.next().unwrap_or_default().to_string();
        heard.status = words.next().unwrap_or_default().parse().map_err(io::Error::other)?;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            let twice = heard.headers.insert(name.to_lowercase(), value.to_string());
            assert_eq!(twice, None, "{name} comes twice");
        }
        let length = heard.header("content-length").parse().unwrap_or(0);
        let mut body = vec![0; if method == "HEAD" || heard.status == 304 { 0 } else { length }];
        self.stream.read_exact(&mut body)?;
        heard.body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(Some(heard))
    }

    /// Whatever comes until the end of a line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    /// Expects the end of the connection.
    #[track_caller]
    pub fn is_over(&mut self) {
        let heard = self.hear();
        assert!(heard.is_none(), "{heard:?}");
    }
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: toystore\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

/// One request on a connection of its own.
pub fn ask(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Heard {
    let mut raw = Raw::open(url);
    raw.send(request(method, path, headers, body));
    raw.hear_as(method).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

/// `GET`.
pub fn get(url: &str, path: &str) -> Heard {
    ask(url, "GET", path, &[], "")
}

/// `POST` of JSON.
pub fn post(url: &str, path: &str, body: &str) -> Heard {
    ask(url, "POST", path, &[("Content-Type", "application/json")], body)
}
