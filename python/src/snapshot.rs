//! A verified copy of a directory, held for a loader.

use crate::options::Options;
use crate::raise;
use crate::run::kept;
use mverify::loader;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A verified copy. Its methods raise `ValueError` once it is closed.
#[pyclass(frozen, module = "mverify._native")]
pub struct Snapshot(Mutex<Option<loader::Snapshot>>);

/// Copies a directory and verifies the copy; raises `Rejected` or `NotProven` where it is not proven.
#[pyfunction]
pub fn snapshot(py: Python<'_>, path: PathBuf, options: Options) -> PyResult<Snapshot> {
    let keeping = options.keeping()?;
    let made = kept(py, &path, &options, |verifier, watch| loader::snapshot(verifier, &path, &keeping, watch))?;
    Ok(Snapshot(Mutex::new(Some(made))))
}

impl Snapshot {
    fn ask<T>(&self, ask: impl FnOnce(&loader::Snapshot) -> PyResult<T>) -> PyResult<T> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map_or_else(|| Err(PyValueError::new_err("the snapshot is closed")), ask)
    }
}

#[pymethods]
impl Snapshot {
    /// The directory.
    fn path(&self) -> PyResult<PathBuf> {
        self.ask(|made| Ok(made.path().to_owned()))
    }
    /// The report, as JSON.
    fn report(&self) -> PyResult<String> {
        self.ask(|made| raise::json(made.report()))
    }
    /// Removes the copy.
    fn close(&self, py: Python<'_>) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(held));
    }
}
