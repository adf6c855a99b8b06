//! The disks that the log is written to in a process.
//!
//! [`RealDisk`] is a folder of the machine; [`ShadowDisk`] on top of it makes a killed process lose
//! what a power cut would lose. Opened by the driver; called by crate `wal`, through
//! [`wal::disk::Disk`].

mod real;
mod shadow;
#[cfg(test)]
mod tests;

pub use real::RealDisk;
pub use shadow::ShadowDisk;
