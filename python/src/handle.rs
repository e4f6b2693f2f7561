//! A verified file, held open for a loader.

use crate::options::Options;
use crate::raise;
use crate::run::kept;
use mverify::loader::{self, VerifiedFile};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A verified file. Its methods raise `ValueError` once it is closed.
#[pyclass(frozen, module = "mverify._native")]
pub struct Handle(Mutex<Option<Arc<VerifiedFile>>>);

/// Opens a file for loading; raises `Rejected` or `NotProven` where it is not proven.
#[pyfunction]
pub fn open(py: Python<'_>, path: PathBuf, options: Options) -> PyResult<Handle> {
    let keeping = options.keeping()?;
    let file = kept(py, &path, &options, |verifier, watch| loader::open(verifier, &path, &keeping, watch))?;
    Ok(Handle(Mutex::new(Some(Arc::new(file)))))
}

impl Handle {
    /// The file, which lives on while somebody reads it in another thread.
    fn file_held(&self) -> PyResult<Arc<VerifiedFile>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| PyValueError::new_err("the verified file is closed"))
    }
}

#[pymethods]
impl Handle {
    /// A path that leads to the verified bytes while this is open.
    fn path(&self) -> PyResult<PathBuf> {
        Ok(self.file_held()?.path().to_owned())
    }
    /// The descriptor, which this keeps.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.file_held()?.as_fd().as_raw_fd())
    }
    /// A descriptor of its own, at the start, which the caller closes; inherited by children where `inheritable`.
    fn descriptor(&self, inheritable: bool) -> PyResult<i32> {
        let file = self.file_held()?;
        let opened = if inheritable { file.share() } else { file.file().map(Into::into) };
        opened.map(IntoRawFd::into_raw_fd).map_err(PyErr::from)
    }
    /// All bytes, copied.
    fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.file_held()?;
        let len = usize::try_from(file.len())?;
        PyBytes::new_with(py, len, |out| py.detach(|| file.read_at(0, out)).map_err(PyErr::from))
    }
    /// The report, as JSON.
    fn report(&self) -> PyResult<String> {
        raise::json(self.file_held()?.report())
    }
    /// Raises `NotProven` if the bytes may have changed since they were verified (only in mode lease).
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.file_held()?.settle().map_err(|error| raise::refused(py, &error))
    }
    /// Gives everything back.
    fn close(&self, py: Python<'_>) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(held)); // may remove a copy
    }
}
