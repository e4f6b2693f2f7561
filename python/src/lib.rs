//! The native half of the Python package: it takes plain values, does the work on a thread that holds no GIL, and returns
//! reports in their wire form. What users see is the Python in `mverify/`.
//!
//! Fork and threads: each call makes its own pool and drops it, so nothing of a pool is left for a fork to inherit. Nothing
//! is mapped that somebody else could shrink, so no signal handler is installed.
#![deny(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use pyo3::prelude::*;

mod fill;
mod handle;
mod memory;
mod options;
mod raise;
mod run;
mod snapshot;
mod tensors;

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::fill::read_tensors;
    #[pymodule_export]
    use super::handle::{Handle, open};
    #[pymodule_export]
    use super::snapshot::{Snapshot, snapshot};
    #[pymodule_export]
    use super::tensors::{Tensors, open_tensors};
    #[pymodule_export]
    use super::{check, check_bytes, validate};
}

/// Checks a file, or every file under a directory; returns the report as JSON.
#[pyfunction]
fn check(py: Python<'_>, path: std::path::PathBuf, options: options::Options) -> PyResult<String> {
    let paths = [path];
    let work = run::Work::new(&options, &paths)?;
    let report = run::watched(py, options.progress.as_ref(), &work, |watch| work.check(&paths, watch))?;
    report.map(|report| raise::json(&report)).map_err(|error| raise::error(py, &error))?
}

/// Checks bytes that are in memory already, and cannot change; returns the report as JSON.
#[pyfunction]
fn check_bytes(
    py: Python<'_>,
    name: String,
    bytes: pyo3::pybacked::PyBackedBytes,
    options: options::Options,
) -> PyResult<String> {
    let work = run::Work::new(&options, &[])?;
    let artifact = run::watched(py, options.progress.as_ref(), &work, |_| work.verifier.verify_bytes(&name, &bytes))?;
    let mut report = mverify::Report::default();
    report.push(artifact);
    raise::json(&report)
}

/// Raises `UsageError` where these options cannot be used.
#[pyfunction]
fn validate(options: options::Options) -> PyResult<()> {
    drop(options.keeping()?);
    options.demands(1, &mverify::scan::Stop::default()).map(drop)
}
