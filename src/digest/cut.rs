//! One source in many hands: its shards are independent streams, taken by whichever thread has a lane free.
//!
//! Only where nothing but the digests of shards is asked for: every other digest wants the bytes in order. Each byte is
//! still read once. Bound: a digest per shard, and no source is cut before all shards of those before it are taken up
//! by as many lanes as there are.

use super::algorithm::{Algorithm, Digest};
use super::pass::{PassError, Passed, Plan};
use super::shards::{Sharded, Sharding};
use crate::source::ReadAt;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A source that was cut.
pub(super) struct Cut<S, C> {
    pub(super) job: usize,
    pub(super) source: S,
    carry: Mutex<C>,
    pub(super) sharding: Sharding,
    /// Bytes that are cut into shards: at least one.
    len: u64,
    digests: Mutex<Vec<Option<Digest>>>,
    /// Why a shard gave no digest: the first reason.
    error: Mutex<Option<PassError>>,
    failed: AtomicBool,
}

/// A source that is not cut, as it came.
type Whole<S, C> = (S, Plan, C);

impl<S: ReadAt, C> Cut<S, C> {
    /// Cuts a source if its plan is about its shards and nothing else, and if there are at least two.
    pub(super) fn new(job: usize, source: S, plan: Plan, carry: C) -> Result<Self, Whole<S, C>> {
        let alone = plan.is_of_shards_alone();
        match plan.shards.as_slice() {
            [sharding] if alone && sharding.algorithm != Algorithm::Sha1Git => {
                let sharding = Sharding { size: sharding.size.max(1), ..*sharding };
                let len = source.len().min(sharding.end);
                let count = usize::try_from(len.div_ceil(sharding.size)).unwrap_or(usize::MAX);
                // a file has at least a byte for each of these
                let mut digests = Vec::new();
                if count < 2 || digests.try_reserve_exact(count).is_err() {
                    return Err((source, plan, carry));
                }
                digests.resize(count, None);
                Ok(Cut {
                    job,
                    source,
                    carry: Mutex::new(carry),
                    sharding,
                    len,
                    digests: Mutex::new(digests),
                    error: Mutex::new(None),
                    failed: AtomicBool::new(false),
                })
            }
            _ => Err((source, plan, carry)),
        }
    }

    fn count(&self) -> u64 {
        self.len.div_ceil(self.sharding.size)
    }

    /// The bytes of a shard.
    pub(super) fn range(&self, number: usize) -> Range<u64> {
        let start = (number as u64).saturating_mul(self.sharding.size);
        start.min(self.len)..start.saturating_add(self.sharding.size).min(self.len)
    }

    /// True if a shard gave no digest, so that the others are not worth reading.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What came of all shards.
    fn conclude(self) -> (S, C, Result<Passed, PassError>) {
        let Cut { source, carry, sharding, digests, error, .. } = self;
        let digests: Option<Vec<Digest>> = into_inner(digests).into_iter().collect();
        let passed = match (into_inner(error), digests) {
            (Some(error), _) => Err(error),
            (None, None) => Err(PassError::Cancelled),
            (None, Some(digests)) => source.settle().map_err(PassError::from).map(|()| Passed {
                shards: vec![Sharded { sharding, digests }],
                side_by_side: true,
                ..Passed::default()
            }),
        };
        (source, into_inner(carry), passed)
    }
}

/// A shard in somebody's hand.
pub(super) struct Part<S, C> {
    pub(super) cut: Arc<Cut<S, C>>,
    pub(super) number: usize,
}

impl<S: ReadAt, C> Part<S, C> {
    /// Notes what came of it. Whoever closes the last one gets the source back, and the result.
    pub(super) fn close(self, result: Result<Option<Digest>, PassError>) -> Option<(S, C, Result<Passed, PassError>)> {
        let Part { cut, number } = self;
        match result {
            Ok(digest) => {
                if let Some(slot) = lock(&cut.digests).get_mut(number) {
                    *slot = digest;
                }
            }
            Err(error) => {
                // the first reason comes before the word that there is one
                lock(&cut.error).get_or_insert(error);
                cut.failed.store(true, Ordering::Relaxed);
            }
        }
        Arc::into_inner(cut).map(Cut::conclude)
    }
}

/// What was cut and not yet taken, for all threads.
pub(super) struct Cuts<S, C> {
    /// The next shard of each source.
    waiting: Mutex<VecDeque<Part<S, C>>>,
    /// Length of `waiting`, to be asked without the lock.
    open: AtomicUsize,
    /// Threads that may be about to cut something.
    claims: AtomicUsize,
    /// Threads that wait for shards, or are about to: a call that nobody hears is still one of the system's.
    sleepers: AtomicUsize,
    moved: Condvar,
}

impl<S: ReadAt, C> Cuts<S, C> {
    pub(super) fn new() -> Self {
        Cuts {
            waiting: Mutex::new(VecDeque::new()),
            open: AtomicUsize::new(0),
            claims: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            moved: Condvar::new(),
        }
    }

    /// To be held by whoever asks for a job, until it is known whether that job is cut.
    pub(super) fn claim(&self) -> Claim<'_, S, C> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        Claim(self)
    }

    /// Offers the shards of a source to all threads.
    pub(super) fn offer(&self, cut: Cut<S, C>) {
        let mut waiting = lock(&self.waiting);
        waiting.push_back(Part { cut: Arc::new(cut), number: 0 });
        self.open.store(waiting.len(), Ordering::Release);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.moved.notify_all();
        }
    }

    /// The next shard, if there is one.
    pub(super) fn take(&self) -> Option<Part<S, C>> {
        if self.open.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut waiting = lock(&self.waiting);
        let part = waiting.pop_front()?;
        if part.number as u64 + 1 < part.cut.count() {
            waiting.push_front(Part { cut: part.cut.clone(), number: part.number + 1 });
        }
        self.open.store(waiting.len(), Ordering::Release);
        Some(part)
    }

    /// Waits for shards; false if none can come any more. Hold no claim, and nothing that others wait for.
    pub(super) fn wait(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        // before the look at the claims: whoever gives back the last one then sees either this or no reason to call
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while waiting.is_empty() && self.claims.load(Ordering::SeqCst) > 0 {
            waiting = self.moved.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        !waiting.is_empty()
    }
}

/// See [`Cuts::claim`].
pub(super) struct Claim<'a, S, C>(&'a Cuts<S, C>);

impl<S, C> Drop for Claim<'_, S, C> {
    fn drop(&mut self) {
        let last = self.0.claims.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.0.sleepers.load(Ordering::SeqCst) > 0 {
            // who is about to wait holds this between looking and waiting, and so hears the call
            drop(lock(&self.0.waiting));
            self.0.moved.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
