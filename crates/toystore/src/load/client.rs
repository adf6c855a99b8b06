//! A client: its connection, what it asked, and what has come of that so far.
//!
//! Called by [`super::worker`], which knows the time, the toys and the counts.

use std::io::Error;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::count::Failure;
use super::mix::Kind;
use super::reply::{self, Frame};
use super::socket::Socket;

/// Bytes that are read at once; an answer has some hundreds. It grows for larger ones.
const READ_BYTES: usize = 8 * 1024;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What it asks for.
    pub kind: Kind,
    /// The toy's place.
    pub toy: usize,
    /// How many of it were, or are, ordered.
    pub quantity: u32,
    /// The order that is read; of an order, which of this thread's it is, from 0 on.
    pub number: u64,
    /// When it was meant to be sent.
    pub intended: Duration,
    /// When it was.
    pub sent: Duration,
}

/// What a look at the connection shows.
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// An answer: [`Client::body`] is its body until the next request.
    Answer(Frame),
    /// There will be none.
    Failed(Failure, String),
}

/// One client.
pub struct Client {
    /// Which address it asks, and which mark its events bear.
    pub place: usize,
    /// What it waits for.
    pub asked: Option<Asked>,
    /// A toy that it wants to order now.
    pub wants: Option<usize>,
    /// The next request, to be written by the worker.
    pub out: Vec<u8>,
    socket: Option<Socket>,
    /// How much of it is sent.
    written: usize,
    /// Whether this connection has ever taken a byte.
    opened: bool,
    space: Vec<u8>,
    filled: usize,
}

impl Client {
    /// One that has no connection yet.
    pub fn new(place: usize) -> Client {
        Client {
            place,
            asked: None,
            wants: None,
            out: Vec::with_capacity(512),
            socket: None,
            written: 0,
            opened: false,
            space: vec![0; READ_BYTES],
            filled: 0,
        }
    }

    /// Sends what stands in `out`, over the connection that it has or a new one.
    pub fn send(&mut self, epoll: &OwnedFd, address: SocketAddr) -> Heard {
        (self.written, self.filled) = (0, 0);
        if self.socket.is_none() {
            self.opened = false;
            match Socket::open(epoll, address, self.place) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => return self.failed(&error),
            }
        }
        self.go_on_writing()
    }

    /// Looks at the connection again, since something happened to it.
    pub fn look(&mut self) -> Heard {
        if self.socket.is_none() {
            return Heard::Nothing;
        }
        if self.asked.is_none() {
            // Nothing is expected: it ends, or says what nobody asked.
            return match self.read() {
                Ok(None) => Heard::Nothing,
                Ok(Some(_)) | Err(_) => {
                    self.close();
                    Heard::Nothing
                }
            };
        }
        if self.written < self.out.len()
            && let failed @ Heard::Failed(..) = self.go_on_writing()
        {
            return failed;
        }
        loop {
            let room = self.space.len() - self.filled;
            match self.read() {
                Ok(None) => return Heard::Nothing,
                Ok(Some(bytes)) => match self.parse() {
                    // All that was there has been read; an edge tells of more.
                    Heard::Nothing if bytes < room => return Heard::Nothing,
                    Heard::Nothing => {}
                    heard => return heard,
                },
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn go_on_writing(&mut self) -> Heard {
        let Some(socket) = &mut self.socket else { return Heard::Nothing };
        match socket.write(&self.out[self.written..]) {
            Ok(bytes) => {
                self.opened |= bytes > 0;
                self.written += bytes;
                Heard::Nothing
            }
            Err(error) => self.failed(&error),
        }
    }

    fn read(&mut self) -> Result<Option<usize>, Error> {
        let Some(socket) = &mut self.socket else { return Ok(None) };
        if self.filled == self.space.len() {
            // The parser refuses what is too large.
            self.space.resize(2 * self.filled, 0);
        }
        let read = socket.read(&mut self.space[self.filled..])?;
        self.filled += read.unwrap_or(0);
        Ok(read)
    }

    fn parse(&mut self) -> Heard {
        match reply::read(&self.space[..self.filled]) {
            Ok(None) => Heard::Nothing,
            Ok(Some(frame)) if frame.end < self.filled => {
                self.close();
                Heard::Failed(Failure::Wrong, "more bytes than one answer has".to_string())
            }
            Ok(Some(frame)) => {
                if frame.closes {
                    self.close();
                }
                Heard::Answer(frame)
            }
            Err(why) => {
                self.close();
                Heard::Failed(Failure::Wrong, why)
            }
        }
    }

    fn failed(&mut self, error: &Error) -> Heard {
        let failure = if self.opened { Failure::BrokenOff } else { Failure::NoConnection };
        self.close();
        Heard::Failed(failure, error.to_string())
    }

    /// Ends the connection: a late answer must not be taken for that of the next request.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// The answer.
    pub fn answer(&self, frame: Frame) -> &[u8] {
        &self.space[..frame.end]
    }

    /// The body of the answer.
    pub fn body(&self, frame: Frame) -> &[u8] {
        &self.space[frame.body..frame.end]
    }
}
