//! Why something is not handed out.

use super::mode::Mode;
use crate::error::Error;
use crate::outcome::Verdict;
use crate::report::{Artifact, Report};
use std::io;
use std::path::Path;

/// Why verified bytes are not handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Proven bad. The report says why.
    #[error("refused: {}", reasons(.0))]
    Rejected(Box<Report>),
    /// Neither proven good nor bad: unsupported, not covered by what was demanded, over a limit, changed while it was read.
    #[error("not proven: {}", reasons(.0))]
    NotProven(Box<Report>),
    /// The mode that was chosen cannot be had here. No other is taken in its place.
    #[error(
        "mode {mode}: {why}; the modes are sealed (a copy in memory), private (a copy on disk), lease and verity (the file itself)"
    )]
    Unavailable {
        /// The mode.
        mode: Mode,
        /// Why not, in words.
        why: String,
    },
    /// The file cannot be opened or read, or an argument cannot be used.
    #[error(transparent)]
    Error(#[from] Error),
}

impl LoadError {
    /// The report, where there is one.
    pub fn report(&self) -> Option<&Report> {
        match self {
            LoadError::Rejected(report) | LoadError::NotProven(report) => Some(report),
            _ => None,
        }
    }

    pub(super) fn unavailable(mode: Mode, why: impl Into<String>) -> LoadError {
        LoadError::Unavailable { mode, why: why.into() }
    }

    /// What a copy failed with.
    pub(super) fn copying(mode: Mode, path: &Path, error: io::Error) -> LoadError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::OutOfMemory => {
                LoadError::unavailable(mode, format!("no room for the copy: {error}"))
            }
            io::ErrorKind::Unsupported => {
                LoadError::unavailable(mode, format!("this system does not have it: {error}"))
            }
            _ if crate::source::Changed::is(&error) => Error::Changed { path: path.to_owned() }.into(),
            _ => Error::Io { path: path.to_owned(), doing: "copy", source: error }.into(),
        }
    }
}

/// The report, if all of it is proven.
pub(super) fn accept(report: Report) -> Result<Report, LoadError> {
    match report.summary.verdict() {
        Verdict::Ok => Ok(report),
        Verdict::Bad => Err(LoadError::Rejected(Box::new(report))),
        Verdict::Unknown => Err(LoadError::NotProven(Box::new(report))),
    }
}

/// The worst artifact and its reasons, in one line.
fn reasons(report: &Report) -> String {
    let rank = |artifact: &&Artifact| artifact.outcome.verdict();
    let worst = report.artifacts.iter().rev().max_by_key(rank);
    let Some(worst) = worst.filter(|worst| worst.outcome.verdict() != Verdict::Ok) else {
        return "nothing was verified".to_owned();
    };
    let mut reasons = worst.reasons();
    let first = reasons.next().unwrap_or("no reason was found, which is a defect");
    let more = match reasons.count() {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    format!("{}: {first}{more}", worst.path.display())
}
