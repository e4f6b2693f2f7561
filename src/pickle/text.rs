//! The text operands of protocol 0, read as CPython's C and pure-Python unpicklers read them.
//!
//! Each function looks at every byte once. Where the two unpicklers would not agree, that is said, not decided.

/// A number written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Both unpicklers read the same; `None` where the value does not fit.
    Same(Option<i64>),
    /// They read different values, or only one of them reads any; the value is the C unpickler's, if it has one.
    Differs(Option<i64>),
    /// Both raise.
    Neither,
}

/// More decimal digits than this are refused by Python from 3.11 on and accepted before.
const MAX_DIGITS: usize = 4300;

/// The operand of GET and PUT: `int(line)` with base 10.
pub fn index(line: &[u8]) -> Number {
    compare(parse_int(before_nul(line), 10), parse_int(line, 10))
}

/// The operand of LONG: an optional `L`, and `int(line, 0)`.
pub fn long(line: &[u8]) -> Number {
    let line = line.strip_suffix(b"L").unwrap_or(line);
    compare(parse_int(before_nul(line), 0), parse_int(line, 0))
}

/// The operand of INT. The C unpickler tries `strtol` first (old octals, NUL as an end) and takes every two-byte zero or
/// one for a boolean; the Python one knows only `00` and `01` as booleans.
pub fn int(line: &[u8]) -> Number {
    if matches!(line, b"00" | b"01") {
        return Number::Same(Some(i64::from(line == b"01")));
    }
    let c = strtol(before_nul(line)).map(|v| Some(Some(v))).unwrap_or_else(|| parse_int(before_nul(line), 0));
    let bool_to_c = line.len() == 2 && matches!(c, Some(Some(0 | 1)));
    match compare(c, parse_int(line, 0)) {
        Number::Same(value) if bool_to_c => Number::Differs(value),
        other => other,
    }
}

/// The operand of FLOAT. The C unpickler takes neither spaces nor underscores, and refuses what overflows.
pub fn float(line: &[u8]) -> Number {
    let c = strict_float(before_nul(line)).is_some_and(|v| v.is_finite() || !has_digit(line));
    let python = lenient_float(line);
    match (c, python) {
        (true, true) => Number::Same(None),
        (false, false) => Number::Neither,
        _ => Number::Differs(None),
    }
}

/// The bytes that a STRING operand stands for: quotes off, escapes resolved. `None` if both unpicklers raise.
pub fn string(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    unescape(line, |b| out.push(b)).then_some(out)
}

/// True if a STRING operand is well formed.
pub fn is_string(line: &[u8]) -> bool {
    unescape(line, |_| ())
}

/// The text of a UNICODE operand (raw-unicode-escape); surrogates become U+FFFD. `None` if both unpicklers raise.
pub fn unicode(line: &[u8]) -> Option<String> {
    let mut out = String::new();
    raw_unicode(line, |c| out.push(c)).then_some(out)
}

/// True if a UNICODE operand is well formed.
pub fn is_unicode(line: &[u8]) -> bool {
    !line.contains(&b'\\') || raw_unicode(line, |_| ())
}

/// True if `bytes` are UTF-8, surrogates allowed (Python's `surrogatepass`).
pub fn is_utf8_surrogates(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => return true,
            Err(error) => match rest.get(error.valid_up_to()..) {
                Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, tail @ ..]) => rest = tail,
                _ => return false,
            },
        }
    }
}

fn before_nul(line: &[u8]) -> &[u8] {
    line.split(|&b| b == 0).next().unwrap_or(line)
}

fn has_digit(line: &[u8]) -> bool {
    line.iter().any(u8::is_ascii_digit)
}

fn compare(c: Option<Option<i64>>, python: Option<Option<i64>>) -> Number {
    match (c, python) {
        (None, None) => Number::Neither,
        (c, python) if c == python => Number::Same(c.flatten()),
        (c, python) => Number::Differs(c.or(python).flatten()),
    }
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Python's `int(text, base)` for base 0 or 10: `None` if it raises, `Some(None)` if the value does not fit.
fn parse_int(text: &[u8], base: u32) -> Option<Option<i64>> {
    let (negative, mut digits) = sign(trim(text));
    let mut radix = 10;
    let mut only_zero = false;
    if base == 0 {
        match digits {
            [b'0', b'x' | b'X', rest @ ..] => (radix, digits) = (16, rest),
            [b'0', b'o' | b'O', rest @ ..] => (radix, digits) = (8, rest),
            [b'0', b'b' | b'B', rest @ ..] => (radix, digits) = (2, rest),
            [b'0', ..] => only_zero = true,
            _ => {}
        }
        if radix != 10 {
            digits = digits.strip_prefix(b"_").unwrap_or(digits);
        }
    }
    let value = number(digits, radix, true)?;
    if radix == 10 && digits.len() > MAX_DIGITS {
        return None;
    }
    if only_zero && value != Some(0) {
        return None;
    }
    Some(value.and_then(|v| signed(v, negative)))
}

/// C's `strtol(text, &end, 0)` where it consumes all of the text and does not overflow.
fn strtol(text: &[u8]) -> Option<i64> {
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if !is_space(*first) {
            break;
        }
        rest = tail;
    }
    let (negative, digits) = sign(rest);
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        _ => (10, digits),
    };
    signed(number(digits, radix, false)??, negative)
}

/// Digits of a radix: `None` if malformed, `Some(None)` if too large.
fn number(digits: &[u8], radix: u32, underscores: bool) -> Option<Option<u64>> {
    let mut value = Some(0u64);
    let mut after_digit = false;
    for &b in digits {
        if b == b'_' && underscores && after_digit {
            after_digit = false;
            continue;
        }
        let digit = char::from(b).to_digit(radix)?;
        value = value.and_then(|v| v.checked_mul(u64::from(radix))?.checked_add(u64::from(digit)));
        after_digit = true;
    }
    after_digit.then_some(value)
}

fn signed(value: u64, negative: bool) -> Option<i64> {
    let value = i128::from(value);
    i64::try_from(if negative { value.checked_neg()? } else { value }).ok()
}

fn strict_float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Python's `float(text)`: spaces around are fine, and underscores between digits.
fn lenient_float(text: &[u8]) -> bool {
    let text = trim(text);
    if !text.contains(&b'_') {
        return strict_float(text).is_some();
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut previous = 0u8;
    for (i, &b) in text.iter().enumerate() {
        if b == b'_' {
            let next = i.checked_add(1).and_then(|n| text.get(n)).is_some_and(u8::is_ascii_digit);
            if !previous.is_ascii_digit() || !next {
                return false;
            }
        } else {
            plain.push(b);
        }
        previous = b;
    }
    strict_float(&plain).is_some()
}

/// Feeds the bytes that a quoted STRING operand stands for; false if it is malformed.
fn unescape(line: &[u8], mut sink: impl FnMut(u8)) -> bool {
    let ([b'\'', body @ .., b'\''] | [b'"', body @ .., b'"']) = line else {
        return false;
    };
    let mut bytes = body.iter().copied().peekable();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            sink(b);
            continue;
        }
        match bytes.next() {
            None => return false,
            Some(b'\n') => {}
            Some(quoted @ (b'\\' | b'\'' | b'"')) => sink(quoted),
            Some(b'b') => sink(8),
            Some(b'f') => sink(12),
            Some(b't') => sink(b'\t'),
            Some(b'n') => sink(b'\n'),
            Some(b'r') => sink(b'\r'),
            Some(b'v') => sink(11),
            Some(b'a') => sink(7),
            Some(b'x') => {
                let high = bytes.next().and_then(|b| char::from(b).to_digit(16));
                let low = bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (high, low) else {
                    return false;
                };
                sink(low_byte(high << 4 | low));
            }
            Some(first @ b'0'..=b'7') => {
                let mut value = u32::from(first & 7);
                for _ in 0..2 {
                    if let Some(next) = bytes.next_if(|b| matches!(b, b'0'..=b'7')) {
                        value = value << 3 | u32::from(next & 7);
                    }
                }
                sink(low_byte(value));
            }
            Some(other) => {
                sink(b'\\');
                sink(other);
            }
        }
    }
    true
}

fn low_byte(value: u32) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}

fn raw_unicode(line: &[u8], mut sink: impl FnMut(char)) -> bool {
    let mut bytes = line.iter().copied();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            sink(char::from(b));
            continue;
        }
        let count = match bytes.next() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            Some(other) => {
                sink('\\');
                sink(char::from(other));
                continue;
            }
            None => {
                sink('\\');
                continue;
            }
        };
        let mut value = 0u32;
        for _ in 0..count {
            let Some(digit) = bytes.next().and_then(|b| char::from(b).to_digit(16)) else {
                return false;
            };
            value = value << 4 | digit;
        }
        if value > 0x10_ffff {
            return false;
        }
        sink(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_cpython_reads_them() {
        for (text, want) in [
            (&b"12"[..], Number::Same(Some(12))),
            (b"-7", Number::Same(Some(-7))),
            (b" 3 ", Number::Same(Some(3))),
            (b"00", Number::Same(Some(0))),
            (b"01", Number::Same(Some(1))),
            (b"0x1f", Number::Same(Some(31))),
            (b"1_000", Number::Same(Some(1000))),
            (b"99999999999999999999", Number::Same(None)),
            (b"010", Number::Differs(Some(8))),
            (b"+1", Number::Differs(Some(1))),
            (b"5\x00x", Number::Differs(Some(5))),
            (b"", Number::Neither),
            (b"1_", Number::Neither),
            (b"x", Number::Neither),
        ] {
            assert_eq!(int(text), want, "{:?}", text.escape_ascii().to_string());
        }
        assert_eq!(index(b"0007"), Number::Same(Some(7)));
        assert_eq!(index(b"1_0"), Number::Same(Some(10)));
        assert_eq!(index(b"1\x002"), Number::Differs(Some(1)));
        assert_eq!(index(b"0x1"), Number::Neither);
        assert_eq!(long(b"12L"), Number::Same(Some(12)));
        assert_eq!(long(b"12"), Number::Same(Some(12)));
        assert_eq!(long(b"L"), Number::Neither);
        assert_eq!(long(b"007"), Number::Neither);
    }

    #[test]
    fn floats_differ_where_only_one_unpickler_is_lenient() {
        for text in [&b"1.5"[..], b"nan", b"-inf", b"1e300", b"Infinity", b".5", b"5."] {
            assert_eq!(float(text), Number::Same(None), "{text:?}");
        }
        for text in [&b" 1.5"[..], b"1_0.5", b"1e999", b"1.5\x00"] {
            assert_eq!(float(text), Number::Differs(None), "{text:?}");
        }
        for text in [&b""[..], b"one", b"_1", b"1__0"] {
            assert_eq!(float(text), Number::Neither, "{text:?}");
        }
    }

    #[test]
    fn strings_lose_quotes_and_escapes() {
        assert_eq!(string(b"'a\\x41\\101\\n\\q'").unwrap(), b"aAA\n\\q");
        assert_eq!(string(b"\"it's\"").unwrap(), b"it's");
        for bad in [&b"a"[..], b"'a\"", b"'", b"'\\x4'", b"'a\\'", b"'a' "] {
            assert_eq!(string(bad), None, "{bad:?}");
            assert!(!is_string(bad));
        }
        assert_eq!(unicode(b"a\\u0042\\\\u0042\xe9").unwrap(), "aB\\\\u0042\u{e9}");
        assert_eq!(unicode(b"\\u12"), None);
        assert_eq!(unicode(b"\\U00110000"), None);
        assert!(is_utf8_surrogates("é".as_bytes()) && is_utf8_surrogates(b"\xed\xa0\x80x"));
        assert!(!is_utf8_surrogates(b"\xff") && !is_utf8_surrogates(b"\xed\xa0"));
    }
}
