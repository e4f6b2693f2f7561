//! Memory that Python made, as bytes that Rust fills. The only unsafe code of the package: the stable interface of
//! Python 3.10 has no buffers, so the memory comes as an address.
#![allow(unsafe_code)]

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Writable memory that `keeper` keeps alive and in place.
pub struct Memory {
    address: usize,
    len: usize,
    /// A view of ctypes: as long as it lives, the mapping below can be neither closed nor resized.
    _keeper: Py<PyAny>,
}

impl Memory {
    /// Memory of `len` bytes at `address`, as `_make` of `mverify/_memory.py` makes it: an anonymous mapping that nobody
    /// else knows of.
    pub fn of(keeper: Py<PyAny>, address: usize, len: usize) -> PyResult<Memory> {
        if address == 0 || isize::try_from(len).is_err() || address.checked_add(len).is_none() {
            return Err(PyValueError::new_err("there is no such memory"));
        }
        Ok(Memory { address, len, _keeper: keeper })
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `_make` says where the mapping that it has just made lies, and maps at least `len` bytes for reading and
        // writing; the keeper, which lives as long as `self`, holds it there. A `u8` takes any content, and its alignment
        // is 1. Nobody else reads or writes the bytes while the slice lives: `_make` has given them to nobody, and the
        // slice borrows `self` mutably.
        unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(self.address), self.len) }
    }
}
