//! Many sources over all threads, results in the order of the input.
//!
//! Each thread takes a job, prepares it (opens, scans), hashes it, completes it, and takes the next. Bound: one job per
//! thread in hand, and [`AHEAD`] results that wait for an earlier one.

use super::pass::{Buffers, Context, PassError, Passed, Plan, Watch, run};
use super::pool::Pool;
use crate::source::ReadAt;
use std::ops::ControlFlow;

/// How far results may run ahead of the oldest unfinished job.
#[cfg(feature = "parallel")]
const AHEAD: usize = 1024;

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
    S: ReadAt,
    R: Send,
{
    #[cfg(feature = "parallel")]
    if let Some(threads) = pool.rayon() {
        return parallel::many(threads, jobs, &prepare, &complete, watch, &mut deliver);
    }
    let _ = pool;
    let mut buffers = Buffers::default();
    for (index, job) in jobs.enumerate() {
        let context = Context { watch, job: index, stop: None };
        if context.go_on().is_err() {
            return ControlFlow::Break(());
        }
        deliver(one(job, &prepare, &complete, false, &mut buffers, &context))?;
    }
    ControlFlow::Continue(())
}

fn one<J, S: ReadAt, C, R>(
    job: J,
    prepare: &impl Fn(J) -> Prepared<S, C, R>,
    complete: &impl Fn(C, S, Result<Passed, PassError>) -> R,
    parallel: bool,
    buffers: &mut Buffers,
    context: &Context<'_>,
) -> R {
    match prepare(job) {
        Prepared::Done(result) => result,
        Prepared::Hash { source, plan, carry } => {
            let passed = run(&source, &plan, parallel, buffers, context);
            complete(carry, source, passed)
        }
    }
}

#[cfg(feature = "parallel")]
mod parallel {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread begin a job only if it is not too far ahead of what was delivered.
    struct Gate {
        delivered: Mutex<usize>,
        moved: Condvar,
        stop: AtomicBool,
    }

    impl Gate {
        /// Waits for the turn of job `index`; false if there will be none.
        fn pass(&self, index: usize) -> bool {
            let mut delivered = lock(&self.delivered);
            while index >= delivered.saturating_add(AHEAD) && !self.stop.load(Ordering::Relaxed) {
                delivered = self.moved.wait(delivered).unwrap_or_else(PoisonError::into_inner);
            }
            !self.stop.load(Ordering::Relaxed)
        }
        fn delivered(&self, count: usize) {
            *lock(&self.delivered) = count;
            self.moved.notify_all();
        }
        fn close(&self) {
            self.stop.store(true, Ordering::Relaxed);
            let _delivered = lock(&self.delivered);
            self.moved.notify_all();
        }
    }

    /// Closes the gate if a job panics, so that the others do not wait for its result for ever.
    struct CloseOnPanic<'a>(&'a Gate);
    impl Drop for CloseOnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.close();
            }
        }
    }

    pub(super) fn many<J, S: ReadAt, C, R: Send>(
        threads: &rayon::ThreadPool,
        jobs: impl Iterator<Item = J> + Send,
        prepare: &(impl Fn(J) -> Prepared<S, C, R> + Sync),
        complete: &(impl Fn(C, S, Result<Passed, PassError>) -> R + Sync),
        watch: &dyn Watch,
        deliver: &mut impl FnMut(R) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let gate = Gate { delivered: Mutex::new(0), moved: Condvar::new(), stop: AtomicBool::new(false) };
        let jobs = Mutex::new(jobs.enumerate());
        let (sender, results) = mpsc::channel();
        // Handed out one per thread, so that the channel closes when the last thread is done.
        let senders = Mutex::new(vec![sender; threads.current_num_threads()]);
        threads.in_place_scope(|scope| {
            // A broadcast gives each thread exactly one of these loops. As plain tasks, a thread that waits for a part
            // of its own hash could pick up a second loop and not come back before that one ends.
            scope.spawn_broadcast(|_, _| {
                let Some(sender) = lock(&senders).pop() else { return };
                let _guard = CloseOnPanic(&gate);
                let mut buffers = Buffers::default();
                loop {
                    let next = lock(&jobs).next();
                    let Some((index, job)) = next else { return };
                    let context = Context { watch, job: index, stop: Some(&gate.stop) };
                    if !gate.pass(index) || context.go_on().is_err() {
                        gate.close();
                        return;
                    }
                    let _ = sender.send((index, one(job, prepare, complete, true, &mut buffers, &context)));
                }
            });
            let mut waiting = BTreeMap::new();
            let mut count = 0;
            for (index, result) in results {
                waiting.insert(index, result);
                while let Some(result) = waiting.remove(&count) {
                    count += 1;
                    if !gate.stop.load(Ordering::Relaxed) && deliver(result).is_break() {
                        gate.close();
                    }
                }
                gate.delivered(count);
            }
        });
        if gate.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digests, Hasher};

    fn bytes(job: usize) -> Vec<u8> {
        let len = if job.is_multiple_of(97) { 3_000_000 } else { job * 37 % 5000 };
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
            plan: Plan { algorithms: ALGORITHMS.to_vec(), crcs: Vec::new() },
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
