//! Tensors of a safetensors file, verified whole or proven one at a time.

use crate::options::Options;
use crate::raise;
use crate::run::kept;
use mverify::loader::{self, Mode, VerifiedTensors};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The tensors of a file. Its methods raise `ValueError` once it is closed.
#[pyclass(frozen, module = "mverify._native")]
pub struct Tensors {
    tensors: Mutex<Option<Arc<VerifiedTensors>>>,
    keeping: loader::Options,
}

/// Opens the tensors of a safetensors file; raises `Rejected` or `NotProven` where it is not proven.
#[pyfunction]
pub fn open_tensors(py: Python<'_>, path: PathBuf, options: Options) -> PyResult<Tensors> {
    let keeping = options.keeping()?;
    let tensors = kept(py, &path, &options, |verifier, watch| loader::open_tensors(verifier, &path, &keeping, watch))?;
    Ok(Tensors { tensors: Mutex::new(Some(Arc::new(tensors))), keeping })
}

impl Tensors {
    /// The tensors, which live on while somebody reads them in another thread.
    fn held(&self) -> PyResult<Arc<VerifiedTensors>> {
        let held = self.tensors.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| PyValueError::new_err("the verified file is closed"))
    }
}

#[pymethods]
impl Tensors {
    /// Where loaders find the file; None where tensors are handed out one at a time: they are proven so, or loaders would map
    /// what may change once the lease is lost.
    fn path(&self) -> PyResult<Option<PathBuf>> {
        let tensors = self.held()?;
        Ok(tensors.file().filter(|file| file.mode() != Mode::Lease).map(|file| file.path().to_owned()))
    }
    /// Names, in the order of the file.
    fn names(&self) -> PyResult<Vec<String>> {
        let tensors = self.held()?;
        let start = |name: &&str| tensors.info(name).map(|info| info.range.start);
        let mut names: Vec<&str> = tensors.names().collect();
        names.sort_by_key(start);
        Ok(names.into_iter().map(str::to_owned).collect())
    }
    /// `__metadata__` of the header.
    fn metadata(&self) -> PyResult<Vec<(String, String)>> {
        Ok(self.held()?.metadata().to_vec())
    }
    /// A descriptor of a safetensors file with this tensor alone, proven and sealed; the caller closes it.
    fn sealed(&self, py: Python<'_>, name: &str) -> PyResult<i32> {
        let tensors = self.held()?;
        let made = py.detach(|| tensors.sealed(name, &self.keeping));
        made.map(IntoRawFd::into_raw_fd).map_err(|error| raise::refused(py, &error))
    }
    /// Ranges of bytes that were proven so far.
    fn proven(&self) -> PyResult<Vec<(u64, u64)>> {
        Ok(self.held()?.proven().into_iter().map(|range| (range.start, range.end)).collect())
    }
    /// The report, as JSON.
    fn report(&self) -> PyResult<String> {
        let tensors = self.held()?;
        tensors.report().map_or_else(|| Err(PyValueError::new_err("there is no report")), raise::json)
    }
    /// Raises `NotProven` if the bytes may have changed since they were verified (only in mode lease).
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.held()?.settle().map_err(|error| raise::refused(py, &error))
    }
    /// Gives everything back.
    fn close(&self, py: Python<'_>) {
        let held = self.tensors.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(held));
    }
}
