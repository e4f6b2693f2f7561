//! Many sources over all threads, results in the order of the input.
//!
//! Each thread takes jobs, prepares them (opens, scans), hashes several at once, completes them, and takes the next.
//! Results travel in batches: a message for each of many small files costs more than its digest.
//! Bound: what a thread has in hand (see `worker`), a batch of results of each thread, and [`AHEAD`] results that wait for
//! an earlier one.

use super::cut::Cuts;
use super::lanes::Kernels;
use super::pass::{PassError, Passed, Plan, Watch};
use super::pool::Pool;
use super::worker::{Next, Worker};
use crate::source::ReadAt;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

/// How far results may run ahead of the oldest unfinished job.
const AHEAD: usize = 1024;
/// Results that a thread holds back at most: as many as leave the others room to run ahead, within these bounds.
const BATCH: Range<usize> = 32..128;

/// Results of one thread on their way to the one that delivers them.
pub(super) struct Outbox<'a, R> {
    ready: Vec<(usize, R)>,
    batch: usize,
    send: &'a dyn Fn(Vec<(usize, R)>),
}

impl<'a, R> Outbox<'a, R> {
    fn new(threads: usize, send: &'a dyn Fn(Vec<(usize, R)>)) -> Self {
        let share = AHEAD.div_ceil(4).div_ceil(threads.max(1));
        Outbox { ready: Vec::new(), batch: share.clamp(BATCH.start, BATCH.end), send }
    }
    /// Takes the result of a job.
    pub(super) fn put(&mut self, index: usize, result: R) {
        self.ready.push((index, result));
        if self.ready.len() >= self.batch {
            self.flush();
        }
    }
    /// Sends what is held back. Call before anything that takes long, or waits.
    pub(super) fn flush(&mut self) {
        if !self.ready.is_empty() {
            (self.send)(std::mem::take(&mut self.ready));
        }
    }
}

/// A job after its first step.
#[derive(Debug)]
pub enum Prepared<S, C, R> {
    /// `source` is to be read as `plan` says; `carry` comes back with it.
    Hash {
        /// What to read.
        source: S,
        /// What to compute.
        plan: Plan,
        /// What the last step needs to know.
        carry: C,
    },
    /// Nothing to read: this is the result already.
    Done(R),
}

/// Runs every job through `prepare`, one pass over its source, and `complete`, on the threads of `pool`; hands the
/// results to `deliver` on the calling thread, in the order of `jobs`. Stops early when `deliver` breaks or the watch
/// says so, and then returns `Break`; a job that was already being read is then given [`PassError::Cancelled`].
pub fn many<J, S, C, R>(
    pool: &Pool,
    jobs: impl Iterator<Item = J> + Send,
    prepare: impl Fn(J) -> Prepared<S, C, R> + Sync,
    complete: impl Fn(C, S, Result<Passed, PassError>) -> R + Sync,
    watch: &dyn Watch,
    mut deliver: impl FnMut(R) -> ControlFlow<()>,
) -> ControlFlow<()>
where
    J: Send,
    S: ReadAt,
    C: Send,
    R: Send,
{
    let stop = AtomicBool::new(false);
    let mut worker = Worker {
        prepare: &prepare,
        complete: &complete,
        watch,
        stop: &stop,
        kernels: Kernels::detected(),
        parallel: false,
    };
    #[cfg(feature = "parallel")]
    if let Some(threads) = pool.rayon() {
        worker.parallel = true;
        parallel::many(threads, jobs, &worker, &mut deliver);
        return flow(&stop);
    }
    let _ = (pool, &mut worker);
    let jobs = RefCell::new(jobs.enumerate().peekable());
    let delivered = Cell::new(0);
    let order = RefCell::new((Order::default(), &mut deliver));
    let next = |_: bool| {
        let mut jobs = jobs.borrow_mut();
        match jobs.peek() {
            _ if stop.load(Ordering::Relaxed) => return Next::End,
            Some((index, _)) if *index >= delivered.get() + AHEAD => return Next::Later,
            _ => {}
        }
        if watch.cancelled() {
            stop.store(true, Ordering::Relaxed);
            return Next::End;
        }
        match jobs.next() {
            Some((index, job)) => Next::Job { index, job, last: jobs.peek().is_none() },
            None => Next::End,
        }
    };
    let send = |results: Vec<(usize, R)>| {
        let (order, deliver) = &mut *order.borrow_mut();
        for (index, result) in results {
            delivered.set(order.put(index, result, &stop, deliver));
        }
    };
    worker.work(next, &Cuts::new(), Outbox::new(1, &send));
    flow(&stop)
}

fn flow(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Results that wait for an earlier one.
struct Order<R> {
    waiting: BTreeMap<usize, R>,
    delivered: usize,
}

impl<R> Default for Order<R> {
    fn default() -> Self {
        Order { waiting: BTreeMap::new(), delivered: 0 }
    }
}

impl<R> Order<R> {
    /// Takes a result and delivers those whose turn it is, until `deliver` breaks. Returns how many had their turn.
    fn put(
        &mut self,
        index: usize,
        result: R,
        stop: &AtomicBool,
        deliver: &mut impl FnMut(R) -> ControlFlow<()>,
    ) -> usize {
        self.waiting.insert(index, result);
        while let Some(result) = self.waiting.remove(&self.delivered) {
            self.delivered += 1;
            if !stop.load(Ordering::Relaxed) && deliver(result).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        self.delivered
    }
}

#[cfg(feature = "parallel")]
mod parallel {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread begin a job only if it is not too far ahead of what was delivered.
    struct Gate<'a> {
        delivered: AtomicUsize,
        /// How many threads wait.
        waiting: Mutex<usize>,
        moved: Condvar,
        stop: &'a AtomicBool,
    }

    impl Gate<'_> {
        fn is_open(&self, index: usize) -> bool {
            let delivered = self.delivered.load(Ordering::Acquire);
            index < delivered.saturating_add(AHEAD) || self.stop.load(Ordering::Relaxed)
        }
        /// Waits for the turn of job `index`.
        fn wait(&self, index: usize) {
            let mut waiting = lock(&self.waiting);
            *waiting += 1;
            while !self.is_open(index) {
                waiting = self.moved.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            *waiting -= 1;
        }
        fn delivered(&self, count: usize) {
            self.delivered.store(count, Ordering::Release);
            self.wake();
        }
        fn close(&self) {
            self.stop.store(true, Ordering::Relaxed);
            self.wake();
        }
        fn wake(&self) {
            // who is about to wait holds this between looking and waiting, and so hears the call
            if *lock(&self.waiting) > 0 {
                self.moved.notify_all();
            }
        }
    }

    /// Closes the gate if a job panics, so that the others do not wait for its result for ever.
    struct CloseOnPanic<'a>(&'a Gate<'a>);
    impl Drop for CloseOnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.close();
            }
        }
    }

    pub(super) fn many<J, S, C, R, P, F>(
        threads: &rayon::ThreadPool,
        jobs: impl Iterator<Item = J> + Send,
        worker: &Worker<'_, P, F>,
        deliver: &mut impl FnMut(R) -> ControlFlow<()>,
    ) where
        J: Send,
        S: ReadAt,
        C: Send,
        R: Send,
        P: Fn(J) -> Prepared<S, C, R> + Sync,
        F: Fn(C, S, Result<Passed, PassError>) -> R + Sync,
    {
        let gate =
            Gate { delivered: AtomicUsize::new(0), waiting: Mutex::new(0), moved: Condvar::new(), stop: worker.stop };
        let jobs = Mutex::new(jobs.enumerate().peekable());
        let next = |wait: bool| {
            let mut queue = lock(&jobs);
            loop {
                if gate.stop.load(Ordering::Relaxed) {
                    return Next::End;
                }
                if worker.watch.cancelled() {
                    gate.close();
                    return Next::End;
                }
                let Some((index, _)) = queue.peek() else { return Next::End };
                let index = *index;
                if gate.is_open(index) {
                    break;
                }
                if !wait {
                    return Next::Later;
                }
                drop(queue);
                gate.wait(index);
                queue = lock(&jobs);
            }
            match queue.next() {
                Some((index, job)) => Next::Job { index, job, last: queue.peek().is_none() },
                None => Next::End,
            }
        };
        let cuts = Cuts::new();
        let (sender, results) = mpsc::channel();
        // Handed out one per thread, so that the channel closes when the last thread is done.
        let count = threads.current_num_threads();
        let senders = Mutex::new(vec![sender; count]);
        threads.in_place_scope(|scope| {
            // A broadcast gives each thread exactly one of these loops. As plain tasks, a thread that waits for a part
            // of its own hash could pick up a second loop and not come back before that one ends.
            scope.spawn_broadcast(|_, _| {
                let Some(sender) = lock(&senders).pop() else { return };
                let _guard = CloseOnPanic(&gate);
                // nobody listens any more where a job has panicked
                let send = |results| drop(sender.send(results));
                worker.work(next, &cuts, Outbox::new(count, &send));
            });
            let mut order = Order::default();
            for batch in results {
                let mut count = 0;
                for (index, result) in batch {
                    count = order.put(index, result, gate.stop, deliver);
                }
                gate.delivered(count);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digests, Hasher, Sharding, confirmed, pass};

    fn bytes(job: usize) -> Vec<u8> {
        let len = if job % 997 == 500 { 1_500_000 } else { job * 37 % 3000 };
        (0..len).map(|i| (i * 31 + i / 251 + job) as u8).collect()
    }

    fn expected(job: usize) -> Digests {
        let bytes = bytes(job);
        let mut hasher = Hasher::new(&ALGORITHMS, Some(bytes.len() as u64)).unwrap();
        hasher.update(&bytes);
        hasher.finish()
    }

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Blake3];

    fn prepare(job: usize) -> Prepared<Vec<u8>, usize, (usize, Option<Digests>)> {
        if job % 10 == 3 {
            return Prepared::Done((job, None));
        }
        Prepared::Hash {
            source: bytes(job),
            plan: Plan { algorithms: ALGORITHMS.to_vec(), ..Plan::default() },
            carry: job,
        }
    }

    fn complete(job: usize, _: Vec<u8>, passed: Result<Passed, PassError>) -> (usize, Option<Digests>) {
        (job, passed.ok().map(|passed| passed.digests))
    }

    #[test]
    fn results_are_right_and_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let mut next = 0;
            let flow = many(&Pool::new(threads).unwrap(), 0..3000, prepare, complete, &(), |(job, digests)| {
                assert_eq!(job, next);
                if job % 10 == 3 {
                    assert!(digests.is_none());
                } else if job % 7 == 0 {
                    assert_eq!(digests.unwrap(), expected(job));
                }
                next += 1;
                ControlFlow::Continue(())
            });
            assert_eq!((flow, next), (ControlFlow::Continue(()), 3000));
        }
    }

    type Carry = (usize, Plan);

    /// Sources as shards, as whole files, and as both, mixed.
    fn sharded(job: usize) -> Prepared<Vec<u8>, Carry, (Carry, Result<Passed, PassError>)> {
        let algorithm = [Algorithm::Sha256, Algorithm::Sha256, Algorithm::Blake3][job % 3];
        let size = [64, 100, 1 << 10, 1 << 16, 0][job % 5];
        let end = [u64::MAX, u64::MAX, 1000, 0][job / 7 % 4];
        let shards = if job % 11 == 6 { Vec::new() } else { vec![Sharding { algorithm, size, end }] };
        let algorithms = if job % 4 == 2 { vec![Algorithm::Sha256] } else { Vec::new() };
        let plan = Plan { algorithms, shards, ..Plan::default() };
        Prepared::Hash { source: bytes(job), plan: plan.clone(), carry: (job, plan) }
    }

    #[test]
    fn shards_are_the_same_on_every_path() {
        for kernels in Kernels::paths() {
            for threads in [1, 2, 5] {
                let mut next = 0;
                let complete = |carry: Carry, _, passed| (carry, passed);
                let pool = Pool::new(threads).unwrap();
                let flow = kernels.forced(|| {
                    many(&pool, 0..600, sharded, complete, &(), |((job, plan), passed)| {
                        assert_eq!(job, next);
                        next += 1;
                        let plain = pass(&bytes(job), &plan, &Pool::single(), &()).unwrap();
                        let passed = passed.unwrap();
                        assert_eq!(Passed { side_by_side: false, ..passed }, plain, "{job} {kernels:?} on {threads}");
                        ControlFlow::Continue(())
                    })
                });
                assert_eq!((flow, next), (ControlFlow::Continue(()), 600));
            }
        }
    }

    /// Where the source of an odd job fails.
    struct Breaks(Vec<u8>, Option<u64>);
    impl ReadAt for Breaks {
        fn len(&self) -> u64 {
            ReadAt::len(&self.0)
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            match self.1 {
                Some(at) if at >= offset && at < offset + buf.len() as u64 => Err(std::io::Error::other("as planned")),
                _ => self.0.read_at(offset, buf),
            }
        }
    }

    #[test]
    fn a_shard_that_cannot_be_read_fails_its_file_and_no_other() {
        for threads in [1, 3] {
            let prepare = |job: usize| Prepared::Hash {
                source: Breaks(vec![7; 100_000], (job % 2 == 1).then_some(50_000)),
                plan: Plan {
                    shards: vec![Sharding { algorithm: Algorithm::Sha256, size: 1000, end: u64::MAX }],
                    ..Plan::default()
                },
                carry: job,
            };
            let complete = |job: usize, _, passed: Result<Passed, PassError>| (job, passed);
            let mut count = 0;
            let _ = many(&Pool::new(threads).unwrap(), 0..40, prepare, complete, &(), |(job, passed)| {
                count += 1;
                match passed {
                    Ok(passed) => assert_eq!((job % 2, passed.shards[0].digests.len()), (0, 100)),
                    Err(PassError::Io(error)) => assert_eq!((job % 2, error.to_string().as_str()), (1, "as planned")),
                    Err(error) => panic!("{error}"),
                }
                ControlFlow::Continue(())
            });
            assert_eq!(count, 40);
        }
    }

    #[test]
    fn what_a_wrong_kernel_says_is_computed_again() {
        for kernels in Kernels::paths() {
            let sharding = Sharding { algorithm: Algorithm::Sha256, size: 640, end: u64::MAX };
            let plans = [
                Plan { algorithms: vec![Algorithm::Sha256], ..Plan::default() },
                Plan { shards: vec![sharding], ..Plan::default() },
            ];
            let wrong = std::cell::Cell::new(0);
            let prepare = |job: usize| {
                let bytes: Vec<u8> = (0..64_000_usize).map(|i| (i * 31 + job) as u8).collect();
                Prepared::Hash { source: bytes, plan: plans[job % 2].clone(), carry: plans[job % 2].clone() }
            };
            let flow = kernels.with_swapped(0, 1).forced(|| {
                let complete = |plan: Plan, source: Vec<u8>, passed: Result<Passed, PassError>| {
                    let right = pass(&source, &plan, &Pool::single(), &()).unwrap();
                    let differs =
                        |passed: &Passed| (&passed.digests, &passed.shards) != (&right.digests, &right.shards);
                    let passed = passed.unwrap();
                    let before = differs(&passed);
                    (before, differs(&confirmed(&source, &plan, passed, differs).unwrap()))
                };
                many(&Pool::single(), 0..20, prepare, complete, &(), |(before, after)| {
                    wrong.set(wrong.get() + usize::from(before));
                    assert!(!after, "{kernels:?}");
                    ControlFlow::Continue(())
                })
            });
            assert!(flow.is_continue());
            assert_eq!(wrong.get() > 0, kernels.any(), "{kernels:?}: {} of 20", wrong.get());
        }
    }

    #[test]
    fn stops_when_told() {
        for threads in [1, 3] {
            let mut seen = 0;
            let flow = many(&Pool::new(threads).unwrap(), 0.., prepare, complete, &(), |_| {
                seen += 1;
                if seen == 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!((flow, seen), (ControlFlow::Break(()), 50));
        }
    }

    #[test]
    fn a_panic_comes_out_and_nothing_hangs() {
        let pool = Pool::new(2).unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let prepare = |job: usize| if job == 5 { panic!("as planned") } else { prepare(job) };
            many(&pool, 0..100_000, prepare, complete, &(), |_| ControlFlow::Continue(()))
        }));
        assert!(caught.is_err());
    }
}
