//! Memory that Python made, as bytes that Rust fills. The only unsafe code of the package.
#![allow(unsafe_code)]

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A writable, contiguous buffer that Python keeps alive and in place as long as this lives.
pub struct Memory(PyBuffer<u8>);

impl Memory {
    /// The memory of an object that nobody else uses: an anonymous mapping that `mverify/safetensors.py` has just made.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Memory> {
        let buffer = PyBuffer::<u8>::get(object)?;
        if buffer.readonly() || !buffer.is_c_contiguous() || buffer.buf_ptr().is_null() {
            return Err(PyValueError::new_err("memory to be filled is one piece that can be written to"));
        }
        Ok(Memory(buffer))
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the buffer is held by `self`, so the exporter may neither free nor move or resize these bytes; it says
        // that they are writable, contiguous and `len_bytes` long; a `u8` takes any content. Nobody else reads or writes
        // them meanwhile: the one caller of `of` passes an object that its own code made and has not yet given away.
        unsafe { std::slice::from_raw_parts_mut(self.0.buf_ptr().cast::<u8>(), self.0.len_bytes()) }
    }
}
