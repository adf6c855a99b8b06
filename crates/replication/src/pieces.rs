//! Bounds of a snapshot on its way to a follower, piece by piece, and the piece itself: the same
//! for every engine. What stands around the pieces differs, and is in each engine's `transfer`.

use std::time::Duration;

use bytes::Bytes;

use crate::log::Snapshot;

/// Bytes of one piece: far below the limit of an internal message body.
const PIECE_BYTES: usize = 512 * 1024;

/// The longest snapshot that a follower accepts, in bytes: a bound on what a length field that is
/// wrong can make it allocate.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = 8 << 30;

/// How long a follower rests after a snapshot that it could not read: the next one is as large.
pub(crate) const INSTALL_REST: Duration = Duration::from_secs(5);

/// The piece that begins at `offset`; empty at the end and beyond it.
pub(crate) fn piece(snapshot: &Snapshot, offset: u64) -> Bytes {
    snapshot.state.cut(offset, PIECE_BYTES)
}
