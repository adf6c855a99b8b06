//! Bytes in and out of a connection that asks, with its deadlines, and its end.
//!
//! Called by [`super::serving`].

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a client may take nothing of its answer.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// How long, and for how many reads of 4 KiB, what a client still sends is read after its last
/// answer.
pub const LINGER_DEADLINE: Duration = Duration::from_millis(300);
const LINGER_READS_MAX: u32 = 4096;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// A buffer that has grown beyond this is given back when it is empty.
pub const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Reads into a buffer of the stack, so that a connection that is silent holds none.
pub fn poll_read(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    context: &mut std::task::Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
    let mut read = ReadBuf::uninit(&mut space);
    Pin::new(stream).poll_read(context, &mut read).map_ok(|()| {
        input.extend_from_slice(read.filled());
        read.filled().len()
    })
}

/// Writes all, as long as the client takes some of it within each [`WRITE_DEADLINE`].
pub async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // Nearly always there is room, and then no deadline is begun.
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => {
                bytes = &bytes[len..];
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match timeout(WRITE_DEADLINE, stream.write(bytes)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Ok(len)) => bytes = &bytes[len..],
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

/// Writes what has gathered.
pub async fn flush(stream: &mut TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let written = write_all(stream, out).await;
    out.clear();
    if out.capacity() > KEPT_BYTES_MAX {
        *out = Vec::new();
    }
    written
}

/// Closing while bytes of the client are unread would make the kernel reset the connection, and the
/// client might lose the answer that refused them.
pub async fn close(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = timeout(LINGER_DEADLINE, discard(&mut stream)).await;
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
