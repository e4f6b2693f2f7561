//! What one thread does with many sources: several SHA-256 streams side by side, everything else one after the other.
//!
//! A thread begins with one source and doubles the number it has under way with every round, up to the lanes there are:
//! so few large files spread over all threads, and many small ones fill the lanes at once. A source that ends leaves its
//! lane to the next. Bound: [`lanes::MOST`] open sources and as many buffers of [`READ`] bytes per thread.

use super::algorithm::{Algorithm, Digests};
use super::hasher::Hasher;
use super::lanes::{self, Kernels, Lane, Stream};
use super::many::{Outbox, Prepared};
use super::pass::{Buffers, Context, Crcs, PassError, Passed, Plan, Watch, run};
use super::shards::Shards;
use crate::source::{Changed, ReadAt, Window};
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Bytes that are read of a source at once. Sixteen such buffers stay in the cache of a core. Files are never mapped
/// here: for pieces of this size reading measured faster than the page faults of a mapping.
const READ: usize = 32 << 10;

/// Sources above this length, in bytes, keep nobody waiting for the results of those before.
const LONG: u64 = 1 << 20;

/// What the queue says.
pub(super) enum Next<J> {
    /// Job number so and so; `last` if none comes after it.
    Job { index: usize, job: J, last: bool },
    /// None for now; only said to those that did not want to wait.
    Later,
    /// No more.
    End,
}

/// What a thread works with.
pub(super) struct Worker<'a, P, F> {
    pub(super) prepare: &'a P,
    pub(super) complete: &'a F,
    pub(super) watch: &'a dyn Watch,
    pub(super) stop: &'a AtomicBool,
    pub(super) kernels: Kernels,
    /// There are other threads that may have nothing to do.
    pub(super) parallel: bool,
}

/// A source in a lane.
struct Running<S, C> {
    job: usize,
    source: S,
    carry: C,
    sha256: Stream,
    rest: Hasher,
    crcs: Crcs<'static>,
    shards: Vec<Shards>,
    at: u64,
    buffer: Vec<u8>,
    /// The bytes in the buffer that come next.
    have: Range<usize>,
    /// The source gave less than a block at a time: take what comes without a lane.
    odd: bool,
    result: Option<Result<Passed, PassError>>,
}

impl<P, F> Worker<'_, P, F> {
    /// Works until the queue ends, or stops. `next` is asked with `true` to wait for a job.
    pub(super) fn work<J, S, C, R>(&self, next: impl Fn(bool) -> Next<J>, mut outbox: Outbox<'_, R>)
    where
        S: ReadAt,
        P: Fn(J) -> Prepared<S, C, R>,
        F: Fn(C, S, Result<Passed, PassError>) -> R,
    {
        let mut buffers = Buffers::default();
        let mut spare: Vec<Vec<u8>> = Vec::new();
        let mut running: Vec<Running<S, C>> = Vec::new();
        let mut width = 1;
        loop {
            while running.len() < width {
                let asked = match next(false) {
                    // what others wait for may be held back here
                    Next::Later if running.is_empty() => {
                        outbox.flush();
                        next(true)
                    }
                    asked => asked,
                };
                let (index, job, last) = match asked {
                    Next::Job { index, job, last } => (index, job, last),
                    Next::Later => break,
                    Next::End if running.is_empty() => return outbox.flush(),
                    Next::End => break,
                };
                let (source, plan, carry) = match (self.prepare)(job) {
                    Prepared::Hash { source, plan, carry } => (source, plan, carry),
                    Prepared::Done(result) => {
                        outbox.put(index, result);
                        continue;
                    }
                };
                let alone = last && running.is_empty();
                if alone || !self.kernels.any() || !plan.algorithms.contains(&Algorithm::Sha256) {
                    if source.len() > LONG {
                        outbox.flush();
                    }
                    let context = Context { watch: self.watch, job: index, stop: Some(self.stop) };
                    let passed = run(&source, &plan, self.parallel, &mut buffers, &context);
                    outbox.put(index, (self.complete)(carry, source, passed));
                    continue;
                }
                self.watch.started(index, source.len());
                running.push(Running::new(index, source, plan, carry, spare.pop().unwrap_or_default()));
            }
            width = lanes::MOST.min(2 * width);
            self.round(&mut running);
            let mut i = 0;
            while let Some(candidate) = running.get_mut(i) {
                let Some(result) = candidate.result.take() else {
                    i += 1;
                    continue;
                };
                let done = running.swap_remove(i);
                self.watch.finished(done.job);
                spare.push(done.buffer);
                outbox.put(done.job, (self.complete)(done.carry, done.source, result));
            }
            outbox.flush();
        }
    }

    /// Moves every source on by a piece.
    fn round<S: ReadAt, C>(&self, running: &mut [Running<S, C>]) {
        let go_on = Context { watch: self.watch, job: 0, stop: Some(self.stop) }.go_on();
        if go_on.is_err() {
            running.iter_mut().for_each(|running| running.result = Some(Err(PassError::Cancelled)));
            return;
        }
        let (mut lanes, mut others) = (Vec::with_capacity(running.len()), Vec::with_capacity(running.len()));
        for running in running.iter_mut() {
            if let Err(error) = running.settle_rest(self.watch) {
                running.result = Some(Err(error));
            }
            if running.result.is_some() {
                continue;
            }
            match running.lane() {
                Ok(Some((lane, other))) => {
                    lanes.push(lane);
                    others.push(other);
                }
                Ok(None) => {}
                Err((result, error)) => *result = Some(Err(error)),
            }
        }
        lanes::advance(self.kernels, &mut lanes);
        for (lane, other) in lanes.iter().zip(others) {
            let taken = lane.blocks.get(..lane.taken).unwrap_or_default().as_flattened();
            self.watch.advanced(other.job, taken.len() as u64);
            other.take(taken);
        }
    }
}

/// The part of a source in a lane that does not belong to the lane.
struct Others<'a> {
    job: usize,
    rest: &'a mut Hasher,
    crcs: &'a mut Crcs<'static>,
    shards: &'a mut [Shards],
    at: &'a mut u64,
    have: &'a mut Range<usize>,
}

impl Others<'_> {
    /// Shows the bytes that SHA-256 took to the other algorithms.
    fn take(self, bytes: &[u8]) {
        self.rest.update(bytes);
        self.crcs.update(*self.at, bytes);
        self.shards.iter_mut().for_each(|shards| shards.update(bytes));
        *self.at += bytes.len() as u64;
        if self.have.start < self.have.end {
            self.have.start += bytes.len();
        }
    }
}

type Ready<'a> = Option<(Lane<'a>, Others<'a>)>;
type Failed<'a> = (&'a mut Option<Result<Passed, PassError>>, PassError);

impl<S: ReadAt, C> Running<S, C> {
    fn new(job: usize, source: S, plan: Plan, carry: C, mut buffer: Vec<u8>) -> Self {
        let len = source.len();
        let size = usize::try_from(len).unwrap_or(usize::MAX).clamp(1, READ);
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        let others: Vec<Algorithm> =
            plan.algorithms.iter().copied().filter(|algorithm| *algorithm != Algorithm::Sha256).collect();
        let (rest, failed) = match Hasher::new(&others, Some(len)) {
            Ok(hasher) => (hasher, None),
            Err(error) => (Hasher::default(), Some(Err(PassError::Io(io::Error::other(error))))),
        };
        Running {
            job,
            source,
            carry,
            sha256: Stream::new(),
            rest,
            crcs: Crcs::new(plan.crcs, len),
            shards: plan.shards.into_iter().map(|sharding| Shards::new(sharding, len)).collect(),
            at: 0,
            buffer,
            have: 0..0,
            odd: false,
            result: failed,
        }
    }

    /// Takes what has no place in a lane: less than a block before the end, or up to the end of a block that was begun.
    /// Finishes at the end.
    fn settle_rest(&mut self, watch: &dyn Watch) -> Result<(), PassError> {
        let len = self.source.len();
        loop {
            if self.at >= len {
                return self.finish();
            }
            let short = |bytes: u64| bytes < 64;
            let begun = self.sha256.missing();
            let small = short(len - self.at) || (!self.have.is_empty() && short(self.have.len() as u64));
            if begun == 0 && !small && !self.odd {
                return Ok(());
            }
            self.odd = false;
            let (bytes, buffered) = fetch(&self.source, self.at, &mut self.buffer, &mut self.have)?;
            let most = if begun > 0 { begun } else { 63 };
            let bytes = bytes.get(..most.min(bytes.len())).unwrap_or_default();
            self.sha256.absorb(bytes);
            watch.advanced(self.job, bytes.len() as u64);
            let n = bytes.len();
            self.rest.update(bytes);
            self.crcs.update(self.at, bytes);
            self.shards.iter_mut().for_each(|shards| shards.update(bytes));
            self.at += n as u64;
            if buffered {
                self.have.start += n;
            }
        }
    }

    fn finish(&mut self) -> Result<(), PassError> {
        self.source.settle()?;
        let sha256 = super::Digest::new(&std::mem::replace(&mut self.sha256, Stream::new()).finish());
        let rest = std::mem::take(&mut self.rest).finish();
        let digests: Digests = rest.iter().chain(sha256.map(|digest| (Algorithm::Sha256, digest))).collect();
        let (crc_mismatches, crc_unchecked) = std::mem::take(&mut self.crcs).finish();
        let shards = std::mem::take(&mut self.shards).into_iter().map(Shards::finish).collect();
        self.result = Some(Ok(Passed { digests, crc_mismatches, crc_unchecked, shards }));
        Ok(())
    }

    /// The next whole blocks, as a lane; `None` if the source gave less than one.
    fn lane(&mut self) -> Result<Ready<'_>, Failed<'_>> {
        let Running { source, buffer, have, sha256, odd, result, job, rest, crcs, shards, at, .. } = self;
        match fetch(source, *at, buffer, have) {
            Err(error) => Err((result, error)),
            Ok((bytes, _)) => {
                let (blocks, _) = bytes.as_chunks::<64>();
                *odd = blocks.is_empty();
                let others = Others { job: *job, rest, crcs, shards, at, have };
                Ok((!blocks.is_empty()).then(|| (Lane::new(sha256, blocks), others)))
            }
        }
    }
}

/// The bytes that come next, at least one, and whether they lie in the buffer.
fn fetch<'a>(
    source: &'a impl ReadAt,
    at: u64,
    buffer: &'a mut [u8],
    have: &mut Range<usize>,
) -> Result<(&'a [u8], bool), PassError> {
    let (bytes, buffered) = if have.start >= have.end {
        match source.window(at, READ.min(buffer.len()), buffer)? {
            Window::Direct(bytes) => (bytes, false),
            Window::Read(n) => {
                *have = 0..n;
                (buffer.get(..n).unwrap_or_default(), true)
            }
        }
    } else {
        (buffer.get(have.clone()).unwrap_or_default(), true)
    };
    if bytes.is_empty() { Err(PassError::from(io::Error::from(Changed))) } else { Ok((bytes, buffered)) }
}
