//! Ranges of a file that are proven without reading all of it: by signed shards, or by a signed BLAKE3 digest and an
//! outboard kept beside the file.
//!
//! [`VerifiedRange`] is a source of bytes itself: whatever is read through it was proven first, or the read fails. So a
//! parser that is given one sees proven bytes only, and a tensor is found by a header that is proven as well. What was
//! proven once is not hashed again: the source below gives the same bytes for the same place, or fails
//! ([`crate::source::Changed`]).
//!
//! Bound: a buffer of [`PIECE`] bytes per call, the list of what was proven, and what the source remembers. A read costs
//! the shards that it touches. Threats: bytes that change between proof and use (the bytes that are handed out are those
//! that were hashed), a length that was not signed (a file of another length is refused at once), a buffer that is used
//! although the proof failed (it is zeroed).

use super::oms::{Expected, Manifest, Shard};
use crate::budget::Limits;
use crate::digest::{Algorithm, Digest, Hasher, Leaf, LeafHasher, Outboard, OutboardError};
use crate::finding::{Finding, shown};
use crate::format::tensor::TensorInfo;
use crate::inspect;
use crate::rule::{self, trust as rules};
use crate::source::{Changed, ReadAt, View};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are hashed at once.
const PIECE: u64 = 1 << 20;

/// Why a range is not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Proven bad: these bytes are not what was signed.
    #[error("bytes {} to {} are not what was signed", .0.start, .0.end)]
    Differs(Range<u64>),
    /// Proven bad: the file does not have the length that was signed.
    #[error("it has {len} bytes, signed were {signed}")]
    Length {
        /// Bytes of the file.
        len: u64,
        /// Bytes that were signed.
        signed: u64,
    },
    /// The manifest does not list the file.
    #[error("the manifest does not list {0}")]
    NotListed(String),
    /// The manifest lists the file as a whole, and there is no outboard with which parts of it could be proven.
    #[error(
        "the manifest lists it as a whole, so only reading all of it proves anything; sign with --shards, or keep a BLAKE3 outboard"
    )]
    Whole,
    /// The outboard does not belong to what was signed.
    #[error("the outboard proves nothing: {0}")]
    Outboard(String),
    /// The range does not lie inside the file.
    #[error("bytes {} to {} do not lie inside the file", .0.start, .0.end)]
    Outside(Range<u64>),
    /// The bytes changed while they were read.
    #[error("it changed while it was read")]
    Changed,
    /// The system could not read.
    #[error("it could not be read: {0}")]
    Io(String),
}

impl RangeError {
    /// The same as a finding.
    pub fn finding(&self) -> Finding {
        let finding = |rule| Finding::new(rule, self.to_string());
        match self {
            RangeError::Differs(range) => finding(&rules::CHANGED).at(range.start),
            RangeError::Length { signed, .. } => finding(&rules::CHANGED).at(*signed),
            RangeError::Changed => finding(&rule::tree::CHANGED),
            RangeError::Io(_) => finding(&rule::format::UNREADABLE),
            _ => finding(&rules::RANGE_UNPROVEN),
        }
    }

    /// The error that a read through a [`VerifiedRange`] failed with.
    pub fn of(error: &io::Error) -> RangeError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<RangeError>()) {
            Some(inner) => inner.clone(),
            None if Changed::is(error) => RangeError::Changed,
            None => RangeError::Io(error.to_string()),
        }
    }
}

impl From<RangeError> for io::Error {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Changed => Changed.into(),
            RangeError::Outside(_) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            _ => io::Error::other(error),
        }
    }
}

impl From<OutboardError> for RangeError {
    fn from(error: OutboardError) -> Self {
        RangeError::Outboard(error.to_string())
    }
}

/// What proves parts of a file.
#[derive(Debug)]
enum Proof {
    Shards(Algorithm, Arc<Vec<Shard>>),
    Outboard(Outboard),
}

/// A file of which ranges are proven as they are read. `S` must give the same bytes for the same place, or fail; files
/// opened with [`crate::source::FileSource`] and bytes in memory do.
///
/// ```
/// use mverify::digest::{Algorithm, Digest, Hasher};
/// use mverify::manifest::oms::Shard;
/// use mverify::manifest::range::{RangeError, VerifiedRange};
/// let sha256 = |bytes: &[u8]| {
///     let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
///     hasher.update(bytes);
///     hasher.finish().get(Algorithm::Sha256).unwrap()
/// };
/// let signed = vec![Shard { range: 0..4, digest: sha256(b"good") }, Shard { range: 4..8, digest: sha256(b"byte") }];
/// let file = VerifiedRange::by_shards(b"goodBYTE".to_vec(), Algorithm::Sha256, signed.into())?;
/// assert_eq!(file.bytes(1..3)?, b"oo");
/// assert_eq!(file.bytes(3..5), Err(RangeError::Differs(4..8)));
/// assert_eq!(file.proven(), [0..4]);
/// # Ok::<(), RangeError>(())
/// ```
#[derive(Debug)]
pub struct VerifiedRange<S> {
    source: S,
    proof: Proof,
    proven: Mutex<Ranges>,
    /// The first proof that failed. A parser may have gone on without those bytes.
    failed: Mutex<Option<RangeError>>,
}

impl<S: ReadAt> VerifiedRange<S> {
    /// A file that a verified manifest lists as `name`: by its shards or, where it is listed as a whole by BLAKE3, by an
    /// outboard. The manifest must be one that was verified: nothing here asks who signed it.
    ///
    /// # Errors
    /// [`RangeError`] where nothing can be proven, or the file is not the signed one at first sight.
    pub fn of(
        manifest: &Manifest,
        name: &str,
        source: S,
        outboard: Option<Box<dyn ReadAt>>,
    ) -> Result<VerifiedRange<S>, RangeError> {
        match (manifest.entries.get(name), outboard) {
            (None, _) => Err(RangeError::NotListed(shown(name))),
            (Some(Expected::Shards(shards)), _) => {
                VerifiedRange::by_shards(source, manifest.algorithm, Arc::new(shards.clone()))
            }
            (Some(Expected::Whole(digest)), Some(outboard)) if manifest.algorithm == Algorithm::Blake3 => {
                VerifiedRange::by_outboard(source, digest, outboard)
            }
            (Some(Expected::Whole(_)), _) => Err(RangeError::Whole),
        }
    }

    /// A file of which these shards were signed: all of it, without gaps, as manifests are parsed.
    ///
    /// # Errors
    /// [`RangeError::Length`].
    pub fn by_shards(source: S, algorithm: Algorithm, shards: Arc<Vec<Shard>>) -> Result<VerifiedRange<S>, RangeError> {
        let (len, signed) = (source.len(), shards.last().map_or(0, |last| last.range.end));
        if len != signed {
            return Err(RangeError::Length { len, signed });
        }
        Ok(VerifiedRange::new(source, Proof::Shards(algorithm, shards)))
    }

    /// A file of which this BLAKE3 digest was signed, with its outboard ([`crate::digest::outboard`]). Its end is proven at
    /// once, and with it its length.
    ///
    /// # Errors
    /// [`RangeError::Outboard`], or what reading the end gives.
    pub fn by_outboard(source: S, digest: &Digest, outboard: Box<dyn ReadAt>) -> Result<VerifiedRange<S>, RangeError> {
        let len = source.len();
        let proof = Proof::Outboard(Outboard::new(outboard, digest, len)?);
        let range = VerifiedRange::new(source, proof);
        range.prove(len.saturating_sub(1)..len)?;
        Ok(range)
    }

    fn new(source: S, proof: Proof) -> VerifiedRange<S> {
        VerifiedRange { source, proof, proven: Mutex::default(), failed: Mutex::default() }
    }

    /// Length in bytes, as signed.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// True if the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The source below, whose bytes are not proven.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Reads and proves the shards that cover a range.
    ///
    /// # Errors
    /// [`RangeError`]; nothing is known then about the range.
    pub fn prove(&self, range: Range<u64>) -> Result<(), RangeError> {
        self.walk(&range, &mut [])
    }

    /// Fills `out` with the proven bytes from `offset` on. On an error `out` holds zeros.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), RangeError> {
        let range = offset..offset.saturating_add(out.len() as u64);
        let result = self.walk(&range, out);
        if result.is_err() {
            out.fill(0);
        }
        result
    }

    /// The proven bytes of a range.
    ///
    /// # Errors
    /// [`RangeError`]; [`RangeError::Io`] too where memory does not hold them.
    pub fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>, RangeError> {
        if range.start > range.end || range.end > self.len() {
            return Err(RangeError::Outside(range));
        }
        let memory = || RangeError::Io(io::ErrorKind::OutOfMemory.to_string());
        let len = usize::try_from(range.end - range.start).map_err(|_| memory())?;
        let mut out = Vec::new();
        out.try_reserve_exact(len).map_err(|_| memory())?;
        out.resize(len, 0);
        self.read(range.start, &mut out)?;
        Ok(out)
    }

    /// The tensors of the file, sorted by name, from bytes that are proven; `None` for a file without, and where they
    /// cannot be told.
    ///
    /// # Errors
    /// [`RangeError`] where what names the tensors is not proven.
    pub fn tensors(&self, limits: &Limits) -> Result<Option<Vec<TensorInfo>>, RangeError> {
        let view = View::new(self);
        let found = inspect::format_of_tensors(&view).map_err(|error| RangeError::of(&error))?;
        let tensors = found.and_then(|format| inspect::tensors(&view, format, limits));
        match self.failure() {
            Some(error) => Err(error),
            None => Ok(tensors),
        }
    }

    /// What was proven so far, in order; ranges that touch are one.
    pub fn proven(&self) -> Vec<Range<u64>> {
        lock(&self.proven).0.iter().map(|(start, end)| *start..*end).collect()
    }

    /// The first proof that failed, if any did.
    pub fn failure(&self) -> Option<RangeError> {
        lock(&self.failed).clone()
    }

    /// Proves every shard that `range` touches, and copies its part of it to `out`, which is empty or as long as the range.
    fn walk(&self, range: &Range<u64>, out: &mut [u8]) -> Result<(), RangeError> {
        let result = self.try_walk(range, out);
        if let Err(error) = &result
            && !matches!(error, RangeError::Outside(_))
        {
            lock(&self.failed).get_or_insert_with(|| error.clone());
        }
        result
    }

    fn try_walk(&self, range: &Range<u64>, mut out: &mut [u8]) -> Result<(), RangeError> {
        if range.start > range.end || range.end > self.len() {
            return Err(RangeError::Outside(range.clone()));
        }
        let mut scratch = Vec::new();
        let mut one = |unit: Unit| {
            let place = unit.range();
            let wanted = range.start.max(place.start)..range.end.min(place.end);
            let n = if out.is_empty() {
                0
            } else {
                usize::try_from(wanted.end.saturating_sub(wanted.start)).unwrap_or(usize::MAX)
            };
            let (part, rest) =
                std::mem::take(&mut out).split_at_mut_checked(n).ok_or(RangeError::Outside(wanted.clone()))?;
            out = rest;
            if lock(&self.proven).contains(&place) {
                return self.source.read_at(wanted.start, part).map_err(|error| RangeError::of(&error));
            }
            self.unit(&unit, &wanted, part, &mut scratch)
        };
        match &self.proof {
            Proof::Shards(algorithm, shards) => {
                let first = shards.partition_point(|shard| shard.range.end <= range.start);
                let touched = shards.iter().skip(first).take_while(|shard| shard.range.start < range.end);
                touched.into_iter().try_for_each(|shard| one(Unit::Shard(*algorithm, shard)))
            }
            Proof::Outboard(outboard) => outboard.leaves(range.clone()).try_for_each(|leaf| one(Unit::Leaf(leaf?))),
        }
    }

    /// Reads one unit whole, copies what is wanted of it, and compares.
    fn unit(
        &self,
        unit: &Unit<'_>,
        wanted: &Range<u64>,
        out: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(), RangeError> {
        let place = unit.range();
        let mut hasher = unit.hasher()?;
        let mut at = place.start;
        while at < place.end {
            let end = place.end.min(at.saturating_add(PIECE - at % PIECE));
            let len = usize::try_from(end - at).unwrap_or(usize::MAX);
            let inside = !out.is_empty() && wanted.start <= at && end <= wanted.end;
            let start = usize::try_from(at.saturating_sub(wanted.start)).unwrap_or(usize::MAX);
            let piece = match out.get_mut(start..start.saturating_add(len)).filter(|_| inside) {
                // read to where it is wanted
                Some(piece) => piece,
                None => {
                    if scratch.len() < len {
                        scratch.resize(len, 0);
                    }
                    scratch.get_mut(..len).unwrap_or_default()
                }
            };
            self.source.read_at(at, piece).map_err(|error| RangeError::of(&error))?;
            hasher.update(piece);
            if !inside && !out.is_empty() {
                copy_overlap(at, scratch.get(..len).unwrap_or_default(), wanted, out);
            }
            at = end;
        }
        if !unit.holds(hasher) {
            return Err(RangeError::Differs(place));
        }
        lock(&self.proven).add(place);
        Ok(())
    }
}

/// Copies of `piece`, which stands at `at`, what belongs into `out`, which stands at `wanted`.
fn copy_overlap(at: u64, piece: &[u8], wanted: &Range<u64>, out: &mut [u8]) {
    let from = at.max(wanted.start);
    let to = at.saturating_add(piece.len() as u64).min(wanted.end);
    let index = |place: u64, base: u64| usize::try_from(place.saturating_sub(base)).unwrap_or(usize::MAX);
    if from < to
        && let Some(bytes) = piece.get(index(from, at)..index(to, at))
        && let Some(target) = out.get_mut(index(from, wanted.start)..index(to, wanted.start))
    {
        target.copy_from_slice(bytes);
    }
}

/// What is proven at once.
enum Unit<'a> {
    Shard(Algorithm, &'a Shard),
    Leaf(Leaf),
}

enum UnitHasher {
    Shard(Hasher),
    Leaf(LeafHasher),
}

impl Unit<'_> {
    fn range(&self) -> Range<u64> {
        match self {
            Unit::Shard(_, shard) => shard.range.clone(),
            Unit::Leaf(leaf) => leaf.range.clone(),
        }
    }
    fn hasher(&self) -> Result<UnitHasher, RangeError> {
        Ok(match self {
            Unit::Shard(algorithm, _) => {
                UnitHasher::Shard(Hasher::new(&[*algorithm], None).map_err(|error| RangeError::Io(error.to_string()))?)
            }
            Unit::Leaf(leaf) => UnitHasher::Leaf(leaf.hasher()),
        })
    }
    fn holds(&self, hasher: UnitHasher) -> bool {
        match (self, hasher) {
            (Unit::Shard(algorithm, shard), UnitHasher::Shard(hasher)) => {
                hasher.finish().get(*algorithm) == Some(shard.digest)
            }
            (Unit::Leaf(leaf), UnitHasher::Leaf(hasher)) => leaf.holds(&hasher),
            _ => false,
        }
    }
}

impl UnitHasher {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            UnitHasher::Shard(hasher) => hasher.update(bytes),
            UnitHasher::Leaf(hasher) => hasher.update(bytes),
        }
    }
}

/// A set of bytes, as ranges by their start; those that touch are one.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn contains(&self, range: &Range<u64>) -> bool {
        self.0.range(..=range.start).next_back().is_some_and(|(_, end)| range.end <= *end)
    }
    fn add(&mut self, mut range: Range<u64>) {
        let before = self.0.range(..=range.start).next_back().map(|(start, end)| (*start, *end));
        if let Some((start, end)) = before.filter(|(_, end)| *end >= range.start) {
            range = start..range.end.max(end);
        }
        while let Some((start, end)) = self.0.range(range.start..=range.end).next().map(|(start, end)| (*start, *end)) {
            self.0.remove(&start);
            range.end = range.end.max(end);
        }
        self.0.insert(range.start, range.end);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads give proven bytes, or fail with a [`RangeError`] inside.
impl<S: ReadAt> ReadAt for VerifiedRange<S> {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        Ok(self.read(offset, buf)?)
    }
    fn settle(&self) -> io::Result<()> {
        self.source.settle()?;
        self.failure().map_or(Ok(()), |error| Err(error.into()))
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
