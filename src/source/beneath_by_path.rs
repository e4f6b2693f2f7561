//! Files beneath a directory, on systems without handles of directories: the way is resolved, looked at, and what it led
//! to is opened by its resolved path. Who may replace directories there can still win a race.

use super::file::{FileSource, OpenOptions};
use crate::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far links on the way to a file may lead.
#[derive(Clone, Debug, Default)]
pub enum Reach {
    /// Anywhere: the user named this very path.
    #[default]
    Anywhere,
    /// Nowhere but into these directories.
    Beneath(Arc<Beneath>),
}

impl Reach {
    /// Opens a regular file, as [`FileSource::open`] does.
    ///
    /// # Errors
    /// Also [`Error::LeadsOut`].
    pub fn open(&self, path: &Path, options: &OpenOptions) -> Result<FileSource, Error> {
        match self {
            Reach::Anywhere => FileSource::open(path, options),
            Reach::Beneath(beneath) => {
                let opened = beneath.resolved(path).and_then(|(resolved, _)| fs::File::open(resolved));
                FileSource::from_opened(path, options, opened, true)
            }
        }
    }
}

/// A way left the directories it may not leave. Travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a symbolic link leads out of the directory")]
pub(crate) struct LeadsOut;

impl LeadsOut {
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<LeadsOut>())
    }
}

/// A directory that was named, and others that its links may lead to.
#[derive(Debug)]
pub struct Beneath {
    zones: Vec<PathBuf>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// A directory, a regular file, or neither.
    pub kind: Kind,
    /// It lies in the directory that was named, and not only in one of the others.
    pub inside: bool,
}

/// Kinds of files, as far as they matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// Something else.
    Special,
}

impl Beneath {
    /// The directory at `named`, whose links may lead into `others` as well; those that do not exist are left out.
    ///
    /// # Errors
    /// That of the system, where `named` is no directory.
    pub fn new(named: &Path, others: impl IntoIterator<Item = PathBuf>) -> io::Result<Beneath> {
        let mut zones = vec![fs::canonicalize(named)?];
        zones.extend(others.into_iter().filter_map(|other| fs::canonicalize(other).ok()));
        Ok(Beneath { zones })
    }

    /// What `path` leads to, through links or not.
    ///
    /// # Errors
    /// [`LeadsOut`], or that of the system.
    pub fn look(&self, path: &Path) -> io::Result<Found> {
        let (resolved, inside) = self.resolved(path)?;
        let meta = fs::symlink_metadata(resolved)?;
        let kind = match (meta.is_dir(), meta.is_file()) {
            (true, _) => Kind::Directory,
            (false, true) => Kind::File,
            (false, false) => Kind::Special,
        };
        Ok(Found { kind, inside })
    }

    fn resolved(&self, path: &Path) -> io::Result<(PathBuf, bool)> {
        let resolved = fs::canonicalize(path)?;
        let zone = self.zones.iter().position(|zone| resolved.starts_with(zone));
        let zone = zone.ok_or_else(|| io::Error::other(LeadsOut))?;
        Ok((resolved, zone == 0))
    }
}
