//! The disks that the log is written to in a process.
//!
//! [`RealDisk`] is a folder of the machine; [`ShadowDisk`] on top of it makes a killed process lose
//! what a power cut would lose. Opened by the driver; called by crate `wal`, through
//! [`wal::disk::Disk`]. Beside them, what is written by no node: [`write_whole`], [`write_fresh`],
//! [`FreshLog`].

mod fresh;
mod real;
mod shadow;
#[cfg(test)]
mod tests;
mod whole;

pub use fresh::{FreshLog, write_fresh};
pub use real::RealDisk;
pub use shadow::ShadowDisk;
pub use whole::{sync_folder, write_whole};
