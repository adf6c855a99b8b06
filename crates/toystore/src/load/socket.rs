//! One connection that never blocks: not while it is opened, read or written.
//!
//! Called by [`super::client`], and to wait by [`super::worker`]; calls the system. It is watched
//! for edges: an event comes when something changed, so nothing has to be told to the system
//! between two requests.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// Waits end so much too early, since the system lets them end so much too late (Linux: 50 µs of
/// slack, and the way back); what is left is spent looking.
const WAIT_MIN: Duration = Duration::from_micros(80);

/// Takes the events that are there, or waits for one. A failure is a signal's, for which somebody
/// else listens.
///
/// It waits with `ppoll`, whose timeout is in nanoseconds, for the `epoll`, whose own is in
/// milliseconds; when the time is nearly over, it looks without waiting.
pub fn wait(epoll: &OwnedFd, time: Duration, events: &mut Vec<Event>) {
    let now = Some(&Timespec { tv_sec: 0, tv_nsec: 0 });
    let there = epoll::wait(epoll, spare_capacity(events), now).unwrap_or(0);
    if there > 0 || time < WAIT_MIN {
        return;
    }
    let time = time - WAIT_MIN;
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let mut all = [PollFd::new(epoll, PollFlags::IN)];
    if poll(&mut all, Some(&time)).is_ok_and(|ready| ready > 0) {
        let _ = epoll::wait(epoll, spare_capacity(events), now);
    }
}

/// A connection, opened or being opened.
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Begins to open one, of which events bear this mark.
    ///
    /// # Errors
    /// If the system refuses at once.
    pub fn open(epoll: &OwnedFd, address: SocketAddr, mark: usize) -> Result<Socket> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &stream, EventData::new_u64(mark as u64), flags)?;
        Ok(Socket { stream })
    }

    /// Writes as much as is taken now; nothing, while it is being opened.
    ///
    /// # Errors
    /// If the connection was refused, or has ended.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.stream.write(bytes) {
            Err(error) if is_later(&error) => Ok(0),
            result => result,
        }
    }

    /// Reads what is there; absent, if nothing is.
    ///
    /// # Errors
    /// If the connection has ended: its end is one, too.
    pub fn read(&mut self, space: &mut [u8]) -> Result<Option<usize>> {
        match self.stream.read(space) {
            Ok(0) => Err(Error::new(ErrorKind::UnexpectedEof, "the other side closed it")),
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_later(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_later(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}
