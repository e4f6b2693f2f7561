//! Reading a stream as Python reads a file.

use super::stop::{Run, Stop, corrupt};

/// A stream that is read like a Python file: short at its end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// True if `bytes` is only the beginning of the file.
    window: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], window: bool) -> Self {
        Reader { bytes, at: 0, window }
    }
    pub fn position(&self) -> usize {
        self.at
    }
    /// Up to `n` bytes, fewer at the end.
    pub fn upto(&mut self, n: usize) -> Run<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if n > rest.len() && self.window {
            return Err(Stop::Window);
        }
        let read = rest.get(..n).unwrap_or(rest);
        self.at = self.at.saturating_add(read.len());
        Ok(read)
    }
    /// Exactly `N` bytes; `error` names what Python raises where there are fewer.
    pub fn exactly<const N: usize>(&mut self, error: &'static str) -> Run<[u8; N]> {
        self.upto(N)?.try_into().map_err(|_| corrupt(error))
    }
    pub fn byte(&mut self) -> Run<u8> {
        self.exactly::<1>("IndexError: index out of range: the file ends inside an opcode").map(u8::from_le_bytes)
    }
    /// A line without its last byte, as torch cuts it even where the line does not end.
    pub fn line(&mut self) -> Run<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = match memchr::memchr(b'\n', rest) {
            Some(end) => end.saturating_add(1),
            None if self.window => return Err(Stop::Window),
            None => rest.len(),
        };
        self.at = self.at.saturating_add(len);
        Ok(rest.get(..len.saturating_sub(1)).unwrap_or_default())
    }
}
