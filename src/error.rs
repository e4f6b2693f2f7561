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
    /// An argument that cannot be used; the message says what is accepted.
    #[error("{0}")]
    Usage(String),
}
