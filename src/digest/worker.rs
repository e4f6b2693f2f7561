//! What one thread does with many sources: several SHA-256 streams side by side, everything else one after the other.
//!
//! A thread begins with one source and doubles the number it has under way with every round, up to the lanes there are:
//! so few large files spread over all threads, and many small ones fill the lanes at once. A source that ends leaves its
//! lane to the next; the shards of a source that was cut come before the next source. While a piece is hashed, the
//! system is asked to fetch the next megabytes of each source, so that a disk has as many requests as there are lanes.
//! Bound: [`lanes::MOST`] open sources and as many buffers of [`READ`] bytes per thread.

use super::algorithm::{Algorithm, Digest, Digests};
use super::cut::{Cut, Cuts, Part};
use super::hasher::Hasher;
use super::lanes::{self, Kernels, Lane, Stream};
use super::many::{Outbox, Prepared};
use super::pass::{Buffers, Context, Crcs, PassError, Passed, Plan, Watch, run};
use super::shards::Shards;
use crate::source::{Changed, ReadAt, Window};
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Bytes that are read of a source at once. Sixteen such buffers stay in the cache of a core.
const READ: usize = 32 << 10;

/// Bytes of a mapping that are taken at once. Lanes that read where the pages lie measured a quarter faster than lanes
/// behind a copy.
const MAPPED: usize = 256 << 10;

/// Bytes that the system is asked to fetch at once, and how far ahead.
const AHEAD: u64 = 1 << 20;

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
    subject: Subject<S, C>,
    sha256: Stream,
    rest: Hasher,
    crcs: Crcs,
    shards: Vec<Shards>,
    at: u64,
    end: u64,
    /// Up to here the system was asked to fetch.
    asked: u64,
    /// Up to here the bytes are not needed any more, and the source knows.
    released: u64,
    buffer: Vec<u8>,
    /// The bytes in the buffer that come next.
    have: Range<usize>,
    /// The source gave less than a block at a time: take what comes without a lane.
    odd: bool,
    result: Option<Result<Passed, PassError>>,
}

/// What is in a lane.
enum Subject<S, C> {
    Whole(S, C),
    Part(Part<S, C>),
}

impl<S, C> Subject<S, C> {
    fn source(&self) -> &S {
        match self {
            Subject::Whole(source, _) => source,
            Subject::Part(part) => &part.cut.source,
        }
    }
}

impl<P, F> Worker<'_, P, F> {
    /// Works until the queue ends, or stops. `next` is asked with `true` to wait for a job.
    pub(super) fn work<J, S, C, R>(&self, next: impl Fn(bool) -> Next<J>, cuts: &Cuts<S, C>, mut outbox: Outbox<'_, R>)
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
                if let Some(part) = cuts.take() {
                    if self.kernels.any() && part.cut.sharding.algorithm == Algorithm::Sha256 {
                        running.push(Running::part(part, spare.pop().unwrap_or_default()));
                    } else {
                        outbox.flush();
                        let result = self.alone(&part, &mut buffers);
                        self.close(part, result, &mut outbox);
                    }
                    continue;
                }
                let claim = cuts.claim();
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
                    Next::End if running.is_empty() => {
                        outbox.flush();
                        drop(claim);
                        if cuts.wait() {
                            continue;
                        }
                        return;
                    }
                    Next::End => break,
                };
                let (source, plan, carry) = match (self.prepare)(job) {
                    Prepared::Hash { source, plan, carry } => (source, plan, carry),
                    Prepared::Done(result) => {
                        outbox.put(index, result);
                        continue;
                    }
                };
                let (source, plan, carry) = match Cut::new(index, source, plan, carry) {
                    Ok(cut) => {
                        self.watch.started(index, cut.source.len());
                        cuts.offer(cut);
                        continue;
                    }
                    Err(whole) => whole,
                };
                drop(claim);
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
                running.push(Running::whole(index, source, plan, carry, spare.pop().unwrap_or_default()));
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
                spare.push(done.buffer);
                match done.subject {
                    Subject::Whole(source, carry) => {
                        self.watch.finished(done.job);
                        outbox.put(done.job, (self.complete)(carry, source, result));
                    }
                    Subject::Part(part) => {
                        let digest = result.map(|passed| passed.digests.get(Algorithm::Sha256));
                        self.close(part, digest, &mut outbox);
                    }
                }
            }
            outbox.flush();
        }
    }

    /// Gives a shard back and, if it was the last of its source, the result of that.
    fn close<S, C, R>(&self, part: Part<S, C>, digest: Result<Option<Digest>, PassError>, outbox: &mut Outbox<'_, R>)
    where
        S: ReadAt,
        F: Fn(C, S, Result<Passed, PassError>) -> R,
    {
        let job = part.cut.job;
        if let Some((source, carry, passed)) = part.close(digest) {
            self.watch.finished(job);
            outbox.put(job, (self.complete)(carry, source, passed));
        }
    }

    /// Hashes a shard that has no place in a lane.
    fn alone<S: ReadAt, C>(&self, part: &Part<S, C>, buffers: &mut Buffers) -> Result<Option<Digest>, PassError> {
        let Part { cut, number } = part;
        let range = cut.range(*number);
        let context = Context { watch: self.watch, job: cut.job, stop: Some(self.stop) };
        let mut hasher =
            Hasher::new(&[cut.sharding.algorithm], None).map_err(|error| PassError::Io(io::Error::other(error)))?;
        let buffer = buffers.one();
        let mut at = range.start;
        while at < range.end {
            context.go_on()?;
            if cut.has_failed() {
                return Err(PassError::Cancelled);
            }
            let most = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(4 * MAPPED);
            let bytes = match cut.source.window(at, most, buffer)? {
                Window::Direct(bytes) => bytes,
                Window::Read(n) => buffer.get(..n).unwrap_or_default(),
            };
            if bytes.is_empty() {
                return Err(PassError::Changed);
            }
            hasher.update(bytes);
            self.watch.advanced(cut.job, bytes.len() as u64);
            cut.source.release(at..at + bytes.len() as u64);
            at += bytes.len() as u64;
        }
        Ok(hasher.finish().get(cut.sharding.algorithm))
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
    crcs: &'a mut Crcs,
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
    fn whole(job: usize, source: S, plan: Plan, carry: C, buffer: Vec<u8>) -> Self {
        let len = source.len();
        let others: Vec<Algorithm> =
            plan.algorithms.iter().copied().filter(|algorithm| *algorithm != Algorithm::Sha256).collect();
        let (rest, failed) = match Hasher::new(&others, Some(len)) {
            Ok(hasher) => (hasher, None),
            Err(error) => (Hasher::default(), Some(Err(PassError::Io(io::Error::other(error))))),
        };
        Running {
            rest,
            crcs: Crcs::new(plan.crcs, len),
            shards: plan.shards.into_iter().map(|sharding| Shards::new(sharding, len)).collect(),
            result: failed,
            ..Running::new(job, Subject::Whole(source, carry), 0..len, buffer)
        }
    }

    fn part(part: Part<S, C>, buffer: Vec<u8>) -> Self {
        let (job, range) = (part.cut.job, part.cut.range(part.number));
        let result = part.cut.has_failed().then_some(Err(PassError::Cancelled));
        Running { result, ..Running::new(job, Subject::Part(part), range, buffer) }
    }

    fn new(job: usize, subject: Subject<S, C>, range: Range<u64>, mut buffer: Vec<u8>) -> Self {
        let Range { start, end } = range;
        let size = usize::try_from(end - start).unwrap_or(usize::MAX).clamp(1, READ);
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        Running {
            job,
            subject,
            sha256: Stream::new(),
            rest: Hasher::default(),
            crcs: Crcs::default(),
            shards: Vec::new(),
            at: start,
            end,
            asked: start,
            released: start,
            buffer,
            have: 0..0,
            odd: false,
            result: None,
        }
    }

    /// Asks the system for what comes next, and says what is not needed any more.
    fn look_ahead(&mut self) {
        let source = self.subject.source();
        if self.end - self.released > READ as u64 && self.asked < self.end && self.at + AHEAD >= self.asked {
            let until = self.asked.saturating_add(AHEAD).min(self.end);
            source.ahead(self.asked..until);
            self.asked = until;
        }
        if self.at - self.released >= AHEAD {
            source.release(self.released..self.at);
            self.released = self.at;
        }
    }

    /// Takes what has no place in a lane: less than a block before the end, or up to the end of a block that was begun.
    /// Finishes at the end.
    fn settle_rest(&mut self, watch: &dyn Watch) -> Result<(), PassError> {
        loop {
            if self.at >= self.end {
                return self.finish();
            }
            let short = |bytes: u64| bytes < 64;
            let begun = self.sha256.missing();
            let small = short(self.end - self.at) || (!self.have.is_empty() && short(self.have.len() as u64));
            if begun == 0 && !small && !self.odd {
                return Ok(());
            }
            self.odd = false;
            let (bytes, buffered) = self.subject.fetch(self.at..self.end, &mut self.buffer, &mut self.have)?;
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
        match &self.subject {
            Subject::Whole(source, _) => source.settle()?,
            // asked once, when the last shard is done
            Subject::Part(part) => part.cut.source.release(self.released..self.end),
        }
        let sha256 = Digest::new(&std::mem::replace(&mut self.sha256, Stream::new()).finish());
        let rest = std::mem::take(&mut self.rest).finish();
        let digests: Digests = rest.iter().chain(sha256.map(|digest| (Algorithm::Sha256, digest))).collect();
        let (crc_mismatches, crc_unchecked) = std::mem::take(&mut self.crcs).finish();
        let shards = std::mem::take(&mut self.shards).into_iter().map(Shards::finish).collect();
        self.result = Some(Ok(Passed { digests, crc_mismatches, crc_unchecked, shards, side_by_side: true }));
        Ok(())
    }

    /// The next whole blocks, as a lane; `None` if the source gave less than one.
    fn lane(&mut self) -> Result<Ready<'_>, Failed<'_>> {
        self.look_ahead();
        let Running { subject, buffer, have, sha256, odd, result, job, rest, crcs, shards, at, end, .. } = self;
        match subject.fetch(*at..*end, buffer, have) {
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

impl<S: ReadAt, C> Subject<S, C> {
    /// The first bytes of a range, at least one, and whether they lie in the buffer.
    fn fetch<'a>(
        &'a self,
        range: Range<u64>,
        buffer: &'a mut [u8],
        have: &mut Range<usize>,
    ) -> Result<(&'a [u8], bool), PassError> {
        let (bytes, buffered) = if have.start >= have.end {
            let most = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(MAPPED);
            match self.source().window(range.start, most, buffer)? {
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
}
