//! Constants, decoded from their opcode when somebody asks.

use super::lexer::{Arg, Lexer, Op};
use super::opcode as op;
use super::text::{self, Number};
use super::value::{Kind, Value};

/// Text longer than this is no name, key or type code.
const MAX_TEXT: usize = 4096;

/// The opcode that pushed a constant.
fn opcode<'a>(stream: &'a [u8], value: Value) -> Option<Op<'a>> {
    Lexer::starting_at(stream, value.origin()?).next_op().ok()
}

/// The text of a `str` constant, as every loader reads it. `None` for other values, for text over 4 KiB, and for
/// Python-2 strings that are not ASCII, which each loader decodes in its own way.
pub fn text(stream: &[u8], value: Value) -> Option<String> {
    let Value::Const(Kind::Str, ..) = value else { return None };
    let op = opcode(stream, value)?;
    match op.arg {
        Arg::Data(data) | Arg::Line(data) if data.len() > MAX_TEXT => None,
        Arg::Data(data) if matches!(op.code, op::BINSTRING | op::SHORT_BINSTRING) => ascii(data.to_vec()),
        Arg::Data(data) => Some(String::from_utf8_lossy(data).into_owned()),
        Arg::Line(line) if op.code == op::STRING => ascii(text::string(line)?),
        Arg::Line(line) => text::unicode(line),
        _ => None,
    }
}

/// The bytes of a `bytes` or `bytearray` constant.
pub fn bytes(stream: &[u8], value: Value) -> Option<&[u8]> {
    let Value::Const(Kind::Bytes | Kind::ByteArray, ..) = value else { return None };
    match opcode(stream, value)?.arg {
        Arg::Data(data) => Some(data),
        _ => None,
    }
}

/// The bytes that `_codecs.encode(value, "latin1")` gives: protocols below 3 write `bytes` so.
pub fn latin1(stream: &[u8], value: Value) -> Option<Vec<u8>> {
    let Value::Const(Kind::Str, ..) = value else { return None };
    let op = opcode(stream, value)?;
    let text = match op.arg {
        Arg::Data(data) if matches!(op.code, op::BINSTRING | op::SHORT_BINSTRING) => return Some(data.to_vec()),
        Arg::Data(data) => std::str::from_utf8(data).ok()?.to_owned(),
        Arg::Line(line) if op.code == op::STRING => return text::string(line),
        Arg::Line(line) => text::unicode(line)?,
        _ => return None,
    };
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// The value of an integer constant, if it fits.
pub fn int(stream: &[u8], value: Value) -> Option<i64> {
    let Value::Const(Kind::Int | Kind::Bool, ..) = value else { return None };
    let op = opcode(stream, value)?;
    match op.arg {
        Arg::Int(value) => Some(value),
        Arg::Data(data) => little_endian(data),
        Arg::Line(line) => {
            let number = if op.code == op::INT { text::int(line) } else { text::long(line) };
            match number {
                Number::Same(value) => value,
                _ => None,
            }
        }
        Arg::Nothing => Some(i64::from(op.code == op::NEWTRUE)),
        Arg::Lines(..) => None,
    }
}

fn ascii(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

/// Two's complement of at most eight bytes.
fn little_endian(data: &[u8]) -> Option<i64> {
    let negative = data.last().is_some_and(|&b| b & 0x80 != 0);
    let mut all = if negative { [0xff; 8] } else { [0; 8] };
    all.get_mut(..data.len())?.copy_from_slice(data);
    Some(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind) -> Value {
        Value::constant(kind, 0)
    }

    #[test]
    fn text_is_exact_or_unknown() {
        assert_eq!(text(b"\x8c\x02os", of(Kind::Str)).unwrap(), "os");
        assert_eq!(text(b"S'o\\x73'\n", of(Kind::Str)).unwrap(), "os");
        assert_eq!(text(b"V\\u006fs\n", of(Kind::Str)).unwrap(), "os");
        assert_eq!(text(b"U\x02os", of(Kind::Str)).unwrap(), "os");
        assert_eq!(text(b"U\x01\xe9", of(Kind::Str)), None);
        assert_eq!(text(b"\x8c\x02os", of(Kind::Bytes)), None);
    }

    #[test]
    fn integers_of_every_opcode() {
        assert_eq!(int(b"K\x07", of(Kind::Int)), Some(7));
        assert_eq!(int(b"J\xff\xff\xff\xff", of(Kind::Int)), Some(-1));
        assert_eq!(int(b"\x8a\x02\x00\x80", of(Kind::Int)), Some(-32768));
        assert_eq!(int(b"\x8a\x00", of(Kind::Int)), Some(0));
        assert_eq!(int(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", of(Kind::Int)), None);
        assert_eq!(int(b"I42\n", of(Kind::Int)), Some(42));
        assert_eq!(int(b"\x88", of(Kind::Bool)), Some(1));
        assert_eq!(latin1(b"\x8c\x02\xc3\xa9", of(Kind::Str)).unwrap(), [0xe9]);
    }
}
