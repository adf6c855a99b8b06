//! Sockets: the accept loop, its limits and its deadlines.
//!
//! hyper's own connection code under an accept loop of our own, since a server needs what the
//! library leaves to its user: a bound on connections, a deadline for the head and one for the body
//! (slow clients would hold a connection for ever), and an answer where an answer is possible: a
//! head that is too large, malformed or too slow gets the error object, not only a closed socket.
//!
//! Called by the service commands; calls [`super::site`] for each request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::answer::{self, Answer};

/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most headers of a request.
const HEADERS_MAX: usize = 64;

/// How long a head may take, from the first byte of a connection, or from the last answer.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// The most connections of one listener, unless told otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 16_384;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long, and for how many reads of 4 KiB, what a client still sends is read after its last
/// answer.
const LINGER_DEADLINE: Duration = Duration::from_millis(300);
const LINGER_READS_MAX: u32 = 4096;

/// How many connections that are too many are told so at once; those beyond are closed.
const REFUSALS_MAX: usize = 256;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Whoever answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one, at once or later.
    fn answer(self: Arc<Self>, request: hyper::Request<Incoming>) -> Answering;
}

/// An answer that is there, or will be.
pub enum Answering {
    /// There already: it costs no allocation and no second poll. `None` once it was taken.
    Now(Option<Answer>),
    /// Not yet.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

impl Future for Answering {
    type Output = Result<Answer, Infallible>;

    /// A panic of the handler costs one answer, not the connection.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Now(answer) => {
                Poll::Ready(Ok(answer.take().expect("a future is not polled after its end")))
            }
            Answering::Later(later) => {
                match catch_unwind(AssertUnwindSafe(|| later.as_mut().poll(context))) {
                    Ok(poll) => poll.map(Ok),
                    Err(_) => {
                        tracing::error!("a handler panicked, which is a bug; the node goes on");
                        let status = StatusCode::INTERNAL_SERVER_ERROR;
                        Poll::Ready(Ok(answer::error(status, "a bug: see the node's log")))
                    }
                }
            }
        }
    }
}

/// Opens a listener.
///
/// # Errors
/// If the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // Else a node that was killed could not come back on its port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `draining` becomes true, and then until the last request under way is answered.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    connections_max: u32,
    mut draining: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(connections_max as usize));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    // Every connection holds one; when all are gone, the last one has ended.
    let (alive, mut ended) = tokio::sync::mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut draining) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No file descriptor left, say: those who are served go on.
                tracing::debug!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it the small answers of a keep-alive connection wait for each other.
        let _ = stream.set_nodelay(true);
        let Ok(permit) = free.clone().try_acquire_owned() else {
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    refuse(stream, connections_max).await;
                    drop(permit);
                });
            }
            continue;
        };
        let (handler, draining, alive) = (handler.clone(), draining.clone(), alive.clone());
        tokio::spawn(async move {
            connection(stream, handler, draining).await;
            drop((permit, alive));
        });
    }
    drop((listener, alive));
    ended.recv().await;
}

/// Returns when the process stops.
async fn told(draining: &mut watch::Receiver<bool>) {
    // Whoever would tell is gone: the process stops too.
    let _ = draining.wait_for(|draining| *draining).await;
}

/// One connection, from its first byte to its end.
async fn connection<H: Handler>(
    stream: TcpStream,
    handler: Arc<H>,
    mut draining: watch::Receiver<bool>,
) {
    let io = Explaining { inner: TokioIo::new(stream), explained: false, unanswered: false };
    let service = service_fn(move |request| handler.clone().answer(request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        // A client may close its sending half and still wait for its answer.
        .half_close(true)
        .serve_connection(io, service);
    let result = tokio::select! {
        biased;
        result = poll_fn(|context| connection.poll_without_shutdown(context)) => result,
        () = told(&mut draining) => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let parts = connection.into_parts();
    let unanswered = parts.io.unanswered || !parts.read_buf.is_empty();
    let explained = parts.io.explained;
    let mut stream = parts.io.inner.into_inner();
    // Silence between two requests is no request; half a head is one.
    if let Err(error) = result
        && unanswered
        && !explained
    {
        let status = match error {
            error if error.is_timeout() => StatusCode::REQUEST_TIMEOUT,
            error if error.is_parse_too_large() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        // If that fails, the client is gone.
        let _ = stream.write_all(&explain(status)).await;
    }
    close(stream).await;
}

/// Closing while bytes of the client are unread would make the kernel reset the connection, and the
/// client might lose the answer that refused them.
async fn close(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = tokio::time::timeout(LINGER_DEADLINE, discard(&mut stream)).await;
}

async fn discard(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    for _ in 0..LINGER_READS_MAX {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// One connection too many: told so, and closed.
async fn refuse(mut stream: TcpStream, connections_max: u32) {
    tracing::debug!("{connections_max} connections are open: one more is refused");
    let text = explain(StatusCode::SERVICE_UNAVAILABLE);
    let _ = tokio::time::timeout(LINGER_DEADLINE, stream.write_all(&text)).await;
    close(stream).await;
}

/// A whole answer for what never became a request.
fn explain(status: StatusCode) -> Vec<u8> {
    let why = match status {
        StatusCode::REQUEST_TIMEOUT => {
            format!("the head of the request did not come within {} s", HEAD_DEADLINE.as_secs())
        }
        StatusCode::SERVICE_UNAVAILABLE => "too many connections: try again later".to_string(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!("a head has at most {HEADERS_MAX} headers and {HEAD_BYTES_MAX} bytes")
        }
        StatusCode::URI_TOO_LONG => "the path is too long".to_string(),
        _ => "this is no whole HTTP/1.1 request".to_string(),
    };
    let code = status.as_u16();
    let body = serde_json::json!({"error": {"code": code, "message": why}}).to_string();
    let reason = status.canonical_reason().unwrap_or("Error");
    let length = body.len();
    let retry = if code == 503 { "retry-after: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         {retry}connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// hyper answers a head that it cannot read by itself, with a bare status. Those answers are
/// recognised here, since none of ours is a 4xx without a body, and are written with the error
/// object in their place.
struct Explaining {
    inner: TokioIo<TcpStream>,
    /// Whether such an answer was written: the connection ends with it.
    explained: bool,
    /// Whether bytes were read after the last that were written.
    unanswered: bool,
}

/// How hyper's own answers are known; no value of a header can contain it.
const BARE: &[u8] = b"\r\ncontent-length: 0\r\n";

impl Explaining {
    /// The status of an answer that hyper made by itself.
    fn bare_status(bytes: &[u8]) -> Option<StatusCode> {
        let code = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let is_bare = || bytes.windows(BARE.len()).any(|window| window.eq_ignore_ascii_case(BARE));
        if code[0] != b'4' || !is_bare() {
            return None;
        }
        StatusCode::from_bytes(code).ok()
    }

    fn poll_explain(
        &mut self,
        context: &mut Context<'_>,
        status: StatusCode,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        let text = explain(status);
        // A few hundred bytes into the empty buffer of a socket: written whole, or the connection
        // is gone anyway.
        match Pin::new(&mut self.inner).poll_write(context, &text) {
            Poll::Ready(Ok(_)) => {
                self.explained = true;
                Poll::Ready(Ok(len))
            }
            other => other,
        }
    }
}

impl Read for Explaining {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        // The end is read too; only if it comes in the middle of a request it is an error.
        self.unanswered |= read.is_ready();
        read
    }
}

impl Write for Explaining {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = false;
        match Explaining::bare_status(bytes) {
            Some(status) => self.poll_explain(context, status, bytes.len()),
            None => Pin::new(&mut self.inner).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = false;
        let first = pieces.first().map_or(&[][..], |piece| &piece[..]);
        match Explaining::bare_status(first) {
            Some(status) if pieces.len() == 1 => {
                let len = first.len();
                self.poll_explain(context, status, len)
            }
            Some(_) | None => Pin::new(&mut self.inner).poll_write_vectored(context, pieces),
        }
    }
}
