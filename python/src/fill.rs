//! A safetensors file, read and verified in the memory that its tensors then use.

use crate::memory::Memory;
use crate::options::Options;
use crate::raise;
use crate::run::{Work, watched};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Where the data of the tensors begins in memory, in bytes: what every element type and cache line is content with.
const ALIGNMENT: u64 = 64;

/// Name, element type, shape and place in memory of a tensor.
type Place = (String, &'static str, Vec<u64>, u64, u64);

/// Reads a file into memory that `make(size)` makes, and verifies it there. Returns the memory and the tensors in it.
#[pyfunction]
pub fn read_tensors(
    py: Python<'_>,
    path: PathBuf,
    make: Bound<'_, PyAny>,
    options: Options,
) -> PyResult<(Py<PyAny>, Vec<Place>)> {
    let keeping = options.keeping()?;
    let work = Work::new(&options, std::slice::from_ref(&path))?;
    let reading = work.verifier.read_into_memory(&path, &keeping).map_err(|error| raise::refused(py, &error))?;
    // asked once: somebody may be writing to the file
    let start = reading.data_start();
    let skip = start.next_multiple_of(ALIGNMENT) - start;
    let size = usize::try_from(reading.len() + skip)?;
    let (object, keeper, address): (Py<PyAny>, Py<PyAny>, usize) = make.call1((size,))?.extract()?;
    let mut memory = Memory::of(keeper, address, size)?;
    let filled = watched(py, options.progress.as_ref(), &work, |watch| {
        let bytes = memory.bytes().get_mut(usize::try_from(skip).unwrap_or(usize::MAX)..).unwrap_or_default();
        reading.fill(bytes, work.threads, watch)
    })?;
    let filled = filled.map_err(|error| raise::refused(py, &error))?;
    let places = filled
        .tensors
        .into_iter()
        .map(|tensor| (tensor.name, tensor.dtype, tensor.shape, tensor.range.start + skip, tensor.range.end + skip));
    Ok((object, places.collect()))
}
