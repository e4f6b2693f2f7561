//! Digests of parts of files: tensors, and members of archives. What has the same digest is the same.
//!
//! Bound: each range of a file is read once however many tensors share it, and of one file no more than [`MOST`] times its
//! length, so that tensors made to overlap cost nothing; what does not fit has no digest. Files are opened when their turn
//! comes. Threat: a file that is not the one any more that was looked into: its size and times must be what they were.

use super::{Known, Side};
use crate::Verifier;
use crate::digest::{self, Algorithm, Digest, Plan, Prepared, Watch};
use crate::source::{FileSource, ReadAt, Window};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Bytes that are read of one file, as a multiple of its length.
const MOST: u64 = 4;

/// Digests by the number of the file and the range.
#[derive(Debug, Default)]
pub(super) struct Contents(HashMap<(usize, u64, u64), Digest>);

impl Contents {
    /// The digest of a range of a file; `None` where it was not read.
    pub(super) fn of(&self, file: usize, range: &Range<u64>) -> Option<Digest> {
        self.0.get(&(file, range.start, range.end)).copied()
    }
}

/// Reads these ranges of these files of one side. True if the run was stopped.
pub(super) fn read(
    verifier: &Verifier,
    side: &Side,
    wanted: &[(usize, BTreeSet<(u64, u64)>)],
    watch: &dyn Watch,
) -> (Contents, bool) {
    let jobs = wanted.iter().flat_map(|(number, ranges)| {
        let file = side.files.get(*number).and_then(|known| open(verifier, side, known)).map(Arc::new);
        let mut left = file.as_ref().map_or(0, |file| ReadAt::len(&**file).saturating_mul(MOST));
        let parts = ranges.iter().filter_map(move |&(start, end)| {
            left = left.checked_sub(end.checked_sub(start)?)?;
            let file = file.clone().filter(|file| end <= ReadAt::len(&**file))?;
            Some((*number, Part { file, range: start..end }))
        });
        parts.collect::<Vec<_>>()
    });
    let mut contents = HashMap::new();
    let flow = digest::many(
        verifier.pool(),
        jobs,
        |(number, part)| Prepared::Hash {
            carry: (number, part.range.clone()),
            plan: Plan { algorithms: vec![Algorithm::Blake3], ..Plan::default() },
            source: part,
        },
        |carry, _, passed| (carry, passed),
        watch,
        |((number, range), passed)| {
            let found = passed.ok().and_then(|passed| passed.digests.get(Algorithm::Blake3));
            contents.extend(found.map(|digest| ((number, range.start, range.end), digest)));
            ControlFlow::Continue(())
        },
    );
    (Contents(contents), flow.is_break())
}

/// Opens a file once more; `None` if that fails, or it is another one now.
pub(super) fn open(verifier: &Verifier, side: &Side, known: &Known) -> Option<FileSource> {
    let file = side.reach.open(&known.artifact.path, &verifier.reading()).ok()?;
    let same = ReadAt::len(&file) == known.artifact.size && super::stamp(&known.artifact.path) == known.stamp;
    same.then_some(file)
}

/// A range of a file.
struct Part {
    file: Arc<FileSource>,
    range: Range<u64>,
}

impl Part {
    fn absolute(&self, range: Range<u64>) -> io::Result<Range<u64>> {
        let at = |offset: u64| self.range.start.checked_add(offset).filter(|at| *at <= self.range.end);
        Ok(at(range.start).ok_or(io::ErrorKind::UnexpectedEof)?..at(range.end).ok_or(io::ErrorKind::UnexpectedEof)?)
    }
    fn within(&self, range: Range<u64>) -> Range<u64> {
        let at = |offset: u64| self.range.start.saturating_add(offset).min(self.range.end);
        at(range.start)..at(range.end)
    }
}

impl ReadAt for Part {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let range = self.absolute(offset..offset.saturating_add(buf.len() as u64))?;
        self.file.read_at(range.start, buf)
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        ReadAt::copy(&*self.file, self.absolute(range)?)
    }
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        self.file.window(self.absolute(offset..offset)?.start, most.min(left), buf)
    }
    fn prefetch(&self, range: Range<u64>) {
        self.file.prefetch(self.within(range));
    }
    fn ahead(&self, range: Range<u64>) {
        self.file.ahead(self.within(range));
    }
    fn release(&self, range: Range<u64>) {
        self.file.release(self.within(range));
    }
    fn settle(&self) -> io::Result<()> {
        self.file.settle()
    }
}
