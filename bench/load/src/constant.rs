//! The limit: a server that reads whatever comes and answers the same bytes, whatever was asked.
//!
//! One `recv` and one `send` for a request, and hardly an instruction between them: no server that
//! must look at what it reads can be quicker on one thread. Called by `main`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::Failure;

/// The listener's number; those of connections begin behind it.
const LISTENER: u64 = 0;

/// Events that are taken at once.
const EVENTS: usize = 256;

/// Serves until the process is ended. A request is what one `read` brings: for clients that wait
/// for their answers.
pub fn serve(address: &str, answer: &[u8]) -> Result<(), Failure> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: BTreeMap<u64, TcpStream> = BTreeMap::new();
    let mut last = LISTENER;
    let mut events = Vec::with_capacity(EVENTS);
    let mut bytes = [0; 16 * 1024];
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                let stream = match listener.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                };
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                last += 1;
                epoll::add(&epoll, &stream, EventData::new_u64(last), EventFlags::IN)?;
                connections.insert(last, stream);
            } else if let Some(stream) = connections.get_mut(&number)
                && !answered(stream, &mut bytes, answer)
            {
                // Closing it takes it out of the epoll.
                connections.remove(&number);
            }
        }
    }
}

/// Whether the connection goes on.
fn answered(stream: &mut TcpStream, bytes: &mut [u8], answer: &[u8]) -> bool {
    let again = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
    match stream.read(bytes) {
        Ok(0) => false,
        // A short answer always fits into the socket of somebody who waits for it.
        Ok(_) => stream.write_all(answer).is_ok(),
        Err(error) => again(&error),
    }
}
