//! Pickle streams: an abstract CPython unpickler that runs nothing, over symbolic values.
//!
//! Knows nothing of files: it gets bytes and reports into a [`Scan`].
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

mod array;
mod constant;
mod cost;
pub mod globals;
mod held;
mod inside;
mod judge;
pub mod lexer;
mod machine;
mod memo;
mod names;
pub mod opcode;
mod shape;
mod storage;
mod stream;
mod text;
mod value;

pub use storage::item_bytes;

use crate::scan::{Scan, Settings};

/// Who will read the stream, which decides about persistent ids and raw bytes between opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `pickle.load` and everything built on it (joblib and numpy included: their wrappers are recognised).
    Plain,
    /// `data.pkl` of a torch zip: persistent ids are 5-tuples that name records.
    TorchZip,
    /// The fourth pickle of a torch legacy file: persistent ids are 6-tuples.
    TorchLegacy,
}

/// A storage that a stream refers to by persistent id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRef {
    /// Record name under `data/`, or legacy key.
    pub key: String,
    /// Storage class, as in `FloatStorage`.
    pub class: String,
    /// Bytes per element; `None` for a class we do not know.
    pub item_bytes: Option<u64>,
    /// Number of elements.
    pub numel: u64,
    /// Offset of the opcode that names it.
    pub offset: u64,
}

/// What one stream holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes up to and including STOP (or to where reading ended).
    pub consumed: u64,
    /// True if STOP was reached without a malformation.
    pub complete: bool,
    /// Storages, in order of first mention.
    pub storages: Vec<StorageRef>,
    /// True if something was called, constructed or filled.
    pub executed: bool,
    /// Globals as `module.qualname`, in order of first mention, without repeats.
    pub globals: Vec<String>,
}

/// Runs one stream from the start of `bytes` and reports what it would import, call and build. `base` is the offset of
/// `bytes` in the current member, added to every offset that is reported. Bytes behind STOP are not looked at.
pub fn check(bytes: &[u8], base: u64, dialect: Dialect, scan: &mut Scan<'_>) -> Summary {
    stream::run(bytes, base, dialect, 0, scan)
}

/// Runs a whole file of raw pickles: every stream in it, and what lies between and behind them. The summary covers all
/// streams and is complete if each of them was.
pub fn check_file(bytes: &[u8], scan: &mut Scan<'_>) -> Summary {
    stream::run_file(bytes, scan)
}

/// True if a loader would take `bytes` for a pickle: they run to STOP, or name a global or execute something before they
/// break. Protocols 0 and 1 have no magic number and are plain text, so prose is told apart by running it; the cost is
/// bounded by a mebibyte.
pub fn plausible(bytes: &[u8]) -> bool {
    let settings = Settings::default();
    stream::plausible(bytes, &Scan::new(&settings))
}

#[cfg(test)]
mod tests;
