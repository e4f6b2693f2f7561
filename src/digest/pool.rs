//! The threads that hashing may use.

use crate::error::Error;

/// A thread pool of its own, never the global one: a library in a forked process must not depend on threads that the
/// parent had. Without the feature `parallel` it is always one thread, the caller's.
#[derive(Debug)]
pub struct Pool {
    #[cfg(feature = "parallel")]
    threads: Option<rayon::ThreadPool>,
}

impl Pool {
    /// A pool of so many threads; 0 means one for each processor. One thread means the caller's own.
    pub fn new(threads: usize) -> Result<Pool, Error> {
        #[cfg(not(feature = "parallel"))]
        {
            let _ = threads;
            Ok(Pool {})
        }
        #[cfg(feature = "parallel")]
        {
            let threads = match threads {
                0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
                some => some,
            };
            if threads == 1 {
                return Ok(Pool::single());
            }
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|number| format!("mverify-{number}"))
                .build()
                .map(|pool| Pool { threads: Some(pool) })
                .map_err(|error| Error::Usage(format!("cannot start {threads} threads: {error}")))
        }
    }

    /// The caller's own thread and no other.
    pub fn single() -> Pool {
        Pool {
            #[cfg(feature = "parallel")]
            threads: None,
        }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        #[cfg(feature = "parallel")]
        return self.threads.as_ref().map_or(1, rayon::ThreadPool::current_num_threads);
        #[cfg(not(feature = "parallel"))]
        return 1;
    }

    #[cfg(feature = "parallel")]
    pub(super) fn rayon(&self) -> Option<&rayon::ThreadPool> {
        self.threads.as_ref()
    }
}
