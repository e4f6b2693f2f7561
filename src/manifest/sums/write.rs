//! Checksum lines that `sha256sum -c`, `b3sum -c` and their relatives accept.

use crate::digest::{Algorithm, Digest};

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// BSD style, `SHA256 (name) = hex`, instead of `hex  name`.
    pub tag: bool,
    /// Lines end with NUL, and nothing is escaped.
    pub zero: bool,
}

/// Appends one line. `name` is any bytes but NUL; a name that holds a newline, a carriage return or a backslash is
/// escaped, and the line then starts with a backslash.
pub fn line(out: &mut Vec<u8>, style: Style, algorithm: Algorithm, digest: &Digest, name: &[u8]) {
    let escape = !style.zero && name.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\\'));
    let put_name = |out: &mut Vec<u8>| {
        for byte in name {
            match byte {
                b'\n' if escape => out.extend_from_slice(b"\\n"),
                b'\r' if escape => out.extend_from_slice(b"\\r"),
                b'\\' if escape => out.extend_from_slice(b"\\\\"),
                other => out.push(*other),
            }
        }
    };
    if escape {
        out.push(b'\\');
    }
    if style.tag {
        out.extend_from_slice(tag(algorithm).as_bytes());
        out.extend_from_slice(b" (");
        put_name(out);
        out.extend_from_slice(b") = ");
        out.extend_from_slice(digest.to_string().as_bytes());
    } else {
        out.extend_from_slice(digest.to_string().as_bytes());
        out.extend_from_slice(b"  ");
        put_name(out);
    }
    out.push(if style.zero { 0 } else { b'\n' });
}

/// The name of an algorithm in BSD style, as coreutils and b3sum write it.
fn tag(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha256 => "SHA256",
        Algorithm::Sha512 => "SHA512",
        Algorithm::Blake3 => "BLAKE3",
        Algorithm::Blake2b512 => "BLAKE2b",
        Algorithm::Sha1Git => "SHA1-GIT",
        Algorithm::Md5 => "MD5",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reading, Sums};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            name in proptest::collection::vec(1u8..=255, 1..40),
            which in 0..Algorithm::ALL.len(),
            tag: bool,
            zero: bool,
        ) {
            let algorithm = Algorithm::ALL[which];
            let digest = Digest::new(&vec![0xa5; algorithm.size()]).unwrap();
            let mut text = Vec::new();
            line(&mut text, Style { tag, zero }, algorithm, &digest, &name);
            line(&mut text, Style { tag, zero }, algorithm, &digest, b"next");
            let reading = Reading { zero, algorithm: Some(algorithm), ..Reading::default() };
            let sums = Sums::parse(&text, &reading).unwrap();
            prop_assert_eq!(&sums.malformed, &[]);
            prop_assert_eq!(sums.lines.len(), 2);
            prop_assert_eq!(&sums.lines[0].name, &name);
            prop_assert_eq!(sums.lines[0].digest, digest);
        }
    }
}
