//! Sockets: the accept loop, and a bound on connections.
//!
//! Called by the service commands; calls [`super::serving`] for each connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::served::Served;
use super::serving;
use super::site::Site;

/// The most connections of one listener, unless told otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 16_384;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections that are too many are told so at once; those beyond are closed.
const REFUSALS_MAX: usize = 256;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

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
pub async fn serve<N: Served>(
    listener: TcpListener,
    site: Arc<Site<N>>,
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
            // If whoever would tell is gone, the process stops too.
            _ = draining.wait_for(|draining| *draining) => break,
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
            tracing::debug!("{connections_max} connections are open: one more is refused");
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    serving::refuse(stream).await;
                    drop(permit);
                });
            }
            continue;
        };
        let (site, draining, alive) = (site.clone(), draining.clone(), alive.clone());
        tokio::spawn(async move {
            serving::serve(stream, site, draining).await;
            drop((permit, alive));
        });
    }
    drop((listener, alive));
    ended.recv().await;
}
