//! Verification inside a loader's own call: what is handed out is what was verified, byte for byte.
//!
//! Checking a path and loading that path afterwards leaves a gap: whoever can write to the file, or to a directory above
//! it, swaps it in between. Here the bytes are kept from changing first, by a [`Mode`], then read, parsed and hashed where
//! they are kept, and handed out from there. The path is opened once.
//!
//! Threats: a file that is rewritten, replaced, truncated or linked anew at any time; a shared mapping that was written to
//! before anybody looked, which no `stat` shows; memory that is too small, where the system would kill. Not a threat that
//! is answered: the user's own processes, which may write to a [`Mode::Private`] copy or attach a debugger.
//!
//! ```no_run
//! use mverify::{Verifier, loader::{LoadError, Mode, Options}};
//! let verifier = Verifier::builder().require(mverify::Proof::WeightsOnly).build()?;
//! match verifier.open_verified("model.pt", &Options::new(Mode::Sealed)) {
//!     Ok(file) => println!("load {}", file.path().display()), // as /proc/self/fd/3
//!     Err(LoadError::Rejected(report)) => println!("proven bad: {:?}", report.artifacts),
//!     Err(other) => println!("{other}"),
//! }
//! # Ok::<(), mverify::Error>(())
//! ```

mod fill;
mod handle;
mod leftover;
mod memory;
mod mode;
#[cfg(feature = "trust")]
mod parts;
mod private;
mod refusal;
mod sealed;
mod snapshot;
mod tensors;
mod verity;

pub use fill::{Filled, Reading};
pub use handle::VerifiedFile;
pub use mode::{Mode, Options};
#[cfg(feature = "trust")]
pub use parts::open_tensors;
pub use refusal::LoadError;
pub use snapshot::{Snapshot, snapshot};
pub use tensors::VerifiedTensors;

use crate::digest::Watch;
use crate::finding::Finding;
use crate::manifest::expected::Expectations;
use crate::report::{Artifact, Report};
use crate::rule;
use crate::source::{Changed, FileSource, Lease, Reach, ReadAt, Window, copy_range, read_exact_at};
use crate::verifier::Verifier;
use crate::walk::Item;
use handle::Keeper;
use refusal::accept;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use verity::Measured;

/// Bytes that are copied between two questions whether to stop.
const PIECE: u64 = 32 << 20;

impl Verifier {
    /// Opens a file for loading, if all that is demanded of it is proven: the verdict is ok.
    ///
    /// # Errors
    /// [`LoadError`]; it carries the report where the bytes were looked at.
    pub fn open_verified(&self, path: impl AsRef<Path>, options: &Options) -> Result<VerifiedFile, LoadError> {
        open(self, path, options, &())
    }

    /// As [`Verifier::open_verified`], of a file that is open already. `name` is the path it goes by in expectations and in
    /// the report. A file that is sealed, as one received by [`VerifiedFile::share`], is verified where it is.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn open_verified_file(
        &self,
        file: File,
        name: impl AsRef<Path>,
        options: &Options,
    ) -> Result<VerifiedFile, LoadError> {
        // an offset of its own, where the system can: that of the caller stays where it is
        let file = handle::reopen(&file).unwrap_or(file);
        let source = FileSource::of(file, name.as_ref(), &self.opening(true))?;
        hold(self, source, name.as_ref(), options, &())
    }

    /// Verifies what an open file holds now, from its first byte to its last, wherever its offset is. `name` is the path it
    /// goes by in expectations and in the artifact. What the file holds later is another question: see
    /// [`Verifier::open_verified_file`].
    ///
    /// ```
    /// # use std::io::Write;
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"\x80\x02cos\ngetpid\n)R.")?;
    /// let artifact = mverify::Verifier::builder().build()?.verify_file(&file, "weights.pt");
    /// assert_eq!(artifact.outcome.verdict(), mverify::Verdict::Bad);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_file(&self, file: &File, name: impl AsRef<Path>) -> Artifact {
        let name = name.as_ref();
        let mut items = vec![Item::File(name.to_owned(), Reach::Anywhere)];
        let expected = self.gather(&[name.to_owned()], &mut items);
        let source = file
            .try_clone()
            .map_err(|source| crate::Error::Io { path: name.to_owned(), doing: "open", source })
            .and_then(|file| FileSource::of(file, name, &self.opening(true)));
        match source {
            Ok(source) => self.verify_source(name, &source, &expected, &()),
            Err(error) => self.refused(name, Finding::from(&error), &expected),
        }
    }
}

/// [`Verifier::open_verified`], watched: hashing is job 0 of `watch`, which may also cancel.
///
/// # Errors
/// [`LoadError`].
pub fn open(
    verifier: &Verifier,
    path: impl AsRef<Path>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<VerifiedFile, LoadError> {
    let path = path.as_ref();
    hold(verifier, FileSource::open(path, &verifier.opening(true))?, path, options, watch)
}

/// Keeps the bytes of `source` from changing, and verifies them then.
fn hold(
    verifier: &Verifier,
    source: FileSource,
    path: &Path,
    options: &Options,
    watch: &dyn Watch,
) -> Result<VerifiedFile, LoadError> {
    let mode = options.mode;
    let len = ReadAt::len(&source);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => stopped(verifier, path),
        _ => LoadError::copying(mode, path, error),
    };
    let (readable, keeper) = match mode {
        Mode::Sealed if sealed::is_final(source.file()) => (Readable::of_sealed(source.into_file()), Keeper::Sealed),
        Mode::Sealed => {
            sealed::fits(len, options)?;
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let copy = sealed::copy(&name, |to| pour(&source, to, watch)).map_err(failed)?;
            (Readable::of_sealed(copy), Keeper::Sealed)
        }
        Mode::Private => {
            let directory = private::Directory::for_copies(len, options)?;
            let copy = directory.path().join(path.file_name().unwrap_or("file".as_ref()));
            private::copy(source.file(), &copy, |to| pour(&source, to, watch)).map_err(failed)?;
            let source = FileSource::open(&copy, &verifier.opening(false))?;
            (Readable::Source(source), Keeper::Private { copy, _directory: directory })
        }
        Mode::Lease => match Lease::take(source.file()) {
            Some(lease) => (Readable::Source(source), Keeper::Lease(lease)),
            None => return Err(LoadError::unavailable(mode, NO_LEASE)),
        },
        Mode::Verity => {
            let measured = Measured::of(source.file()).map_err(|why| LoadError::unavailable(mode, why))?;
            (Readable::Source(source), Keeper::Verity(measured))
        }
    };
    let mut items = vec![Item::File(path.to_owned(), Reach::Anywhere)];
    let expected = verifier.gather(&[path.to_owned()], &mut items);
    let artifact = verifier.verify_source(path, &readable, &expected, watch);
    let report = concluded(verifier, artifact, items, &expected)?;
    if let Keeper::Verity(measured) = &keeper
        && !measured.is_of(&readable, watch).map_err(failed)?
    {
        return Err(LoadError::unavailable(mode, "what the kernel measured is not what was read"));
    }
    let len = readable.len();
    let file = VerifiedFile::new(readable.into_file(), len, keeper, report);
    file.settle()?;
    Ok(file)
}

/// The report on a file, if all of it is proven, what is expected and not there included.
fn concluded(
    verifier: &Verifier,
    artifact: Artifact,
    items: Vec<Item>,
    expected: &Expectations,
) -> Result<Report, LoadError> {
    let mut report = Report::default();
    report.push(artifact);
    for item in items {
        if let Item::Problem(path, finding) = item {
            report.push(verifier.refused(&path, finding, expected));
        }
    }
    accept(report)
}

/// The answer where [`Watch::cancelled`] said so.
fn stopped(verifier: &Verifier, path: &Path) -> LoadError {
    let finding = Finding::new(&rule::run::STOPPED, "the run was stopped before it was read");
    let mut report = Report::default();
    report.push(verifier.refused(path, finding, &Expectations::default()));
    LoadError::NotProven(Box::new(report))
}

const NO_LEASE: &str =
    "the system grants no lease: it takes an own file, on a file system with leases, that nobody has open for writing";

/// Copies a file from its start to where it ended when it was opened.
///
/// # Errors
/// [`Changed`] if it is longer or shorter now, or changed otherwise as far as the system tells.
fn pour(source: &FileSource, mut to: &File, watch: &dyn Watch) -> io::Result<()> {
    let len = ReadAt::len(source);
    let mut from = source.file();
    let mut at = from.seek(SeekFrom::Start(0))?;
    while at < len {
        if watch.cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // the kernel copies, without a detour through this process
        match io::copy(&mut from.take(PIECE.min(len - at)), &mut to) {
            // a signal of the caller's; how far it came is in the offsets, which go together
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) => return Err(Changed.into()),
            other => drop(other?),
        }
        at = from.stream_position()?;
    }
    if read_exact_at(source.file(), &mut [0], len).is_ok() {
        return Err(Changed.into());
    }
    source.settle()
}

/// Bytes to be verified.
enum Readable {
    /// Bytes that are final, and what maps them where that is possible.
    Final {
        file: File,
        len: u64,
        #[cfg(all(feature = "mmap", target_os = "linux"))]
        map: Option<crate::source::mmap::Final>,
    },
    /// A file that tells of changes.
    Source(FileSource),
}

impl Readable {
    fn of_sealed(file: File) -> Readable {
        Readable::Final {
            len: file.metadata().map(|meta| meta.len()).unwrap_or(0),
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            map: crate::source::mmap::Final::of(&file),
            file,
        }
    }
    fn into_file(self) -> File {
        match self {
            Readable::Final { file, .. } => file,
            Readable::Source(source) => source.into_file(),
        }
    }
}

impl ReadAt for Readable {
    fn len(&self) -> u64 {
        match self {
            Readable::Final { len, .. } => *len,
            Readable::Source(source) => ReadAt::len(source),
        }
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Readable::Final { map: Some(map), .. } => map.read_at(offset, buf),
            Readable::Final { file, .. } => read_exact_at(file, buf, offset),
            Readable::Source(source) => source.read_at(offset, buf),
        }
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        match self {
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Readable::Final { map: Some(map), .. } => ReadAt::copy(&**map, range),
            Readable::Final { file, .. } => {
                if range.start > range.end || range.end > self.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                copy_range(range, |offset, buf| read_exact_at(file, buf, offset)).map(Cow::Owned)
            }
            Readable::Source(source) => source.copy(range),
        }
    }
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        match self {
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Readable::Final { map: Some(map), .. } => ReadAt::window(&**map, offset, most, buf),
            Readable::Final { file, .. } => {
                let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
                let n = left.min(most).min(buf.len());
                read_exact_at(file, buf.get_mut(..n).unwrap_or_default(), offset)?;
                Ok(Window::Read(n))
            }
            Readable::Source(source) => source.window(offset, most, buf),
        }
    }
    fn settle(&self) -> io::Result<()> {
        match self {
            Readable::Final { .. } => Ok(()),
            Readable::Source(source) => source.settle(),
        }
    }
}

#[cfg(test)]
mod tests;
