//! `_codecs.encode` and the codecs that matter: what torch.save writes for bytes, and those that cannot fail.

use super::call::arity;
use super::stop::{Run, corrupt, doubt};
use super::unpickler::Machine;
use super::value::{Object, Value};
use std::collections::HashSet;
use std::sync::LazyLock;

/// `_codecs.encode(obj, encoding="utf-8", errors="strict")`.
pub(super) fn encode(machine: &mut Machine<'_, '_, '_>, args: &[Value]) -> Run<Value> {
    arity(args, 1, 3, "encode")?;
    let encoding = match args.get(1) {
        Some(encoding) => name(machine, *encoding, "encoding")?,
        None => b"utf-8".to_vec(),
    };
    let Some(object) = args.first().copied() else { return Err(corrupt("TypeError: encode() missing an argument")) };
    let strict = match args.get(2) {
        Some(errors) => name(machine, *errors, "errors")? == b"strict",
        None => true,
    };
    let is_text = machine.arena.text(object).is_some();
    let is_bytes = matches!(machine.arena.object(object), Some(Object::Bytes(_) | Object::ByteArray(..)));
    match normal(&encoding)?.as_slice() {
        // Bytes to bytes.
        b"zlib" | b"zip" | b"zlib_codec" | b"bz2" | b"bz2_codec" | b"hex" | b"hex_codec" | b"base64" | b"base_64"
        | b"base64_codec" | b"quopri" | b"quopri_codec" | b"quoted_printable" | b"quotedprintable" | b"uu"
        | b"uu_codec" => {
            if !strict {
                return Err(corrupt("AssertionError: a bytes codec takes no error handler but strict"));
            }
            if is_bytes {
                return machine.arena.add(Object::Bytes(None));
            }
            if matches!(machine.arena.object(object), Some(Object::Untyped(_) | Object::Tensor(_) | Object::Typed(_))) {
                return Err(doubt("a codec over a tensor or storage"));
            }
            Err(corrupt("TypeError: encoding with a bytes codec failed (a bytes-like object is required)"))
        }
        // Text to text.
        b"rot13" | b"rot_13" => {
            if !is_text {
                return Err(corrupt("TypeError: encoding with 'rot13' codec failed"));
            }
            let mut text = machine.arena.text(object).unwrap_or_default().to_vec();
            for byte in &mut text {
                *byte = match *byte {
                    b'a'..=b'm' | b'A'..=b'M' => byte.saturating_add(13),
                    b'n'..=b'z' | b'N'..=b'Z' => byte.saturating_sub(13),
                    other => other,
                };
            }
            machine.arena.add(Object::Text(text.into()))
        }
        _ => match encode_bytes(machine, args)? {
            Some(bytes) => machine.arena.add(Object::Bytes(Some(bytes))),
            None => machine.arena.add(Object::Bytes(None)),
        },
    }
}

/// The bytes of `args[0]` in the encoding `args[1]` (`utf-8` where absent); `None` where they are not computed.
pub(super) fn encode_bytes(machine: &mut Machine<'_, '_, '_>, args: &[Value]) -> Run<Option<Vec<u8>>> {
    let encoding = match args.get(1) {
        Some(encoding) => name(machine, *encoding, "encoding")?,
        None => b"utf-8".to_vec(),
    };
    let errors = match args.get(2) {
        Some(errors) => name(machine, *errors, "errors")?,
        None => b"strict".to_vec(),
    };
    let encoding = normal(&encoding)?;
    if !KNOWN.contains(&encoding.as_slice()) {
        return Err(if CODECS.contains(encoding.as_slice()) {
            doubt("a codec that is not modelled")
        } else {
            corrupt(format!("LookupError: unknown encoding: {}", String::from_utf8_lossy(&encoding).escape_debug()))
        });
    }
    let Some(text) = args.first().and_then(|object| machine.arena.text(*object)) else {
        return Err(corrupt("TypeError: encode() argument must be str"));
    };
    let strict = errors == b"strict";
    let failed = |limit: &str| {
        if strict {
            corrupt(format!("UnicodeEncodeError: a character is not in {limit}"))
        } else {
            doubt("a codec's error handler is not modelled")
        }
    };
    let text = std::str::from_utf8(text).map_err(|_| failed("UTF-8 (a lone surrogate)"))?;
    let top = match encoding.as_slice() {
        b"utf_8" | b"utf8" | b"u8" | b"utf" => return Ok(Some(text.as_bytes().to_vec())),
        b"latin1" | b"latin_1" | b"iso_8859_1" | b"iso8859_1" | b"8859" | b"cp819" | b"iso8859" | b"l1" | b"latin" => {
            0xff
        }
        b"ascii" | b"us_ascii" | b"646" => 0x7f,
        b"utf_16"
        | b"utf16"
        | b"utf_32"
        | b"utf32"
        | b"utf_16_le"
        | b"utf_16_be"
        | b"utf_32_le"
        | b"utf_32_be"
        | b"utf_7"
        | b"utf_8_sig"
        | b"unicode_escape"
        | b"raw_unicode_escape" => {
            return Ok(None);
        }
        // Domain names: short plain labels pass.
        _ => {
            let plain = text.len() < 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            return if plain { Ok(Some(text.as_bytes().to_vec())) } else { Err(doubt("idna over unusual text")) };
        }
    };
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok().filter(|b| *b <= top).ok_or_else(|| failed("the encoding")))
        .collect::<Run<Vec<u8>>>()
        .map(Some)
}

const KNOWN: [&[u8]; 29] = [
    b"utf_8",
    b"utf8",
    b"u8",
    b"utf",
    b"latin1",
    b"latin_1",
    b"iso_8859_1",
    b"iso8859_1",
    b"8859",
    b"cp819",
    b"iso8859",
    b"l1",
    b"latin",
    b"ascii",
    b"us_ascii",
    b"646",
    b"utf_16",
    b"utf16",
    b"utf_32",
    b"utf32",
    b"utf_16_le",
    b"utf_16_be",
    b"utf_32_le",
    b"utf_32_be",
    b"utf_7",
    b"utf_8_sig",
    b"unicode_escape",
    b"raw_unicode_escape",
    b"idna",
];

/// Every name Python has a codec for.
static CODECS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    let names = include_str!("../../manifests/torch/codecs.txt");
    names.lines().filter(|line| !line.starts_with('#')).map(str::as_bytes).collect()
});

/// A codec's name as Python looks it up: lower case, runs of other characters as one underscore.
fn normal(encoding: &[u8]) -> Run<Vec<u8>> {
    if encoding.contains(&0) {
        return Err(corrupt("ValueError: embedded null character"));
    }
    if !encoding.is_ascii() {
        return Err(doubt("a codec name outside ASCII"));
    }
    let mut name = Vec::with_capacity(encoding.len());
    let mut gap = false;
    for byte in encoding {
        if byte.is_ascii_alphanumeric() || *byte == b'.' {
            if gap && !name.is_empty() {
                name.push(b'_');
            }
            gap = false;
            name.push(byte.to_ascii_lowercase());
        } else {
            gap = true;
        }
    }
    Ok(name)
}

fn name(machine: &Machine<'_, '_, '_>, value: Value, what: &str) -> Run<Vec<u8>> {
    match machine.arena.text(value) {
        Some(text) => Ok(text.to_vec()),
        None => Err(corrupt(format!(
            "TypeError: encode() argument '{what}' must be str, not {}",
            machine.arena.type_name(value)
        ))),
    }
}
