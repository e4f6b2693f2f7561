//! Errors of library calls that cannot give a report at all. Defects of an artifact are findings, not errors.

use std::path::PathBuf;

/// Why a call could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, as in "open" or "read".
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The path names something that has no fixed bytes: a directory, a FIFO, a socket, a device.
    #[error("{}: is {kind}, not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What it is, with its article, as in "a directory".
        kind: &'static str,
    },
    /// A file is larger than the limit `max_file_bytes`.
    #[error("{}: over the limit max_file_bytes ({limit} bytes)", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file changed while it was read.
    #[error("{}: changed while reading", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// An argument that cannot be used; the message says what is accepted.
    #[error("{0}")]
    Usage(String),
}
