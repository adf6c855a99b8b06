//! One keep-alive HTTP connection, from the asking side: what a shopper buys over, what nodes ask
//! each other over, and what the tools ask nodes with.
//!
//! The lab wants each client on one connection for its whole session. The course of a request is
//! told in the words of the contract: an answer, a refused connection (nobody saw the request), or
//! unknown (it may have been done). Called by `client::runner`, `peer`, the supervisor's health
//! checks and the commands; calls hyper.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::trace::Header;

/// The largest answer that is read: what an internal edge may carry.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where a node is: `http://HOST:PORT`, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    authority: String,
    host: String,
    port: u16,
}

impl Url {
    /// What a plain `http://HOST` means.
    const PORT_DEFAULT: u16 = 80;

    /// The host, without the brackets of an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `HOST:PORT`, as the `Host` header has it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let wrong = |why: &str| {
            format!("{text:?} is not a URL of a node: {why}; expected http://HOST:PORT")
        };
        if text.starts_with("https://") {
            return Err(wrong("nodes speak plain HTTP"));
        }
        if !text.starts_with("http://") {
            return Err(wrong("it does not begin with http://"));
        }
        let uri: Uri = text.parse().map_err(|error| wrong(&format!("{error}")))?;
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it has a path"));
        }
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(wrong("it names no host"));
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => {
                port.parse().map_err(|_| wrong("its port is not a number from 1 to 65535"))?
            }
            _ => Url::PORT_DEFAULT,
        };
        if port == 0 {
            return Err(wrong("its port is not a number from 1 to 65535"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        Ok(Url { authority: authority.to_string(), host, port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// What a node said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The answer's body, at most [`ANSWER_BYTES_MAX`].
    pub body: Bytes,
}

impl Said {
    /// A header's text; absent if it is not there or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The message of an error object, or else the whole body.
    pub fn message(&self) -> String {
        let parsed: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        match parsed.as_ref().and_then(|v| v["error"]["message"].as_str()) {
            Some(message) => message.to_string(),
            None => String::from_utf8_lossy(&self.body).trim().to_string(),
        }
    }
}

/// Why there is no answer. Both name the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection: the request never reached anybody.
    Refused(String),
    /// The connection broke, or the deadline passed: it may have been done or not.
    Unknown(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Refused(why) => write!(f, "no connection: {why}"),
            NoAnswer::Unknown(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// One request, before it has a destination.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// GET, unless told otherwise.
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Headers beside `Host` and `Content-Length`.
    pub headers: Vec<(HeaderName, Cow<'static, str>)>,
    /// Empty, or JSON, unless [`Ask::content_type`] says otherwise.
    pub body: Bytes,
    /// Absent: JSON, if there is a body.
    pub content_type: Option<HeaderValue>,
}

impl Ask {
    /// A `GET` of `path`.
    pub fn get(path: impl Into<String>) -> Ask {
        Ask { path: path.into(), ..Ask::default() }
    }

    /// The same with a header more.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Ask {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    /// The same with its causes.
    pub fn within(self, traces: &Header) -> Ask {
        match traces {
            Some((name, value)) => self.with(name, value.clone()),
            None => self,
        }
    }
}

/// A connection that is opened when it is needed and kept while it lives.
#[derive(Debug)]
pub struct Connection {
    url: Url,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Opens nothing yet.
    pub fn new(url: Url) -> Connection {
        Connection { url, sender: None }
    }

    /// Whom it speaks to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks, and waits at most `deadline` for the whole answer. A connection that did not give one
    /// is closed: its answer might come late and be taken for that of the next request.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask(&mut self, ask: &Ask, deadline: Duration) -> Result<Said, NoAnswer> {
        match tokio::time::timeout(deadline, self.exchange(ask)).await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(no_answer)) => {
                self.sender = None;
                Err(no_answer)
            }
            Err(_) => {
                let connected = self.sender.take().is_some();
                let why = format!("nothing within {deadline:?}");
                Err(if connected { NoAnswer::Unknown(why) } else { NoAnswer::Refused(why) })
            }
        }
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Said, NoAnswer> {
        let request = self.request(ask)?;
        self.connect().await?;
        let sender = self.sender.as_mut().expect("connect() has just filled it");
        let unknown = |error: hyper::Error| NoAnswer::Unknown(reason(&error));
        let answer = match sender.try_send_request(request).await {
            Ok(answer) => answer,
            // Handed back unsent: the server had closed the idle connection, so a new one is
            // opened, once. Whether anything was sent is hyper's knowledge, not a guess.
            Err(mut error) => match error.take_message() {
                Some(request) => {
                    self.sender = None;
                    self.connect().await?;
                    let sender = self.sender.as_mut().expect("connect() has just filled it");
                    sender.send_request(request).await.map_err(unknown)?
                }
                None => return Err(unknown(error.into_error())),
            },
        };
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| NoAnswer::Unknown(format!("the answer broke off: {error}")))?;
        Ok(Said { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, NoAnswer> {
        // Put together by hand: a builder moves all of it with each header.
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask
            .path
            .parse::<Uri>()
            .map_err(|error| NoAnswer::Refused(format!("{} is no path: {error}", ask.path)))?;
        let headers = request.headers_mut();
        headers.reserve(ask.headers.len() + 2);
        headers.append(HOST, header(&HOST, self.url.authority())?);
        for (name, value) in &ask.headers {
            let value = match value {
                Cow::Borrowed(ours) => HeaderValue::from_static(ours),
                Cow::Owned(value) => header(name, value)?,
            };
            headers.append(name, value);
        }
        if !ask.body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            headers.append(CONTENT_TYPE, ask.content_type.clone().unwrap_or(json));
        }
        Ok(request)
    }

    async fn connect(&mut self) -> Result<(), NoAnswer> {
        if let Some(sender) = &mut self.sender {
            // A connection that is closing says so here; a request on it would be lost.
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(());
            }
            self.sender = None;
        }
        self.sender = Some(open(&self.url).await?.0);
        Ok(())
    }
}

fn header(name: &HeaderName, value: &str) -> Result<HeaderValue, NoAnswer> {
    HeaderValue::from_str(value)
        .map_err(|_| NoAnswer::Refused(format!("{name} cannot hold {value:?}")))
}

/// A new connection, and the task that moves its bytes: it ends with the connection, and its error
/// reaches the sender.
async fn open(url: &Url) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<()>), NoAnswer> {
    let refused = |why: String| NoAnswer::Refused(why);
    let stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .map_err(|error| refused(format!("{url}: {error}")))?;
    stream.set_nodelay(true).map_err(|error| refused(error.to_string()))?;
    let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| refused(error.to_string()))?;
    let task = tokio::spawn(async move {
        // Told to whoever waits for an answer.
        let _ = driver.await;
    });
    Ok((sender, task))
}

/// A connection that is held only to notice its end.
#[derive(Debug)]
pub struct KeptOpen {
    connection: Connection,
    /// Ends with the connection.
    task: JoinHandle<()>,
}

impl KeptOpen {
    /// # Errors
    /// [`NoAnswer::Refused`].
    pub async fn connect(url: &Url) -> Result<KeptOpen, NoAnswer> {
        let (sender, task) = open(url).await?;
        let connection = Connection { url: url.clone(), sender: Some(sender) };
        Ok(KeptOpen { connection, task })
    }

    /// Returns when the other side has closed it. Asks something now and then, since a connection
    /// on which nobody speaks is closed as idle.
    pub async fn until_closed(&mut self, ask: &Ask, interval: Duration) {
        let request = self.connection.request(ask).ok();
        loop {
            tokio::select! {
                biased;
                _ = &mut self.task => return,
                () = tokio::time::sleep(interval) => {}
            }
            let Some(sender) = &mut self.connection.sender else { return };
            let Some(request) = request.clone() else { return };
            let answered = async {
                let answer = sender.send_request(request).await?;
                answer.into_body().collect().await
            };
            tokio::select! {
                biased;
                _ = &mut self.task => return,
                // A hung process is not a closed connection: go on waiting for its end.
                _ = tokio::time::timeout(interval, answered) => {}
            }
        }
    }
}

/// hyper keeps the telling part of an error in its source.
fn reason(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Asks one thing on a connection of its own.
///
/// # Errors
/// [`NoAnswer`].
pub async fn ask_once(url: &Url, ask: &Ask, deadline: Duration) -> Result<Said, NoAnswer> {
    Connection::new(url.clone()).ask(ask, deadline).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = text.parse::<Url>().map(|url| url.to_string());
        match expected {
            Ok(url) => assert_eq!(parsed.as_deref(), Ok(url)),
            Err(part) => {
                let message = parsed.unwrap_err();
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn a_url_names_a_node_and_nothing_else() {
        check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080"));
        check("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080"));
        check("http://[::1]:8080", Ok("http://[::1]:8080"));
        check("http://shop", Ok("http://shop"));
        check("shop:8080", Err("does not begin with http://"));
        check("https://shop", Err("nodes speak plain HTTP"));
        check("http://shop/products", Err("has a path"));
        check("http://shop:99999", Err("port"));
        check("http://shop:0", Err("port"));
        check("http://", Err("expected http://HOST:PORT"));
    }

    #[tokio::test]
    async fn a_refused_connection_and_a_silent_server_are_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let silent = ask_once(&url, &Ask::get("/"), Duration::from_millis(50)).await;
        assert!(matches!(silent, Err(NoAnswer::Unknown(_))), "{silent:?}");
        // Bound, so that nobody else gets the port, but not listening.
        let deaf = tokio::net::TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url: Url = format!("http://{}", deaf.local_addr().unwrap()).parse().unwrap();
        let refused = ask_once(&url, &Ask::get("/"), Duration::from_secs(5)).await;
        assert!(matches!(refused, Err(NoAnswer::Refused(_))), "{refused:?}");
    }
}
