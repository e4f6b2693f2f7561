//! Work without the GIL that Ctrl-C ends and progress is told of: it runs on a thread of its own, and the calling thread
//! waits, looks for signals and calls back.

use crate::options::{Demands, Options};
use crate::raise;
use mverify::digest::Watch;
use mverify::loader::LoadError;
use mverify::scan::Stop;
use mverify::verifier::Verifier;
use mverify::walk::walk;
use mverify::{Error, Report};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two looks for signals.
const TICK: Duration = Duration::from_millis(40);

/// Files below this many bytes are hashed sooner than threads are started.
const SMALL: u64 = 4 << 20;

/// Most threads of one call where the caller does not say: hashing more at once than this waits for the disk.
const MOST_THREADS: usize = 16;

/// A verifier, and the switch that ends its runs.
pub struct Work {
    /// The verifier.
    pub verifier: Verifier,
    /// Threads that this call may use.
    pub threads: usize,
    stop: Stop,
    timeout: Option<Duration>,
    one: bool,
}

impl Work {
    /// The work that `options` ask for on `paths`.
    pub fn new(options: &Options, paths: &[PathBuf]) -> PyResult<Work> {
        let small =
            paths.iter().all(|path| std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() < SMALL));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let stop = Stop::default();
        let threads = options.threads(if small { 1 } else { cores.min(MOST_THREADS) });
        let Demands { verifier, timeout } = options.demands(threads, &stop)?;
        Ok(Work { verifier, threads, stop, timeout, one: options.pins_one_file() })
    }

    /// The report on everything under `paths`.
    pub fn check(&self, paths: &[PathBuf], watch: &Progress) -> Result<Report, Error> {
        let mut items: Vec<_> = paths.iter().flat_map(|path| walk(path)).collect();
        if self.one && items.len() != 1 {
            return Err(Error::Usage(format!(
                "sha256 is the digest of one file, and there are {}; a directory is pinned with a lock",
                items.len()
            )));
        }
        let expected = self.verifier.gather(paths, &mut items);
        let mut report = Report::default();
        let flow = self.verifier.verify_items(items, &expected, watch, |artifact| {
            report.push(artifact);
            ControlFlow::Continue(())
        });
        report.summary.stopped |= flow.is_break();
        Ok(report)
    }
}

/// Counts what was read.
#[derive(Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    stop: Stop,
}

impl Watch for Progress {
    fn started(&self, _: usize, len: u64) {
        self.total.fetch_add(len, Relaxed);
    }
    fn advanced(&self, _: usize, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.stop.is_set()
    }
}

/// What a loader's call keeps of `path`; raises what it refuses.
pub fn kept<T: Send>(
    py: Python<'_>,
    path: &Path,
    options: &Options,
    keep: impl FnOnce(&Verifier, &Progress) -> Result<T, LoadError> + Send,
) -> PyResult<T> {
    let work = Work::new(options, &[path.to_owned()])?;
    let kept = watched(py, options.progress.as_ref(), &work, |watch| keep(&work.verifier, watch))?;
    kept.map_err(|error| raise::refused(py, &error))
}

/// What `run` returns. It runs without the GIL; a signal handler that raises, or a callback that does, ends it.
pub fn watched<T: Send>(
    py: Python<'_>,
    callback: Option<&Py<PyAny>>,
    work: &Work,
    run: impl FnOnce(&Progress) -> T + Send,
) -> PyResult<T> {
    let (stop, began) = (&work.stop, Instant::now());
    let progress = Progress { stop: stop.clone(), ..Progress::default() };
    let tell = |py: Python<'_>| -> PyResult<()> {
        match callback {
            Some(callback) => callback.call1(py, (progress.done.load(Relaxed), progress.total.load(Relaxed))).map(drop),
            None => Ok(()),
        }
    };
    py.detach(|| {
        std::thread::scope(|scope| {
            let (done, result) = mpsc::channel();
            let counted = &progress;
            let spawned = std::thread::Builder::new().name("mverify".to_owned()).spawn_scoped(scope, move || {
                // nobody listens any more where the caller panicked
                let _ = done.send(run(counted));
            });
            spawned.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
            loop {
                match result.recv_timeout(TICK) {
                    Ok(result) => {
                        // what nothing asked to read is done as well
                        progress.done.fetch_max(progress.total.load(Relaxed), Relaxed);
                        return Python::attach(tell).map(|()| result);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        if work.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
                            stop.now(); // what comes then says that it was stopped
                        }
                        let raised = Python::attach(|py| py.check_signals().and_then(|()| tell(py)));
                        if let Err(raised) = raised {
                            stop.now();
                            return Err(raised); // the scope waits for the thread, which ends soon
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(PyRuntimeError::new_err("a check of mverify itself failed"));
                    }
                }
            }
        })
    })
}
