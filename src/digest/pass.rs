//! One pass over the bytes of a source, for everything that needs all of them: digests and checksums of members.
//!
//! Each byte is fetched once. With a pool, the next window is fetched while the current one is hashed, each algorithm
//! has a thread of its own, and BLAKE3 spreads over all that are idle. Memory: two buffers.

use super::algorithm::{Algorithm, Digests};
use super::hasher::Hasher;
#[cfg(feature = "parallel")]
use super::many::{Prepared, many};
use super::pool::Pool;
use super::shards::{Sharded, Sharding, Shards};
use crate::scan::DeferredCrc;
use crate::source::{Changed, ReadAt, Window};
use std::cmp::Ordering;
use std::io;
#[cfg(feature = "parallel")]
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Bytes of a mapping that are taken at once.
const MAPPED: usize = 16 << 20;
/// Bytes that are read at once: small enough to be still in the cache when they are hashed.
const READ: usize = 256 << 10;
/// The same when several threads share them. Two such buffers for each of 64 threads are 64 MiB.
const READ_PARALLEL: usize = 512 << 10;
/// Sources below this length are left to one thread.
const PARALLEL_FROM: u64 = 1 << 20;
/// How far ahead of the hashing the system is asked to fetch, in bytes.
const AHEAD: u64 = 16 << 20;

/// What to compute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Digests of the whole source. May be empty.
    pub algorithms: Vec<Algorithm>,
    /// Checksums of parts.
    pub crcs: Arc<[DeferredCrc]>,
    /// Digests of equal parts.
    pub shards: Vec<Sharding>,
}

impl Plan {
    /// True if nothing wants the bytes in order, from the first to the last.
    pub(super) fn is_of_shards_alone(&self) -> bool {
        self.algorithms.is_empty() && self.crcs.is_empty() && !self.shards.is_empty()
    }
}

/// What one pass found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The digests that were asked for.
    pub digests: Digests,
    /// Indices into [`Plan::crcs`] of parts that do not have the checksum they must have.
    pub crc_mismatches: Vec<usize>,
    /// Indices into [`Plan::crcs`] of parts that were not checked: they overlap another, or leave the source.
    pub crc_unchecked: Vec<usize>,
    /// What [`Plan::shards`] asked for, in its order.
    pub shards: Vec<Sharded>,
    /// SHA-256 was computed beside that of other streams, and not by the `sha2` crate alone. What differs then from what
    /// is expected is computed again ([`confirmed`]).
    pub side_by_side: bool,
}

/// Why a pass gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// The bytes changed, or may have changed, while they were read.
    #[error("changed while reading")]
    Changed,
    /// [`Watch::cancelled`] said so.
    #[error("cancelled")]
    Cancelled,
    /// The system could not read.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for PassError {
    fn from(error: io::Error) -> Self {
        if Changed::is(&error) { PassError::Changed } else { PassError::Io(error) }
    }
}

/// Progress of passes, told from any thread, several times a second. `job` is the number of the source, from 0 in the
/// order of the input. `()` watches nothing.
pub trait Watch: Sync {
    /// A source of `len` bytes is about to be read.
    fn started(&self, job: usize, len: u64) {
        let _ = (job, len);
    }
    /// So many more bytes were read.
    fn advanced(&self, job: usize, bytes: u64) {
        let _ = (job, bytes);
    }
    /// The source was read, or failed.
    fn finished(&self, job: usize) {
        let _ = job;
    }
    /// True to stop soon.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Watch for () {}

/// Reads all of `source` once, as job 0 of `watch`. The source is asked to settle at the end, so a result means that
/// the bytes held still.
///
/// ```
/// use mverify::digest::{Algorithm, Plan, Pool, pass};
/// let plan = Plan { algorithms: vec![Algorithm::Md5], ..Plan::default() };
/// let passed = pass(&b"abc".to_vec(), &plan, &Pool::single(), &())?;
/// assert_eq!(passed.digests.get(Algorithm::Md5).unwrap().to_string(), "900150983cd24fb0d6963f7d28e17f72");
/// # Ok::<(), mverify::digest::PassError>(())
/// ```
pub fn pass(source: &dyn ReadAt, plan: &Plan, pool: &Pool, watch: &dyn Watch) -> Result<Passed, PassError> {
    let context = Context { watch, job: 0, stop: None };
    #[cfg(feature = "parallel")]
    if let Some(threads) = pool.rayon()
        && source.len() >= PARALLEL_FROM
    {
        if plan.is_of_shards_alone() {
            return by_shards(source, plan, pool, watch);
        }
        return threads.install(|| run(source, plan, true, &mut Buffers::default(), &context));
    }
    let _ = pool;
    run(source, plan, false, &mut Buffers::default(), &context)
}

/// The pass of a source whose shards all threads take from, as those of one among many.
#[cfg(feature = "parallel")]
fn by_shards(source: &dyn ReadAt, plan: &Plan, pool: &Pool, watch: &dyn Watch) -> Result<Passed, PassError> {
    let mut result = Err(PassError::Cancelled);
    let prepare = |plan| Prepared::Hash { source, plan, carry: () };
    let complete = |(), _, passed| passed;
    let _ = many(pool, std::iter::once(plan.clone()), prepare, complete, watch, |passed| {
        result = passed;
        ControlFlow::Continue(())
    });
    result
}

/// What the pass found, if nothing `differs` from what is expected; else what another pass finds on the plain path, where
/// each stream goes alone through the `sha2` crate. To be asked before a file is called bad: a processor, or a kernel
/// for it, that computes something else must not.
pub fn confirmed(
    source: &dyn ReadAt,
    plan: &Plan,
    passed: Passed,
    differs: impl FnOnce(&Passed) -> bool,
) -> Result<Passed, PassError> {
    if passed.side_by_side && differs(&passed) { pass(source, plan, &Pool::single(), &()) } else { Ok(passed) }
}

/// Whom to tell, and whom to ask whether to go on.
pub(super) struct Context<'a> {
    pub(super) watch: &'a dyn Watch,
    pub(super) job: usize,
    pub(super) stop: Option<&'a AtomicBool>,
}

impl Context<'_> {
    pub(super) fn go_on(&self) -> Result<(), PassError> {
        let stopped = self.stop.is_some_and(|stop| stop.load(Relaxed));
        if stopped || self.watch.cancelled() { Err(PassError::Cancelled) } else { Ok(()) }
    }
}

/// The buffers of a thread, used again for the next source.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    now: Vec<u8>,
    next: Vec<u8>,
}

impl Buffers {
    /// One buffer, of [`READ`] bytes.
    pub(super) fn one(&mut self) -> &mut [u8] {
        if self.now.len() < READ {
            self.now.resize(READ, 0);
        }
        self.now.get_mut(..READ).unwrap_or_default()
    }
}

/// A pass on the current thread or, with `parallel`, on those of the pool that the current thread belongs to.
pub(super) fn run(
    source: &dyn ReadAt,
    plan: &Plan,
    parallel: bool,
    buffers: &mut Buffers,
    context: &Context<'_>,
) -> Result<Passed, PassError> {
    let len = source.len();
    context.watch.started(context.job, len);
    let parallel = parallel && len >= PARALLEL_FROM;
    let result = read(source, plan, parallel, buffers, context);
    context.watch.finished(context.job);
    result
}

fn read(
    source: &dyn ReadAt,
    plan: &Plan,
    parallel: bool,
    buffers: &mut Buffers,
    context: &Context<'_>,
) -> Result<Passed, PassError> {
    let len = source.len();
    if plan.algorithms.is_empty() && plan.crcs.is_empty() && plan.shards.is_empty() {
        // Nobody asks for the bytes; that they are still the same is asked all the same.
        source.settle()?;
        return Ok(Passed::default());
    }
    let mut hasher =
        Hasher::new(&plan.algorithms, Some(len)).map_err(|error| PassError::Io(io::Error::other(error)))?;
    let mut crcs = Crcs::new(Arc::clone(&plan.crcs), len);
    let mut shards: Vec<Shards> = plan.shards.iter().map(|sharding| Shards::new(*sharding, len)).collect();
    let Buffers { now, next } = buffers;
    let size = usize::try_from(len).unwrap_or(usize::MAX).min(if parallel { READ_PARALLEL } else { READ }).max(1);
    for buffer in [&mut *now, &mut *next] {
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
    }
    let mut asked = if len > PARALLEL_FROM { 0 } else { len };
    let mut at = 0;
    let mut fetched = if len > 0 { source.window(0, MAPPED, now)? } else { Window::Direct(&[]) };
    while at < len {
        context.go_on()?;
        if asked < len && at + AHEAD >= asked {
            let until = (asked + AHEAD).min(len);
            source.ahead(asked..until);
            asked = until;
        }
        let bytes = match fetched {
            Window::Direct(bytes) => bytes,
            Window::Read(n) => now.get(..n).unwrap_or_default(),
        };
        if bytes.is_empty() {
            return Err(PassError::Changed);
        }
        let start = at;
        at += bytes.len() as u64;
        let ahead = || {
            let window = if at < len { source.window(at, MAPPED, next)? } else { Window::Direct(&[]) };
            // BLAKE3 alone has all threads at work, and each meets its own page faults.
            if let Window::Direct(bytes) = window
                && parallel
                && plan.algorithms != [Algorithm::Blake3]
            {
                source.prefetch(at..at + bytes.len() as u64);
            }
            Ok(window)
        };
        let coming: io::Result<_> = work(&mut hasher, (&mut crcs, &mut shards), start, bytes, parallel, ahead);
        context.watch.advanced(context.job, bytes.len() as u64);
        fetched = coming?;
        source.release(start..at);
        std::mem::swap(now, next);
    }
    source.settle()?;
    let (crc_mismatches, crc_unchecked) = crcs.finish();
    let shards = shards.into_iter().map(Shards::finish).collect();
    Ok(Passed { digests: hasher.finish(), crc_mismatches, crc_unchecked, shards, side_by_side: false })
}

/// Hashes a window, and fetches the next one meanwhile.
fn work<W: Send>(
    hasher: &mut Hasher,
    (crcs, shards): (&mut Crcs, &mut [Shards]),
    start: u64,
    bytes: &[u8],
    parallel: bool,
    ahead: impl FnOnce() -> W + Send,
) -> W {
    let mut parts = || {
        crcs.update(start, bytes);
        shards.iter_mut().for_each(|shards| shards.update(bytes));
    };
    #[cfg(feature = "parallel")]
    if parallel {
        let hash = || rayon::join(|| hasher.update_parallel(bytes), parts);
        return rayon::join(hash, ahead).1;
    }
    let _ = parallel;
    hasher.update(bytes);
    parts();
    ahead()
}

/// Checks CRC-32 of parts while the whole goes by. Each byte is summed at most once: of parts that overlap, only the
/// first is checked.
#[derive(Default)]
pub(super) struct Crcs {
    parts: Arc<[DeferredCrc]>,
    /// Indices into `parts`, by start; those before `next` are done.
    order: Vec<usize>,
    next: usize,
    sum: crc32fast::Hasher,
    mismatches: Vec<usize>,
    unchecked: Vec<usize>,
}

impl Crcs {
    pub(super) fn new(parts: Arc<[DeferredCrc]>, len: u64) -> Self {
        let (mut order, mut mismatches, mut unchecked) = (Vec::with_capacity(parts.len()), Vec::new(), Vec::new());
        for (index, part) in parts.iter().enumerate() {
            match part.range.start.cmp(&part.range.end) {
                _ if part.range.end > len => unchecked.push(index),
                Ordering::Less => order.push(index),
                Ordering::Equal if part.expected == 0 => {}
                Ordering::Equal => mismatches.push(index),
                Ordering::Greater => unchecked.push(index),
            }
        }
        order.sort_by_key(|index| parts.get(*index).map(|part| (part.range.start, part.range.end)));
        Crcs { parts, order, next: 0, sum: crc32fast::Hasher::new(), mismatches, unchecked }
    }

    /// Takes `bytes`, which stand at `start`; calls come in order and without gaps.
    pub(super) fn update(&mut self, start: u64, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len() as u64);
        // Summed so far: from the start of the current part, or of these bytes.
        let mut at = start;
        while let Some((index, part, expected)) = self.current() {
            let begun = part.start < start;
            if part.start >= end {
                return;
            }
            if !begun && part.start < at {
                self.unchecked.push(index);
                self.next += 1;
                continue;
            }
            let from = part.start.max(start);
            let to = part.end.min(end);
            let piece = usize::try_from(from - start).ok().zip(usize::try_from(to.saturating_sub(start)).ok());
            self.sum.update(piece.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default());
            if part.end > end {
                return;
            }
            let sum = std::mem::take(&mut self.sum).finalize();
            if sum != expected {
                self.mismatches.push(index);
            }
            at = at.max(to);
            self.next += 1;
        }
    }

    fn current(&self) -> Option<(usize, Range<u64>, u32)> {
        let index = *self.order.get(self.next)?;
        self.parts.get(index).map(|part| (index, part.range.clone(), part.expected))
    }

    /// Indices of mismatches, and of parts that were not checked.
    pub(super) fn finish(mut self) -> (Vec<usize>, Vec<usize>) {
        self.unchecked.extend(self.order.iter().skip(self.next));
        self.mismatches.sort_unstable();
        self.unchecked.sort_unstable();
        (self.mismatches, self.unchecked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    fn crc(bytes: &[u8], start: usize, end: usize) -> DeferredCrc {
        let expected = bytes.get(start..end).map_or(0, crc32fast::hash);
        DeferredCrc { range: start as u64..end as u64, expected, member: String::new() }
    }

    #[test]
    fn every_way_of_reading_gives_the_same() {
        let plan = Plan { algorithms: Algorithm::ALL.to_vec(), ..Plan::default() };
        for len in [0, 1, READ - 1, READ, READ + 1, 2 * READ_PARALLEL + 5] {
            let bytes = noise(len);
            let mut hasher = Hasher::new(&Algorithm::ALL, Some(len as u64)).unwrap();
            hasher.update(&bytes);
            let expected = hasher.finish();
            for threads in [1, 2, 3] {
                let pool = Pool::new(threads).unwrap();
                assert_eq!(pass(&bytes, &plan, &pool, &()).unwrap().digests, expected, "{len} on {threads}");
            }
        }
    }

    #[cfg(feature = "parallel")]
    mod threads {
        use super::*;
        use std::collections::HashSet;
        use std::sync::{Condvar, Mutex};
        use std::thread::ThreadId;
        use std::time::Duration;

        /// Gives nothing to the first thread that reads until a second one does.
        struct ForTwo {
            bytes: Vec<u8>,
            readers: Mutex<HashSet<ThreadId>>,
            came: Condvar,
        }

        impl ReadAt for ForTwo {
            fn len(&self) -> u64 {
                ReadAt::len(&self.bytes)
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                let mut readers = self.readers.lock().unwrap();
                readers.insert(std::thread::current().id());
                self.came.notify_all();
                let minute = Duration::from_secs(60);
                let waited = self.came.wait_timeout_while(readers, minute, |readers| readers.len() < 2).unwrap();
                if waited.1.timed_out() { Err(io::ErrorKind::TimedOut.into()) } else { self.bytes.read_at(offset, buf) }
            }
        }

        #[test]
        fn shards_alone_are_spread_over_the_threads() {
            let bytes = noise(8 << 20);
            for algorithm in [Algorithm::Sha256, Algorithm::Blake3, Algorithm::Sha512] {
                let sharding = Sharding { algorithm, size: 1 << 20, end: u64::MAX };
                let plan = Plan { shards: vec![sharding], ..Plan::default() };
                let plain = pass(&bytes, &plan, &Pool::single(), &()).unwrap();
                let source = ForTwo { bytes: bytes.clone(), readers: Mutex::default(), came: Condvar::new() };
                let passed = pass(&source, &plan, &Pool::new(2).unwrap(), &()).unwrap();
                assert_eq!(passed.shards, plain.shards, "{algorithm:?}");
            }
        }
    }

    #[test]
    fn a_pass_ends_when_it_is_cancelled() {
        struct Cancelled;
        impl Watch for Cancelled {
            fn cancelled(&self) -> bool {
                true
            }
        }
        let sharding = Sharding { algorithm: Algorithm::Sha256, size: 1 << 20, end: u64::MAX };
        let shards = Plan { shards: vec![sharding], ..Plan::default() };
        let whole = Plan { algorithms: vec![Algorithm::Sha256], ..Plan::default() };
        for (plan, threads) in [(&shards, 1), (&shards, 2), (&whole, 1), (&whole, 2)] {
            let passed = pass(&noise(4 << 20), plan, &Pool::new(threads).unwrap(), &Cancelled);
            assert!(matches!(passed, Err(PassError::Cancelled)));
        }
    }

    #[test]
    fn what_nobody_asks_for_is_not_read() {
        #[derive(Debug)]
        struct Unread;
        impl ReadAt for Unread {
            fn len(&self) -> u64 {
                50 << 30
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
                Err(io::ErrorKind::Other.into())
            }
        }
        assert_eq!(pass(&Unread, &Plan::default(), &Pool::single(), &()).unwrap(), Passed::default());
        let plan = Plan { algorithms: vec![Algorithm::Sha256], ..Plan::default() };
        assert!(pass(&Unread, &plan, &Pool::single(), &()).is_err());
    }

    #[test]
    fn checksums_of_parts() {
        let bytes = noise(1000);
        let mut crcs: Vec<DeferredCrc> =
            [(0, 10), (10, 10), (10, 400), (990, 1000), (1000, 1000), (500, 900), (899, 950), (995, 1001), (0, 0)]
                .map(|(start, end)| crc(&bytes, start, end))
                .to_vec();
        crcs[5].expected ^= 1;
        let crcs: Arc<[DeferredCrc]> = crcs.into();
        for pieces in [1, 7, 10, 333, 1000] {
            let mut sums = Crcs::new(Arc::clone(&crcs), 1000);
            let mut at = 0;
            for piece in bytes.chunks(pieces) {
                sums.update(at, piece);
                at += piece.len() as u64;
            }
            let (mismatches, unchecked) = sums.finish();
            assert_eq!(mismatches, [5], "pieces of {pieces}");
            assert_eq!(unchecked, [6, 7], "pieces of {pieces}: an overlap, and a part that leaves the source");
        }
    }

    #[test]
    fn progress_adds_up_and_cancelling_works() {
        #[derive(Default)]
        struct Sum(AtomicU64, AtomicBool);
        impl Watch for Sum {
            fn advanced(&self, _: usize, bytes: u64) {
                self.0.fetch_add(bytes, Relaxed);
            }
            fn cancelled(&self) -> bool {
                self.1.load(Relaxed)
            }
        }
        let (bytes, watch) = (noise(3 * READ), Sum::default());
        let plan = Plan { algorithms: vec![Algorithm::Blake3], ..Plan::default() };
        pass(&bytes, &plan, &Pool::single(), &watch).unwrap();
        assert_eq!(watch.0.load(Relaxed), bytes.len() as u64);
        watch.1.store(true, Relaxed);
        assert!(matches!(pass(&bytes, &plan, &Pool::single(), &watch), Err(PassError::Cancelled)));
    }
}
