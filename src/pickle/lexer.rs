//! From bytes to opcodes, with every read checked against the end of the stream.
//!
//! Follows the C unpickler of CPython and watches where the pure-Python one would read something else: frames that are
//! straddled, left early or run past the end. Each byte is looked at once, so the cost is linear; nothing is allocated.
//! Threat: lengths that lie, texts without an end, and streams that two unpicklers cut into different opcodes.

use super::opcode::{self, Operand};

/// One opcode of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    /// Its code.
    pub code: u8,
    /// Offset of the code in the stream.
    pub at: usize,
    /// Its operand.
    pub arg: Arg<'a>,
}

/// The operand of an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// None.
    Nothing,
    /// A number.
    Int(i64),
    /// Counted bytes, or the eight bytes of a double.
    Data(&'a [u8]),
    /// A line without its last byte (which both unpicklers drop, newline or not).
    Line(&'a [u8]),
    /// Two such lines.
    Lines(&'a [u8], &'a [u8]),
}

/// Why a stream cannot be read on: every unpickler raises here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The stream ends inside an opcode or before STOP.
    Truncated,
    /// No opcode has this code.
    BadOpcode(u8),
    /// A count is negative or larger than any object can be.
    BadLength,
    /// A line that may not be empty is.
    EmptyLine,
}

/// Where two unpicklers part ways, in a few words.
pub type Divergence = &'static str;

/// Picklers end a frame only when it is so long, or before an argument that is: then the argument stands between frames.
/// Elsewhere a C unpickler that reads from a file and runs into the end of its buffer executes the bytes of an argument
/// as opcodes (cpython issue 154848).
const FRAME_TARGET: usize = 64 << 10;

/// True for an argument that picklers write between frames.
fn large(arg: &Arg<'_>) -> bool {
    matches!(arg, Arg::Data(data) if data.len() >= FRAME_TARGET)
}

/// A position in a stream.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    rest: &'a [u8],
    len: usize,
    /// Where the pure-Python unpickler's current frame ends; `usize::MAX` outside frames.
    frame_end: usize,
    /// Length of that frame, or of the last one.
    frame_len: usize,
    divergence: Option<Divergence>,
}

impl<'a> Lexer<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Lexer { rest: bytes, len: bytes.len(), frame_end: usize::MAX, frame_len: 0, divergence: None }
    }
    /// At `at`, outside any frame; at the end if there is no such place.
    pub fn starting_at(bytes: &'a [u8], at: usize) -> Self {
        Lexer { rest: bytes.get(at..).unwrap_or_default(), ..Lexer::new(bytes) }
    }
    /// Offset of the next byte.
    pub fn pos(&self) -> usize {
        self.len.saturating_sub(self.rest.len())
    }
    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// What the unpicklers disagreed about since this was last asked.
    pub fn divergence(&mut self) -> Option<Divergence> {
        self.divergence.take()
    }
    /// True if the pure-Python unpickler still holds unread bytes of a frame here.
    pub fn inside_frame(&self) -> bool {
        self.frame_end != usize::MAX && self.pos() < self.frame_end
    }
    /// Skips `n` bytes that are not opcodes; they must be there.
    pub fn skip(&mut self, n: usize) -> Result<&'a [u8], Defect> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Defect::Truncated)?;
        self.rest = rest;
        self.frame_end = usize::MAX;
        Ok(head)
    }

    /// The next opcode.
    #[inline]
    pub fn next_op(&mut self) -> Result<Op<'a>, Defect> {
        let at = self.pos();
        let behind_frame = self.frame_end <= at;
        let [code] = self.array()?;
        let arg = match opcode::operand(code) {
            Some(Operand::Nothing) => Arg::Nothing,
            Some(Operand::U1) => Arg::Int(i64::from(u8::from_le_bytes(self.array()?))),
            Some(Operand::U2) => Arg::Int(i64::from(u16::from_le_bytes(self.array()?))),
            Some(Operand::U4) => Arg::Int(i64::from(u32::from_le_bytes(self.array()?))),
            Some(Operand::I4) => Arg::Int(i64::from(i32::from_le_bytes(self.array()?))),
            Some(Operand::U8) => Arg::Int(self.frame()?),
            Some(Operand::F8) => Arg::Data(self.take(8)?),
            Some(Operand::Counted1) => {
                let n = u8::from_le_bytes(self.array()?);
                Arg::Data(self.take(usize::from(n))?)
            }
            Some(Operand::Counted4) => {
                let n = u32::from_le_bytes(self.array()?);
                Arg::Data(self.take(usize::try_from(n).map_err(|_| Defect::BadLength)?)?)
            }
            Some(Operand::SignedCounted4) => Arg::Data(self.signed_counted(code)?),
            Some(Operand::Counted8) => {
                let n = i64::from_le_bytes(self.array()?);
                Arg::Data(self.take(usize::try_from(n).map_err(|_| Defect::BadLength)?)?)
            }
            Some(Operand::Line) => Arg::Line(self.line()?),
            Some(Operand::TwoLines) => {
                let first = self.line()?;
                if first.is_empty() {
                    return Err(Defect::EmptyLine);
                }
                let second = self.line()?;
                if second.is_empty() {
                    return Err(Defect::EmptyLine);
                }
                Arg::Lines(first, second)
            }
            None => return Err(Defect::BadOpcode(code)),
        };
        if behind_frame && code != opcode::FRAME && self.frame_len < FRAME_TARGET && !large(&arg) {
            self.divergence = Some("opcodes stand behind the end of a short frame");
        }
        Ok(Op { code, at, arg })
    }

    /// LONG4 and BINSTRING. The C unpickler reads BINSTRING's count as unsigned, the Python one refuses it.
    fn signed_counted(&mut self, code: u8) -> Result<&'a [u8], Defect> {
        let count = u32::from_le_bytes(self.array()?);
        let n = usize::try_from(count).map_err(|_| Defect::BadLength)?;
        if i32::try_from(count).is_err() {
            if code == opcode::LONG4 || n > self.rest.len() {
                return Err(Defect::BadLength);
            }
            self.divergence = Some("a string length that is negative to one unpickler and huge to another");
        }
        self.take(n)
    }

    /// FRAME: its length must fit what is left for the C unpickler; the Python one cuts it off at the end.
    fn frame(&mut self) -> Result<i64, Defect> {
        let n = i64::from_le_bytes(self.array()?);
        let size = usize::try_from(n).map_err(|_| Defect::BadLength)?;
        if self.inside_frame() {
            self.divergence = Some("a frame begins inside another frame");
        }
        if size > self.rest.len() {
            self.divergence = Some("a frame is longer than the rest of the stream");
        }
        self.frame_end = self.pos().saturating_add(size);
        self.frame_len = size;
        Ok(n)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Defect> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(Defect::Truncated);
        };
        if self.frame_end != usize::MAX {
            self.watch_frame(n);
        }
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Defect::Truncated);
        };
        if self.frame_end != usize::MAX {
            self.watch_frame(N);
        }
        self.rest = rest;
        Ok(*head)
    }

    /// A line without its last byte. At the end of the stream the last byte is dropped even if it is no newline.
    fn line(&mut self) -> Result<&'a [u8], Defect> {
        let n = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |i| i.saturating_add(1));
        if n == 0 {
            return Err(Defect::Truncated);
        }
        Ok(self.take(n)?.split_last().map_or(&[][..], |(_, line)| line))
    }

    /// A read of `n` bytes must lie inside the frame or begin where it ends.
    fn watch_frame(&mut self, n: usize) {
        let pos = self.pos();
        if n == 0 {
            return;
        }
        if pos >= self.frame_end {
            self.frame_end = usize::MAX;
        } else if pos.saturating_add(n) > self.frame_end {
            self.divergence = Some("an opcode straddles the end of its frame");
            self.frame_end = usize::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lexed = (Vec<(u8, usize)>, Result<(), Defect>, Option<Divergence>);

    fn ops(bytes: &[u8]) -> Lexed {
        let mut lexer = Lexer::new(bytes);
        let mut seen = Vec::new();
        let mut divergence = None;
        loop {
            let op = lexer.next_op();
            divergence = divergence.or(lexer.divergence());
            match op {
                Ok(op) => seen.push((op.code, op.at)),
                Err(defect) => return (seen, Err(defect), divergence),
            }
            if seen.last().is_some_and(|op| op.0 == opcode::STOP) {
                return (seen, Ok(()), divergence);
            }
        }
    }

    #[test]
    fn operands_are_cut_where_cpython_cuts_them() {
        let (seen, end, odd) = ops(b"\x80\x02X\x03\x00\x00\x00abcq\x01M\x01\x02J\xff\xff\xff\xffcos\nsystem\nI12\n.");
        assert_eq!(seen.iter().map(|op| op.1).collect::<Vec<_>>(), [0, 2, 10, 12, 15, 20, 31, 35]);
        assert_eq!((end, odd), (Ok(()), None));
    }

    #[test]
    fn a_lying_length_is_truncation_and_a_negative_one_is_refused() {
        assert_eq!(ops(b"B\xff\xff\xff\xff.").1, Err(Defect::Truncated));
        assert_eq!(ops(b"\x8b\xff\xff\xff\xff.").1, Err(Defect::BadLength));
        assert_eq!(ops(b"T\xff\xff\xff\xff.").1, Err(Defect::BadLength));
        assert_eq!(ops(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.").1, Err(Defect::BadLength));
        assert_eq!(ops(b"K").1, Err(Defect::Truncated));
        assert_eq!(ops(b"c\n\n").1, Err(Defect::EmptyLine));
        assert_eq!(ops(b"\xff").1, Err(Defect::BadOpcode(0xff)));
    }

    #[test]
    fn the_last_line_loses_its_last_byte_even_without_newline() {
        let mut lexer = Lexer::new(b"cos\nsystemX");
        assert_eq!(lexer.next_op().unwrap().arg, Arg::Lines(b"os", b"system"));
    }

    #[test]
    fn frames_may_neither_be_straddled_nor_nested_nor_run_past_the_end() {
        let framed = |n: u64, body: &[u8]| [b"\x80\x04\x95", &n.to_le_bytes()[..], body].concat();
        assert_eq!(ops(&framed(2, b"N.")).2, None);
        assert_eq!(ops(&framed(3, b"C\x03abc.")).2, Some("an opcode straddles the end of its frame"));
        assert_eq!(ops(&framed(9, b"N.")).2, Some("a frame is longer than the rest of the stream"));
        let nested = [b"N\x95", &2u64.to_le_bytes()[..], b"0N."].concat();
        assert_eq!(
            ops(&framed(20, &[&nested[..], b"       "].concat())).2,
            Some("a frame begins inside another frame")
        );
        // large bytes stand between frames, as the pickler writes them
        let between = |n: usize| {
            let payload = [&b"B"[..], &(n as u32).to_le_bytes(), &vec![b'a'; n]].concat();
            [&framed(1, b"N")[..], &payload, b"."].concat()
        };
        assert_eq!(ops(&between(FRAME_TARGET)).2, None);
        assert_eq!(ops(&between(FRAME_TARGET - 1)).2, Some("opcodes stand behind the end of a short frame"));
        assert_eq!(ops(&framed(1, b"N.")).2, Some("opcodes stand behind the end of a short frame"));
    }
}
