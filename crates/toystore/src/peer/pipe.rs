//! One connection that questions share: what is asked at the same moment leaves in one write, and
//! the answers come back in that order (HTTP/1.1 pipelining, RFC 9112 §9.3.2).
//!
//! For questions that change nothing, since whoever gets no answer here simply asks again on a
//! connection of its own; and that the other side answers from memory, since an answer that waits
//! holds up those behind it. One that waited for longer than [`QUICK`] all the same (a node hangs,
//! a link is slow) makes all others go on connections of their own for a while.
//!
//! Called by [`super::Link`]. One task for each connection, which ends with it; the other side
//! closes one that is silent. The task has one timer for all that wait, and sets it again only when
//! it has fired: for every timer that is set and would be the next to fire, the runtime wakes its
//! own thread, by two system calls of which a lone question has no use.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::link::lock;
use crate::http::connection::{Ask, Said, Url};

/// How long an answer is waited for here: far longer than a busy node needs for one from memory.
const QUICK: Duration = Duration::from_millis(50);

/// How long nothing is asked here after an answer that did not come within that.
const REST: Duration = Duration::from_secs(10);

/// Bytes that are read at once; an answer has some hundreds.
const READ_BYTES: usize = 16 * 1024;

/// The largest answer here.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The most headers of an answer; ours have some ten.
const HEADERS_MAX: usize = 32;

/// A question in bytes, and who waits for its answer since when.
struct Asked {
    bytes: Vec<u8>,
    waits: Waits,
}

struct Waits {
    since: Instant,
    told: oneshot::Sender<Result<Said, Late>>,
}

/// An answer did not come within [`QUICK`].
struct Late;

/// The connection to one node, opened when it is needed.
#[derive(Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the connection leads, and the way to its task. Not bounded here: the link bounds its
    /// calls, so few that both sides' buffers hold all of them.
    open: Option<(Url, UnboundedSender<Asked>)>,
    rests_until: Option<Instant>,
}

impl Pipe {
    /// Asks, and waits at most until `end`. `None`: there is no answer, and it may be asked again.
    pub async fn ask(&self, url: &Url, ask: &Ask, end: Instant) -> Option<Said> {
        let bytes = in_bytes(ask, url)?;
        let since = Instant::now();
        if end < since + QUICK {
            return None;
        }
        let (told, answer) = oneshot::channel();
        let asked = Asked { bytes, waits: Waits { since, told } };
        self.sender(url, since)?.send(asked).ok()?;
        match answer.await {
            Ok(Ok(said)) => Some(said),
            Ok(Err(Late)) => {
                lock(&self.state).rests_until = Some(Instant::now() + REST);
                None
            }
            // The connection is broken.
            Err(_) => None,
        }
    }

    /// The way to the task of a connection that is open, or being opened.
    fn sender(&self, url: &Url, now: Instant) -> Option<UnboundedSender<Asked>> {
        let mut state = lock(&self.state);
        if state.rests_until.is_some_and(|until| now < until) {
            return None;
        }
        let open = state.open.as_ref().filter(|(to, sender)| to == url && !sender.is_closed());
        if let Some((_, sender)) = open {
            return Some(sender.clone());
        }
        let (sender, asked) = unbounded_channel();
        // Those who wait when it ends are told by that.
        tokio::spawn(run(url.clone(), asked));
        state.open = Some((url.clone(), sender.clone()));
        Some(sender)
    }
}

/// A request without a body; `None` for any other.
fn in_bytes(ask: &Ask, url: &Url) -> Option<Vec<u8>> {
    let harmless = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
    let ours = ask.method == Method::GET && ask.body.is_empty() && harmless(&ask.path);
    if !ours || !ask.headers.iter().all(|(_, value)| harmless(value)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(512);
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| bytes.extend(part.as_bytes()));
    add(&["GET ", &ask.path, " HTTP/1.1\r\nhost: ", url.authority(), "\r\n"]);
    for (name, value) in &ask.headers {
        add(&[name.as_str(), ": ", value, "\r\n"]);
    }
    add(&["\r\n"]);
    Some(bytes)
}

/// The task of one connection.
async fn run(url: Url, mut asked: UnboundedReceiver<Asked>) {
    let mut waiting = VecDeque::new();
    let Err(end) = carry(&url, &mut asked, &mut waiting).await;
    // Those who wait when it is broken are told by its end.
    if let End::Late = end {
        asked.close();
        waiting.extend(std::iter::from_fn(|| asked.try_recv().ok()).map(|asked| asked.waits));
        for waits in waiting {
            // Whoever asked may have gone away.
            let _ = waits.told.send(Err(Late));
        }
    }
}

/// How a connection ends.
enum End {
    Broken,
    Late,
}

/// Moves the bytes of one connection until it is over.
async fn carry(
    url: &Url,
    asked: &mut UnboundedReceiver<Asked>,
    waiting: &mut VecDeque<Waits>,
) -> Result<Infallible, End> {
    let broken = |_| End::Broken;
    let connected = timeout(QUICK, TcpStream::connect((url.host(), url.port()))).await;
    let mut stream = connected.map_err(|_| End::Late)?.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let (mut input, mut out) = (BytesMut::new(), Vec::new());
    let mut alarm = std::pin::pin!(sleep(QUICK));
    let mut armed = false;
    loop {
        input.reserve(READ_BYTES);
        tokio::select! {
            biased;
            first = asked.recv() => {
                let mut next = Some(first.ok_or(End::Broken)?);
                while let Some(Asked { bytes, waits }) = next {
                    out.extend_from_slice(&bytes);
                    waiting.push_back(waits);
                    next = asked.try_recv().ok();
                }
                stream.write_all(&out).await.map_err(broken)?;
                out.clear();
            }
            read = stream.read_buf(&mut input) => {
                if read.map_err(broken)? == 0 {
                    return Err(End::Broken);
                }
                while let Some(said) = take_answer(&mut input).map_err(|Unreadable| End::Broken)? {
                    // An answer that nobody asked for ends it; whoever asked may have gone away.
                    let waits = waiting.pop_front().ok_or(End::Broken)?;
                    let _ = waits.told.send(Ok(said));
                }
            }
            () = &mut alarm, if armed => armed = false,
        }
        if !armed && let Some(oldest) = waiting.front() {
            let late = oldest.since + QUICK;
            if late <= Instant::now() {
                return Err(End::Late);
            }
            alarm.as_mut().reset(late);
            armed = true;
        }
    }
}

/// Reads answers that come in pieces of so many bytes, as from a connection: their status and body,
/// up to the first that cannot be read. For whoever makes bytes up.
pub fn read_answers(bytes: &[u8], step: usize) -> Vec<(u16, Bytes)> {
    let (mut input, mut answers) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match take_answer(&mut input) {
                Ok(Some(said)) => answers.push((said.status, said.body)),
                Ok(None) => break,
                Err(Unreadable) => return answers,
            }
        }
    }
    answers
}

/// What cannot be read as one of our answers.
struct Unreadable;

/// Takes an answer that is whole from the front of what was read; of its headers, what kind of body
/// it has.
fn take_answer(input: &mut BytesMut) -> Result<Option<Said>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(input).map_err(|_| Unreadable)?;
    let httparse::Status::Complete(head) = parsed else {
        return if input.len() > ANSWER_BYTES_MAX { Err(Unreadable) } else { Ok(None) };
    };
    let value = |name: &str| {
        let mut named = answer.headers.iter().filter(|header| header.name == name);
        let value = named.next().map(|header| header.value);
        // Two of them leave open where the next answer begins.
        if named.next().is_some() { Err(Unreadable) } else { Ok(value) }
    };
    let length = value("content-length")?.and_then(|text| str::from_utf8(text).ok()?.parse().ok());
    let length: usize = length.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or(Unreadable)?;
    if input.len() < head + length {
        return Ok(None);
    }
    let status = answer.code.ok_or(Unreadable)?;
    let mut headers = HeaderMap::new();
    if let Some(kind) = value("content-type")? {
        headers.append(CONTENT_TYPE, HeaderValue::from_bytes(kind).map_err(|_| Unreadable)?);
    }
    let mut whole = input.split_to(head + length);
    let body = whole.split_off(head).freeze();
    Ok(Some(Said { status, headers, body }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    async fn listen() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (listener, url)
    }

    /// Asks for a path, in a task.
    fn ask(
        pipe: &Arc<Pipe>,
        url: &Url,
        path: &str,
    ) -> tokio::task::JoinHandle<Option<(u16, String)>> {
        let (pipe, url, ask) = (pipe.clone(), url.clone(), Ask::get(path).with("one", "1"));
        tokio::spawn(async move {
            let said = pipe.ask(&url, &ask, Instant::now() + LONG).await?;
            Some((said.status, String::from_utf8_lossy(&said.body).into_owned()))
        })
    }

    async fn read(stream: &mut TcpStream, bytes: usize) -> String {
        let mut all = vec![0; bytes];
        stream.read_exact(&mut all).await.unwrap();
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn what_is_asked_at_once_leaves_together_and_everybody_gets_its_own() {
        let (listener, url) = listen().await;
        let pipe = Arc::new(Pipe::default());
        let (first, second) = (ask(&pipe, &url, "/a"), ask(&pipe, &url, "/b"));
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\none: 1\r\n\r\n", url.authority())
        };
        let both = request("/a") + &request("/b");
        assert_eq!(read(&mut stream, both.len()).await, both);
        // Torn anywhere.
        for part in ["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 1\r\n\r\naHTTP/1.1 404 ", "No\r\n"] {
            stream.write_all(part.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.write_all(b"content-length: 0\r\n\r\n").await.unwrap();
        assert_eq!(first.await.unwrap(), Some((200, "a".to_string())));
        assert_eq!(second.await.unwrap(), Some((404, String::new())));
    }

    #[tokio::test]
    async fn whoever_gets_no_answer_may_ask_again() {
        let (listener, url) = listen().await;
        let pipe = Arc::new(Pipe::default());
        // Broken off; then garbage; then the other side is there again.
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "SMTP\r\n\r\n"] {
            let asked = ask(&pipe, &url, "/a");
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            drop(stream);
            assert_eq!(asked.await.unwrap(), None);
        }
        let asked = ask(&pipe, &url, "/a");
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na").await.unwrap();
        assert_eq!(asked.await.unwrap(), Some((200, "a".to_string())));
        let body = Ask { body: "x".into(), method: Method::POST, ..Ask::get("/a") };
        assert!(pipe.ask(&url, &body, Instant::now() + LONG).await.is_none());
        let forged = Ask::get("/a\r\nhost: b");
        assert!(pipe.ask(&url, &forged, Instant::now() + LONG).await.is_none());
    }

    #[tokio::test]
    async fn a_slow_answer_sends_everybody_elsewhere_for_a_while() {
        let (listener, url) = listen().await;
        let pipe = Arc::new(Pipe::default());
        let began = Instant::now();
        assert_eq!(ask(&pipe, &url, "/a").await.unwrap(), None);
        assert!(began.elapsed() >= QUICK);
        let silent = listener.accept().await.unwrap();
        let began = Instant::now();
        assert_eq!(ask(&pipe, &url, "/a").await.unwrap(), None);
        assert!(began.elapsed() < QUICK, "it was asked here all the same");
        assert!(pipe.sender(&url, Instant::now() + REST).is_some());
        drop(silent);
    }
}
