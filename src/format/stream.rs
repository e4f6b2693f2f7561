//! Numbers and strings read from the front of a file whose header has no stated length.
//!
//! Every byte is copied out once, in blocks, and at most one block plus one string is held. Lengths are compared with
//! what is left of the file before anything is allocated. Threat: lengths and counts that are made to overflow.

use crate::source::View;
use std::io;

/// Bytes fetched at a time.
const BLOCK: u64 = 1 << 18;

/// A reader that only goes forward.
pub struct Stream<'a> {
    view: View<'a>,
    block: Vec<u8>,
    /// Bytes of `block` that were read.
    used: usize,
    /// Offset of the end of `block` in the file.
    fetched: u64,
    big_endian: bool,
}

impl<'a> Stream<'a> {
    /// A reader from the start of `view`, little-endian.
    pub fn new(view: View<'a>) -> Self {
        Stream { view, block: Vec::new(), used: 0, fetched: 0, big_endian: false }
    }
    /// Reads numbers big-endian from here on.
    pub fn big_endian(&mut self) {
        self.big_endian = true;
    }
    /// The file that is read.
    pub fn view(&self) -> View<'a> {
        self.view
    }
    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.fetched.saturating_sub(self.rest())
    }
    /// Bytes to the end of the file.
    pub fn left(&self) -> u64 {
        self.view.len().saturating_sub(self.position())
    }
    fn rest(&self) -> u64 {
        u64::try_from(self.block.len().saturating_sub(self.used)).unwrap_or(0)
    }

    /// The next `n` bytes; `UnexpectedEof` if there are fewer.
    pub fn bytes(&mut self, n: u64) -> io::Result<&[u8]> {
        self.fetch(n)?;
        let begin = self.used;
        let n = usize::try_from(n).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.used = begin.saturating_add(n);
        self.block.get(begin..self.used).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next `n` bytes, which stay the next.
    pub fn peek(&mut self, n: u64) -> io::Result<&[u8]> {
        self.fetch(n)?;
        let n = usize::try_from(n).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let end = self.used.saturating_add(n);
        self.block.get(self.used..end).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Has `n` bytes in the block.
    fn fetch(&mut self, n: u64) -> io::Result<()> {
        if n > self.left() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if n > self.rest() {
            self.block.drain(..self.used);
            self.used = 0;
            let missing = n.saturating_sub(self.rest());
            let end = self.fetched.saturating_add(missing.max(BLOCK)).min(self.view.len());
            self.block.extend_from_slice(&self.view.copy(self.fetched..end)?);
            self.fetched = end;
        }
        Ok(())
    }

    /// Steps to the next `byte`; `UnexpectedEof` if there is none.
    pub fn skip_to(&mut self, byte: u8) -> io::Result<()> {
        loop {
            self.fetch(1)?;
            let rest = self.block.get(self.used..).unwrap_or_default();
            if let Some(at) = memchr::memchr(byte, rest) {
                self.used = self.used.saturating_add(at);
                return Ok(());
            }
            self.used = self.block.len();
        }
    }

    /// Steps over `n` bytes without fetching those that are not fetched yet.
    pub fn skip(&mut self, n: u64) -> io::Result<()> {
        if n > self.left() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if n <= self.rest() {
            self.used = self.used.saturating_add(usize::try_from(n).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.fetched = self.position().saturating_add(n);
        self.block.clear();
        self.used = 0;
        Ok(())
    }

    /// One byte.
    pub fn u8(&mut self) -> io::Result<u8> {
        self.array().map(|[byte]| byte)
    }
    /// Two bytes.
    pub fn u16(&mut self) -> io::Result<u16> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
    /// Four bytes.
    pub fn u32(&mut self) -> io::Result<u32> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
    /// Eight bytes.
    pub fn u64(&mut self) -> io::Result<u64> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let n = u64::try_from(N).unwrap_or(u64::MAX);
        self.bytes(n)?.first_chunk().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_blocks_and_skips() {
        let data: Vec<u8> = (0..3 * BLOCK as usize).map(|i| (i % 251) as u8).collect();
        let mut stream = Stream::new(View::new(&data));
        assert_eq!(stream.u32().unwrap(), u32::from_le_bytes([0, 1, 2, 3]));
        let far = stream.bytes(BLOCK + 10).unwrap().to_vec();
        assert_eq!(far, data[4..4 + BLOCK as usize + 10]);
        stream.skip(BLOCK).unwrap();
        let at = stream.position() as usize;
        assert_eq!(stream.bytes(1).unwrap(), [data[at]]);
        assert!(stream.bytes(u64::MAX).is_err() && stream.skip(u64::MAX).is_err());
        let left = stream.left();
        stream.skip(left).unwrap();
        assert_eq!((stream.left(), stream.u32().is_err()), (0, true));
    }
}
