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
    /// A symbolic link on the way to the file leads out of the directory that was named.
    #[error("{}: a symbolic link leads out of the directory", path.display())]
    LeadsOut {
        /// The path.
        path: PathBuf,
    },
    /// An argument that cannot be used; the message says what is accepted.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// The error without the path, for reports that name the path already.
    pub fn reason(&self) -> String {
        match self {
            Error::Io { doing, source, .. } => format!("{doing}: {}", plain_words(source)),
            Error::NotRegular { kind, .. } => format!("it is {kind}, not a regular file"),
            Error::TooLarge { limit, .. } => format!("it is larger than the limit max_file_bytes ({limit} bytes)"),
            Error::Changed { .. } => "it changed while it was read".to_owned(),
            Error::LeadsOut { .. } => "a symbolic link leads out of the directory and was not followed".to_owned(),
            Error::Usage(text) => text.clone(),
        }
    }
}

/// What the system says, without its error number.
pub(crate) fn plain_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
