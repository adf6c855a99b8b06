//! One connection that asks, from its first byte to its end.
//!
//! ```text
//! bytes ─► head ─► admit ─► body ─► answer ─► bytes      and again, on the same connection
//!                    └────────────────┘ a hit, or a refusal: without a body
//! ```
//!
//! Answers gather until nothing more can be answered without waiting, and are written at once: one
//! read and one write for a request, fewer where requests are pipelined. A client that is slow gets
//! its deadlines, and an answer where one is possible: what never became a request gets the error
//! object, not only a closed socket.
//!
//! Called by [`super::server`] for each connection; calls [`super::site`] for each request, and
//! [`super::transfer`] to read and write.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper::StatusCode;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout, timeout_at};

use super::answer::{self, Answer, Body};
use super::head::{Framing, Head};
use super::incoming::{self, Chunks, Refused};
use super::served::Served;
use super::site::{Admitted, Site};
use super::transfer::{KEPT_BYTES_MAX, LINGER_DEADLINE, close, flush, poll_read, write_all};

/// How long a head may take, from the first byte of a connection, or from the last answer.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Answers that gather beyond so many bytes are written.
const OUT_BYTES_MAX: usize = 64 * 1024;

/// Why nothing more was read.
enum NoMore {
    /// The client has said all, or is gone.
    End,
    /// It took too long.
    TooSlow,
    /// The process stops.
    Draining,
}

/// A connection, and what is read and not yet answered, answered and not yet written.
struct Serving<N> {
    site: Arc<Site<N>>,
    stream: TcpStream,
    input: BytesMut,
    out: Vec<u8>,
    draining: watch::Receiver<bool>,
}

/// A body: still where it was read, or put together from chunks.
enum Received {
    InPlace(usize),
    Whole(Vec<u8>),
}

/// Serves a connection until its end.
pub async fn serve<N: Served>(
    stream: TcpStream,
    site: Arc<Site<N>>,
    draining: watch::Receiver<bool>,
) {
    let mut told = draining.clone();
    // Whoever would tell is gone: the process stops too.
    let mut told = pin!(async move { drop(told.wait_for(|draining| *draining).await) });
    let mut patience = pin!(sleep(HEAD_DEADLINE));
    let mut serving = Serving { site, stream, input: BytesMut::new(), out: Vec::new(), draining };
    let mut head = Head::new();
    while serving.exchange(&mut head, told.as_mut(), patience.as_mut()).await.is_continue() {
        patience.as_mut().reset(Instant::now() + HEAD_DEADLINE);
    }
    // If that fails, the client is gone.
    let _ = serving.flush().await;
    close(serving.stream).await;
}

impl<N: Served> Serving<N> {
    /// Reads one request and answers it.
    async fn exchange(
        &mut self,
        head: &mut Head,
        mut told: Pin<&mut impl Future<Output = ()>>,
        mut patience: Pin<&mut Sleep>,
    ) -> ControlFlow<()> {
        loop {
            match head.read(&self.input) {
                Ok(Some(len)) => {
                    self.input.advance(len);
                    break;
                }
                Ok(None) => {}
                Err((status, why)) => return self.refuse(status, &why),
            }
            if self.flush().await.is_err() {
                return ControlFlow::Break(());
            }
            let Err(no_more) = self.read(told.as_mut(), patience.as_mut()).await else { continue };
            // Silence between two requests is no request; half a head is one.
            let silence = self.input.iter().all(|byte| b"\r\n".contains(byte));
            return match no_more {
                NoMore::TooSlow if !silence => {
                    let seconds = HEAD_DEADLINE.as_secs();
                    let why = format!("the head of the request did not come within {seconds} s");
                    self.refuse(StatusCode::REQUEST_TIMEOUT, &why)
                }
                NoMore::End if !silence => {
                    let why = "this is no whole HTTP/1.1 request: it ends early";
                    self.refuse(StatusCode::BAD_REQUEST, why)
                }
                NoMore::TooSlow | NoMore::End | NoMore::Draining => ControlFlow::Break(()),
            };
        }
        let mut answer = match self.site.admit(head) {
            Admitted::Answer(answer) if head.framing() == Framing::Length(0) => answer,
            // A body that nobody reads would be taken for the next request.
            Admitted::Answer(answer) => answer.closing(),
            Admitted::Route(route) => {
                // What is answered already must not wait for this one.
                if !self.has_body(head) && self.flush().await.is_err() {
                    return ControlFlow::Break(());
                }
                match self.body(head, route.body_bytes_max).await {
                    Ok(received) => {
                        let Serving { site, stream, input, out, .. } = self;
                        let body = match &received {
                            Received::InPlace(len) => &input[..*len],
                            Received::Whole(body) => body,
                        };
                        let answering = site.answer(&route, head, body);
                        let Ok(answer) = gathering(answering, stream, out).await else {
                            return ControlFlow::Break(());
                        };
                        if let Received::InPlace(len) = received {
                            input.advance(len);
                        }
                        answer
                    }
                    Err((status, why)) => answer::error(status, &why).closing(),
                }
            }
        };
        self.site.sign(head, &mut answer);
        if !head.keep_alive() || self.site.closes() || *self.draining.borrow() {
            answer = answer.closing();
        }
        self.write(head, answer).await
    }

    /// Appends an answer to what is written next; what is long is written now.
    async fn write(&mut self, head: &Head, answer: Answer) -> ControlFlow<()> {
        let closes = answer.closes();
        let more = answer.write(Some(head), &mut self.out);
        let written = match more {
            None if self.out.len() <= OUT_BYTES_MAX => Ok(()),
            None => self.flush().await,
            Some(Body::Whole(body)) => match self.flush().await {
                Ok(()) => write_all(&mut self.stream, &body).await,
                failed => failed,
            },
            Some(Body::Stream(pieces)) => self.stream_pieces(head, pieces).await,
        };
        if closes || written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A body that comes piece by piece, each a chunk (RFC 9112 §7.1).
    async fn stream_pieces(
        &mut self,
        head: &Head,
        mut pieces: tokio::sync::mpsc::Receiver<Bytes>,
    ) -> io::Result<()> {
        let chunked = !head.is_old();
        loop {
            self.flush().await?;
            let Some(piece) = pieces.recv().await else { break };
            if chunked {
                self.out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            }
            self.out.extend_from_slice(&piece);
            if chunked {
                self.out.extend_from_slice(b"\r\n");
            }
        }
        if chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await
    }

    /// What never became a request is told why, and the connection ends.
    fn refuse(&mut self, status: StatusCode, why: &str) -> ControlFlow<()> {
        let whole = answer::error(status, why).closing().write(None, &mut self.out);
        debug_assert!(whole.is_none(), "an error object is short");
        ControlFlow::Break(())
    }

    /// The whole body, within its bounds of size and time.
    async fn body(&mut self, head: &Head, limit: usize) -> Result<Received, Refused> {
        let deadline = Instant::now() + BODY_DEADLINE;
        match head.framing() {
            Framing::Length(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                if len > limit {
                    return Err(incoming::too_large(limit));
                }
                self.give_leave(head, len).await;
                while self.input.len() < len {
                    self.read_by(deadline).await?;
                }
                Ok(Received::InPlace(len))
            }
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                self.give_leave(head, 1).await;
                loop {
                    let (len, body) = chunks.read(&self.input, limit)?;
                    self.input.advance(len);
                    match body {
                        Some(body) => return Ok(Received::Whole(body)),
                        None => self.read_by(deadline).await?,
                    }
                }
            }
        }
    }

    /// A client that waits for leave to send its body is given it, if it has sent less than `len`.
    async fn give_leave(&mut self, head: &Head, len: usize) {
        if head.expects_continue() && self.input.len() < len {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            // If that fails, so does the reading that follows.
            let _ = self.flush().await;
        }
    }

    async fn read_by(&mut self, deadline: Instant) -> Result<(), Refused> {
        let read = poll_fn(|context| poll_read(&mut self.stream, &mut self.input, context));
        match timeout_at(deadline, read).await {
            Ok(Ok(0)) => Err(incoming::broken("it ends early")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(incoming::broken(&error.to_string())),
            Err(_) => {
                let seconds = BODY_DEADLINE.as_secs();
                let why = format!("the body did not come within {seconds} s");
                Err((StatusCode::REQUEST_TIMEOUT, why))
            }
        }
    }

    /// Reads what is there of a head, at least one byte.
    async fn read(
        &mut self,
        mut told: Pin<&mut impl Future<Output = ()>>,
        mut patience: Pin<&mut Sleep>,
    ) -> Result<(), NoMore> {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        poll_fn(|context| {
            match poll_read(&mut self.stream, &mut self.input, context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(NoMore::End)),
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => {}
            }
            if told.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(NoMore::Draining));
            }
            patience.as_mut().poll(context).map(|()| Err(NoMore::TooSlow))
        })
        .await
    }

    /// Whether the whole body has been read with its head.
    fn has_body(&self, head: &Head) -> bool {
        matches!(head.framing(), Framing::Length(len) if self.input.len() as u64 >= len)
    }

    async fn flush(&mut self) -> io::Result<()> {
        flush(&mut self.stream, &mut self.out).await
    }
}

/// An answer, which gathers with those before it if nothing has to be waited for; else these are
/// written first.
async fn gathering(
    answering: impl Future<Output = Answer>,
    stream: &mut TcpStream,
    out: &mut Vec<u8>,
) -> io::Result<Answer> {
    let mut answering = pin!(caught(answering));
    let look = poll_fn(|context| Poll::Ready(answering.as_mut().poll(context)));
    match look.await {
        Poll::Ready(answer) => Ok(answer),
        Poll::Pending => {
            flush(stream, out).await?;
            Ok(answering.await)
        }
    }
}

/// A panic of what answers costs one answer, not the connection.
async fn caught(answering: impl Future<Output = Answer>) -> Answer {
    let mut answering = pin!(answering);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(_) => {
            tracing::error!("a handler panicked, which is a bug; the node goes on");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Poll::Ready(answer::error(status, "a bug: see the node's log"))
        }
    })
    .await
}

/// One connection too many: told so, and closed.
pub async fn refuse(mut stream: TcpStream) {
    let why = "too many connections: try again later";
    let mut out = Vec::new();
    answer::error(StatusCode::SERVICE_UNAVAILABLE, why).closing().write(None, &mut out);
    let _ = timeout(LINGER_DEADLINE, write_all(&mut stream, &out)).await;
    close(stream).await;
}
