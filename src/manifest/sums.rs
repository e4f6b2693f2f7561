//! Checksum lists, as `sha256sum`, `b3sum`, BSD `md5` and `openssl dgst` write them, read and written.
//!
//! Threat: a list decides which bytes are trusted, so a line means one thing or is malformed: nothing is guessed, and
//! every malformed line is reported with its number. Bound: linear; one small record per line, at most `max_entries`.

mod check;
mod write;

pub use check::{Checked, Checking, Status, Summary, check};
pub use write::{Style, line};

use crate::budget::Spent;
use crate::digest::{Algorithm, Digest};

/// Longest line, in bytes: a digest, and a path of the longest length a system takes with every byte escaped.
const LONGEST: usize = 16 << 10;

/// One line: a digest that a file must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the line, from 1.
    pub number: u64,
    /// Name of the file, unescaped. Any bytes but NUL.
    pub name: Vec<u8>,
    /// The algorithm, where the line, its tag or the caller says it; otherwise only the length speaks.
    pub algorithm: Option<Algorithm>,
    /// The digest.
    pub digest: Digest,
}

impl Line {
    /// The algorithms that may be meant, the likeliest first. More than one only where nothing but the length speaks.
    pub fn candidates(&self) -> &[Algorithm] {
        match &self.algorithm {
            Some(algorithm) => std::slice::from_ref(algorithm),
            None => by_length(self.digest.as_bytes().len()),
        }
    }
}

/// A line that is not one of a checksum list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Number of the line, from 1.
    pub number: u64,
    /// Why, in a few words.
    pub why: &'static str,
}

/// How to read a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Lines end with NUL, and nothing is escaped.
    pub zero: bool,
    /// The algorithm, as the caller or the list's own name says it. A line that says another is malformed.
    pub algorithm: Option<Algorithm>,
    /// The file that a sidecar stands beside: the list may be a single digest without a name.
    pub sidecar_of: Option<Vec<u8>>,
    /// Most lines.
    pub max_entries: u64,
}

impl Default for Reading {
    fn default() -> Self {
        let max_entries = crate::budget::Limits::default().max_entries;
        Reading { zero: false, algorithm: None, sidecar_of: None, max_entries }
    }
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Well-formed lines, in order.
    pub lines: Vec<Line>,
    /// The others, in order. Empty lines and comments (`#`) are neither.
    pub malformed: Vec<Malformed>,
}

impl Sums {
    /// Reads a list. Fails only when it has more lines than the limit.
    pub fn parse(bytes: &[u8], reading: &Reading) -> Result<Sums, Spent> {
        let mut sums = Sums::default();
        // Windows puts this mark in front of texts in UTF-8
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let bare = bytes.trim_ascii();
        if let Some(name) = &reading.sidecar_of
            && !bare.is_empty()
            && bare.iter().all(u8::is_ascii_hexdigit)
        {
            match digest(bare, reading.algorithm) {
                Ok(digest) => {
                    let (name, algorithm) = (name.clone(), reading.algorithm);
                    sums.lines.push(Line { number: 1, name, algorithm, digest });
                }
                Err(why) => sums.malformed.push(Malformed { number: 1, why }),
            }
            return Ok(sums);
        }
        let end = if reading.zero { 0 } else { b'\n' };
        let mut rest = bytes;
        let mut number = 0;
        while !rest.is_empty() {
            let length = memchr::memchr(end, rest).unwrap_or(rest.len());
            let (text, behind) = rest.split_at(length);
            rest = behind.get(1..).unwrap_or_default();
            number += 1;
            let text = if reading.zero { text } else { text.strip_suffix(b"\r").unwrap_or(text) };
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            if (sums.lines.len() + sums.malformed.len()) as u64 >= reading.max_entries {
                return Err(Spent("max_entries"));
            }
            match parse_line(text, reading) {
                Ok((name, algorithm, digest)) => sums.lines.push(Line { number, name, algorithm, digest }),
                Err(why) => sums.malformed.push(Malformed { number, why }),
            }
        }
        Ok(sums)
    }
}

const NO_NAME: &str = "no file name";

type Parts = (Vec<u8>, Option<Algorithm>, Digest);

fn parse_line(text: &[u8], reading: &Reading) -> Result<Parts, &'static str> {
    if text.len() > LONGEST {
        return Err("line too long");
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) || (!reading.zero && text.contains(&0)) {
        return Err("UTF-16 text or binary data, not a checksum list");
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err("starts with a byte order mark");
    }
    let text = text.trim_ascii_start();
    let (escaped, text) = match text.strip_prefix(b"\\") {
        Some(text) if !reading.zero => (true, text),
        _ => (false, text),
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (hex, rest) = text.split_at(digits);
    let (name, stated, hex) = match rest.split_first() {
        Some((b' ' | b'\t', name)) if digits >= 32 => {
            (name.strip_prefix(b" ").or(name.strip_prefix(b"*")).unwrap_or(name), None, hex)
        }
        None if digits >= 32 => return Err(NO_NAME),
        _ => tagged(text)?,
    };
    let algorithm = match (stated, reading.algorithm) {
        (Some(stated), Some(asked)) if stated != asked => return Err("another algorithm than the one asked for"),
        (stated, asked) => stated.or(asked),
    };
    let digest = digest(hex, algorithm)?;
    let name = if escaped { unescape(name)? } else { name.to_vec() };
    if name.is_empty() {
        return Err(NO_NAME);
    }
    Ok((name, algorithm, digest))
}

/// Name, algorithm, hex.
type Tagged<'a> = (&'a [u8], Option<Algorithm>, &'a [u8]);

/// `ALGORITHM (name) = hex`, or without the spaces as openssl writes it.
fn tagged(text: &[u8]) -> Result<Tagged<'_>, &'static str> {
    const NOT_A_LINE: &str = "not a checksum line";
    let open = memchr::memchr(b'(', text).ok_or(NOT_A_LINE)?;
    // The digest holds no parenthesis, so the last one ends the name.
    let close = memchr::memrchr(b')', text).filter(|close| *close > open).ok_or(NOT_A_LINE)?;
    let (tag, rest) = text.split_at(open);
    let name = rest.get(1..close - open).ok_or(NOT_A_LINE)?;
    let hex = rest.get(close - open + 1..).ok_or(NOT_A_LINE)?.trim_ascii_start();
    let hex = hex.strip_prefix(b"=").ok_or(NOT_A_LINE)?.trim_ascii();
    let tag = tag.strip_suffix(b" ").unwrap_or(tag);
    let algorithm = match tag {
        b"SHA256" | b"SHA2-256" => Algorithm::Sha256,
        b"SHA512" | b"SHA2-512" => Algorithm::Sha512,
        b"BLAKE3" => Algorithm::Blake3,
        b"BLAKE2b" | b"BLAKE2b-512" | b"BLAKE2B-512" | b"BLAKE2b512" => Algorithm::Blake2b512,
        b"SHA1-GIT" => Algorithm::Sha1Git,
        b"MD5" => Algorithm::Md5,
        _ => return Err("an algorithm that is not supported"),
    };
    Ok((name, Some(algorithm), hex))
}

/// A digest that has the length of `algorithm`, or of any that is supported.
fn digest(hex: &[u8], algorithm: Option<Algorithm>) -> Result<Digest, &'static str> {
    let digest = Digest::from_hex(hex).ok_or("not a digest in hex")?;
    let bytes = digest.as_bytes().len();
    let fits = algorithm.map_or(!by_length(bytes).is_empty(), |algorithm| algorithm.size() == bytes);
    if fits { Ok(digest) } else { Err("a digest of the wrong length") }
}

fn unescape(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => return Err("an escape that does not exist"),
            },
            other => *other,
        });
    }
    Ok(plain)
}

/// What a digest of so many bytes may be. SHA-1 of plain files is not among them: 20 bytes mean a git blob only where
/// the caller says so.
fn by_length(bytes: usize) -> &'static [Algorithm] {
    match bytes {
        16 => &[Algorithm::Md5],
        32 => &[Algorithm::Sha256, Algorithm::Blake3],
        64 => &[Algorithm::Sha512, Algorithm::Blake2b512],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parse(text: &str, reading: &Reading) -> Sums {
        Sums::parse(text.replace("HEX", HEX).as_bytes(), reading).unwrap()
    }

    #[test]
    fn every_form_of_a_line() {
        let forms: [(&str, &[u8], Option<Algorithm>); 20] = [
            ("HEX  a b\n", b"a b", None),
            ("\u{feff}HEX  a b\n", b"a b", None),
            ("HEX *a\n", b"a", None),
            ("HEX a\n", b"a", None),
            ("HEX\ta", b"a", None),
            ("  HEX  a\r\n", b"a", None),
            ("\\HEX  a\\nb\\\\c\\r\n", b"a\nb\\c\r", None),
            ("HEX  a\\nb\n", b"a\\nb", None),
            ("# comment\n\nHEX  #a\n", b"#a", None),
            ("HEX   a\n", b" a", None),
            ("SHA256 (a) = HEX\n", b"a", Some(Algorithm::Sha256)),
            ("SHA256 (a) = (b) = HEX\n", b"a) = (b", Some(Algorithm::Sha256)),
            ("SHA256(a)= HEX\n", b"a", Some(Algorithm::Sha256)),
            ("SHA2-256(a)= HEX\r\n", b"a", Some(Algorithm::Sha256)),
            ("\\SHA256 (a\\nb) = HEX\n", b"a\nb", Some(Algorithm::Sha256)),
            ("BLAKE3 (a) = HEX\n", b"a", Some(Algorithm::Blake3)),
            ("BLAKE2b (a) = HEXHEX\n", b"a", Some(Algorithm::Blake2b512)),
            ("SHA512 (a) = HEXHEX\n", b"a", Some(Algorithm::Sha512)),
            ("MD5 (a) = 900150983cd24fb0d6963f7d28e17f72\n", b"a", Some(Algorithm::Md5)),
            ("900150983CD24FB0D6963F7D28E17F72  a\n", b"a", None),
        ];
        for (text, name, algorithm) in forms {
            let sums = parse(text, &Reading::default());
            assert_eq!((sums.lines.len(), sums.malformed.len()), (1, 0), "{text:?}: {sums:?}");
            assert_eq!((sums.lines[0].name.as_slice(), sums.lines[0].algorithm), (name, algorithm), "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_malformed_and_says_where() {
        for text in [
            "HEX",
            "HEX  ",
            "HEX *",
            "HEX0  a",
            "abc  a",
            "HEX: a",
            "\\HEX  a\\tb",
            "\\HEX  a\\",
            "a9993e364706816aba3e25717850c26c9cd0d89d  sha1 is not supported",
            "SHA1 (a) = a9993e364706816aba3e25717850c26c9cd0d89d",
            "SHA512 (a) = HEX",
            "SHA256 (a) = HEXX",
            "SHA256 () = HEX",
            "SHA256 a = HEX",
            "SHA256 )a( = HEX",
            "<!DOCTYPE html>",
            "\u{feff}HEX  a",
            "H\0E\0X\0",
            "HEX  a\0b",
        ] {
            let sums = parse(&format!("HEX  good\n{text}\nHEX  good\n"), &Reading::default());
            assert_eq!((sums.lines.len(), sums.malformed.len()), (2, 1), "{text:?}");
            assert_eq!((sums.malformed[0].number, sums.lines[1].number), (2, 3), "{text:?}");
        }
        let long = format!("{HEX}  {}", "a".repeat(LONGEST));
        assert_eq!(parse(&long, &Reading::default()).malformed.len(), 1);
    }

    #[test]
    fn the_caller_may_say_which_algorithm() {
        let reading = Reading { algorithm: Some(Algorithm::Blake3), ..Reading::default() };
        let sums = parse("HEX  a\nSHA256 (b) = HEX\nHEXHEX  c\n", &reading);
        assert_eq!((sums.lines.len(), sums.malformed.len()), (1, 2));
        assert_eq!(sums.lines[0].candidates(), [Algorithm::Blake3]);
        let sums = parse("HEX  a\n", &Reading::default());
        assert_eq!(sums.lines[0].candidates(), [Algorithm::Sha256, Algorithm::Blake3]);
        let git = Reading { algorithm: Some(Algorithm::Sha1Git), ..Reading::default() };
        assert_eq!(parse("a9993e364706816aba3e25717850c26c9cd0d89d  a", &git).lines.len(), 1);
    }

    #[test]
    fn a_sidecar_may_be_a_bare_digest() {
        let reading = Reading { sidecar_of: Some(b"model".to_vec()), ..Reading::default() };
        for text in ["HEX", "HEX\n", "\nHEX \r\n", "HEX  model\n"] {
            assert_eq!(parse(text, &reading).lines[0].name, b"model", "{text:?}");
        }
        for text in ["HEX\nHEX\n", "HEXf\n"] {
            let sums = parse(text, &reading);
            assert!(sums.lines.is_empty() && !sums.malformed.is_empty(), "{text:?}");
        }
        assert!(parse("HEX\n", &Reading::default()).lines.is_empty());
    }

    #[test]
    fn zero_terminated_lines_are_not_escaped() {
        let sums = parse("HEX  a\nb\\n\0HEX *c\r\0", &Reading { zero: true, ..Reading::default() });
        let names: Vec<&[u8]> = sums.lines.iter().map(|line| line.name.as_slice()).collect();
        assert_eq!(names, [&b"a\nb\\n"[..], b"c\r"]);
    }

    #[test]
    fn the_number_of_lines_is_limited() {
        let reading = Reading { max_entries: 3, ..Reading::default() };
        assert!(Sums::parse(b"x\nx\nx\n\n#\n", &reading).is_ok());
        assert_eq!(Sums::parse(b"x\nx\nx\nx", &reading), Err(Spent("max_entries")));
    }
}
