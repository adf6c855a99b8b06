//! What can go wrong with the log, in the words that a person reads on the terminal.
//!
//! The shell asks two questions of an error: [`WalError::is_full`] (refuse new work and try again
//! later) and otherwise it ends the process.

use std::fmt;
use std::io;

/// Why the log could not do what was asked.
#[derive(Debug)]
pub enum WalError {
    /// Another process has the folder.
    InUse {
        /// The folder.
        folder: String,
        /// Its process id, if it could be read.
        holder: Option<u32>,
    },
    /// No room. Nothing that was promised is lost, what was appended still waits, and the same call
    /// succeeds once there is room.
    Full {
        /// What was being done: "write the log", …
        doing: &'static str,
        /// The file that could not grow.
        file: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// The disk failed. What is on it is unknown, so nothing is retried: the process must end, and
    /// recovery will tell.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        file: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// Bytes that had been durable are damaged or gone.
    Corrupt {
        /// The file.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Written by a newer toystore.
    NewerFormat {
        /// The file.
        file: String,
        /// Its format version.
        found: u32,
        /// The newest that this program reads.
        supported: u32,
    },
    /// A record or checkpoint over its bound.
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// More waits for a commit than may; the caller goes on appending although commits fail.
    Backlog {
        /// How many bytes wait.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
}

impl WalError {
    /// Whether the same call may succeed later. Everything else is final.
    pub fn is_full(&self) -> bool {
        matches!(self, WalError::Full { .. })
    }

    /// The disk failed.
    pub fn failed(doing: &'static str, file: String, source: io::Error) -> WalError {
        WalError::Failed { doing, file, source }
    }

    /// The disk is full, or it failed.
    pub fn full_or_failed(doing: &'static str, file: String, source: io::Error) -> WalError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                WalError::Full { doing, file, source }
            }
            _ => WalError::Failed { doing, file, source },
        }
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalError::InUse { folder, holder } => {
                write!(f, "the folder {folder} is in use by another toystore process")?;
                if let Some(id) = holder {
                    write!(f, " (process {id})")?;
                }
                write!(f, ": stop that one, or choose another folder with --data")
            }
            WalError::Full { doing, file, source } => {
                write!(f, "no room to {doing}, {file}: {source}; ")?;
                write!(f, "nothing acknowledged is lost: free some space on that disk")
            }
            WalError::Failed { doing, file, source } => {
                write!(f, "could not {doing}, {file}: {source}")
            }
            WalError::Corrupt { file, offset, reason } => {
                write!(f, "{file} is damaged at byte {offset}: {reason}. ")?;
                write!(f, "Records that were acknowledged are affected, so the node does not ")?;
                write!(f, "start. Do not delete files from it. Put back a copy of this folder ")?;
                write!(f, "only if the node has not run since: an older one has forgotten what ")?;
                write!(f, "the node acknowledged and promised")
            }
            WalError::NewerFormat { file, found, supported } => {
                write!(f, "{file} has format version {found}, this toystore reads up to version ")?;
                write!(f, "{supported}: start the newer toystore that wrote it")
            }
            WalError::TooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes are too many for the log, at most {limit} fit")
            }
            WalError::Backlog { bytes, limit } => {
                write!(f, "{bytes} bytes wait to be written to the log, at most {limit} may")
            }
        }
    }
}

impl std::error::Error for WalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WalError::Full { source, .. } | WalError::Failed { source, .. } => Some(source),
            WalError::InUse { .. }
            | WalError::Corrupt { .. }
            | WalError::NewerFormat { .. }
            | WalError::TooLarge { .. }
            | WalError::Backlog { .. } => None,
        }
    }
}
