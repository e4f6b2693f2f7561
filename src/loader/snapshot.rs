//! A whole model, copied to where nobody else can change it and verified there, for loaders that take a directory.
//!
//! Everything is copied first: the index, the shards, configuration, code. Then every copy is verified, and only if all of
//! them are proven from the same expectations is the directory handed out. The world is closed: a file that appears in the
//! original meanwhile is not in the copy, one that is expected and not there is an error, one that no signed manifest or
//! lock lists is refused as it is by a check. What the index says about the shards is asked of the copies as well.
//!
//! Bound: one pass to copy and one to verify; with sealed copies a descriptor per file.

use super::mode::{Mode, Options};
use super::private::{self, Directory};
use super::refusal::{LoadError, accept};
use super::{Readable, memory, pour, sealed, stopped};
use crate::digest::Watch;
use crate::error::Error;
use crate::finding::Finding;
use crate::inspect;
use crate::manifest::caches::Caches;
use crate::manifest::discover;
use crate::manifest::expected::{Expectations, Found};
use crate::manifest::hub;
use crate::report::{Artifact, Report};
use crate::source::{FileSource, ReadAt, View};
use crate::verifier::Verifier;
use crate::walk::{Item, walk};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// A verified copy of a directory. It is removed when this goes.
///
/// ```
/// use mverify::{Verifier, loader::{Mode, Options}};
/// let model = tempfile::tempdir()?;
/// std::fs::write(model.path().join("config.json"), "{}")?;
/// std::fs::write(model.path().join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}")?;
///
/// let verifier = Verifier::builder().build()?;
/// let snapshot = verifier.snapshot(model.path(), &Options::new(Mode::Private))?;
/// std::fs::write(model.path().join("modeling_evil.py"), "import os")?; // too late
/// assert!(snapshot.path().join("config.json").exists());
/// assert!(!snapshot.path().join("modeling_evil.py").exists());
/// assert_eq!(snapshot.report().artifacts.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    mode: Mode,
    report: Report,
    /// What the links of the directory lead to, with sealed copies.
    _sealed: Vec<File>,
    _directory: Directory,
}

impl Snapshot {
    /// The directory, under the name of the original. With [`Mode::Private`] it holds copies; with [`Mode::Sealed`] links to
    /// copies in memory, which lead there for this process, and for processes of this user as long as this one lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// One artifact per file, each with verdict ok, under the paths of the originals.
    pub fn report(&self) -> &Report {
        &self.report
    }
    /// What keeps the bytes as they are.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl Verifier {
    /// Copies a directory, verifies the copies, and hands them out if all that is demanded is proven. For the directory of a
    /// repository in a Hugging Face cache (`models--ORG--NAME`) that is the revision its `refs/main` names.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::Unavailable`] for modes that make no copy.
    pub fn snapshot(&self, path: impl AsRef<Path>, options: &Options) -> Result<Snapshot, LoadError> {
        snapshot(self, path, options, &())
    }
}

/// [`Verifier::snapshot`], watched: each file is a job of `watch`, which may also cancel.
///
/// # Errors
/// [`LoadError`].
pub fn snapshot(
    verifier: &Verifier,
    path: impl AsRef<Path>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Snapshot, LoadError> {
    let mode = options.mode;
    if !matches!(mode, Mode::Sealed | Mode::Private) {
        return Err(LoadError::unavailable(mode, "a snapshot is a copy"));
    }
    let named = path.as_ref();
    let root = match hub::snapshot(named) {
        Ok(Some(found)) => found.root,
        Ok(None) => named.to_owned(),
        Err(why) => return Err(Error::Usage(format!("{}: {why}", named.display())).into()),
    };
    let meta = fs::metadata(&root).map_err(|source| Error::Io { path: root.clone(), doing: "open", source })?;
    if !meta.is_dir() {
        return Err(Error::Usage(format!("{}: a snapshot takes a directory", root.display())).into());
    }
    let directory = Directory::for_copies(0, options)?;
    let name = fs::canonicalize(&root).ok().and_then(|path| path.file_name().map(ToOwned::to_owned));
    let to = directory.path().join(name.unwrap_or("model".into()));
    let mut copies = Copies { verifier, options, to: &to, bytes: 0, made: HashMap::new() };
    let mut items = walk(&root);
    for item in &items {
        if let Item::File(path, reach) = item {
            let made = match reach.open(path, &verifier.opening(true)) {
                Ok(source) => copies.make(path.strip_prefix(&root).unwrap_or(path), &source, watch)?,
                Err(error) => Err(Finding::from(&error)),
            };
            copies.made.insert(path.clone(), made);
        }
    }
    let made = copies.made;
    let expected = verifier.gather(std::slice::from_ref(&root), &mut items);
    let mut placed: Vec<PathBuf> = made.values().flatten().map(|copy| copy.path.clone()).collect();
    placed.sort();
    let (inside, missing) = discover::indexes(&to, placed);
    let mut report = Report::default();
    for (job, item) in items.iter().enumerate() {
        report.push(match (made.get(item.path()), item) {
            (Some(Ok(copy)), _) => {
                let artifact = verifier.verify_source(item.path(), &copy.bytes, &expected, &Numbered { watch, job });
                agree(verifier, artifact, copy, &inside, expected.caches())
            }
            (Some(Err(finding)), _) | (None, Item::Problem(_, finding)) => {
                verifier.refused(item.path(), finding.clone(), &expected)
            }
            // every file that was found was copied, or is an error above
            (None, Item::File(..) | Item::Stdin(_)) => continue,
        });
    }
    for (path, finding) in missing {
        let original = root.join(path.strip_prefix(&to).unwrap_or(&path));
        if !report.artifacts.iter().any(|artifact| artifact.path == original) {
            report.push(verifier.refused(&original, finding, &expected));
        }
    }
    let report = accept(report)?;
    let sealed = match mode {
        Mode::Sealed => made.into_values().flatten().map(|copy| copy.bytes.into_file()).collect(),
        _ => Vec::new(),
    };
    Ok(Snapshot { path: to, mode, report, _sealed: sealed, _directory: directory })
}

/// One file, copied.
struct Copy {
    /// Where it is placed.
    path: PathBuf,
    bytes: Readable,
}

/// Copies by the path of the original, or why there is none.
type Made = HashMap<PathBuf, Result<Copy, Finding>>;

struct Copies<'a> {
    verifier: &'a Verifier,
    options: &'a Options,
    to: &'a Path,
    /// Bytes of sealed copies so far.
    bytes: u64,
    made: Made,
}

impl Copies<'_> {
    /// Copies one file. The inner error is one of this file, the outer one ends everything.
    fn make(
        &mut self,
        name: &Path,
        source: &FileSource,
        watch: &dyn Watch,
    ) -> Result<Result<Copy, Finding>, LoadError> {
        let mode = self.options.mode;
        let path = self.to.join(name);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::Interrupted => stopped(self.verifier, source.path()),
            _ => LoadError::copying(mode, source.path(), error),
        };
        let parent = path.parent().unwrap_or(self.to);
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
        let copied = if mode == Mode::Sealed {
            self.bytes = self.bytes.saturating_add(ReadAt::len(source));
            sealed::fits(self.bytes, self.options)?;
            let short = name.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            sealed::copy(&short, |to| pour(source, to, watch)).and_then(|copy| {
                symlink(format!("/proc/{}/fd/{}", std::process::id(), copy.as_raw_fd()), &path)?;
                Ok(Readable::of_sealed(copy))
            })
        } else if ReadAt::len(source) > memory::largest_file() {
            return Err(LoadError::unavailable(
                mode,
                format!("this process may not write files as large as {}", path.display()),
            ));
        } else {
            private::copy(source.file(), &path, |to| pour(source, to, watch)).and_then(|()| {
                let copy = FileSource::open(&path, &self.verifier.opening(false));
                copy.map(Readable::Source).map_err(|error| io::Error::other(error.reason()))
            })
        };
        match copied {
            Ok(bytes) => Ok(Ok(Copy { path, bytes })),
            Err(error) if crate::source::Changed::is(&error) => {
                Ok(Err(Finding::from(&Error::Changed { path: source.path().to_owned() })))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// Adds what the copies say about each other.
fn agree(verifier: &Verifier, artifact: Artifact, copy: &Copy, inside: &Expectations, caches: &Caches) -> Artifact {
    let wanted = inside.wants_tensors(&copy.path);
    let tensors =
        wanted.then(|| inspect::tensors(&View::new(&copy.bytes), artifact.format, verifier.limits())).flatten();
    let (_, findings) = inside.compare(&Found {
        path: &copy.path,
        role: Some(artifact.role),
        format: artifact.format,
        size: artifact.size,
        tensors: tensors.as_deref(),
        digests: &artifact.digests,
        shards: &[],
    });
    verifier.with_findings(artifact, findings, caches)
}

/// A watch that sees one source as the job of this number.
struct Numbered<'a> {
    watch: &'a dyn Watch,
    job: usize,
}

impl Watch for Numbered<'_> {
    fn started(&self, _: usize, len: u64) {
        self.watch.started(self.job, len);
    }
    fn advanced(&self, _: usize, bytes: u64) {
        self.watch.advanced(self.job, bytes);
    }
    fn finished(&self, _: usize) {
        self.watch.finished(self.job);
    }
    fn cancelled(&self) -> bool {
        self.watch.cancelled()
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
