//! What git keeps for itself below `.git`: a clone of a model is an ordinary directory, and no loader acts on these.
//!
//! That holds by their first bytes, whatever follows: no pickle begins with them. `D` and `\xff` are no opcodes, `R`, `b`
//! and `t` take from an empty stack, `P` asks for a persistent id that no loader gives, and the `commit` of an object is
//! the name of a module with a zero byte in it. What is appended to such a file is looked for as everywhere. Source: git's
//! `gitformat-index`, `gitformat-pack` and its object header. Bound: the first bytes; of a loose object, its header.

use super::{Identity, Role};
use crate::source::View;
use std::io;

/// A loose object, as it is compressed.
pub const OBJECT: Identity = Identity::new("git-object", Role::Inert);

/// A file of git's own, by its first bytes.
pub fn of_head(head: &[u8]) -> Option<Identity> {
    let (magic, rest) = head.split_first_chunk::<4>()?;
    let (version, _) = rest.split_first_chunk::<4>()?;
    let format = match (magic, u32::from_be_bytes(*version)) {
        (b"DIRC", 2..=4) => "git-index",
        (b"PACK", 2 | 3) => "git-pack",
        (b"\xfftOc", 2) => "git-pack-index",
        (b"RIDX", 1) => "git-pack-reverse-index",
        _ => return None,
    };
    Some(Identity::new(format, Role::Inert))
}

/// A loose object, decompressed: kind, size and a zero byte stand before the content, and the size is that of the rest.
pub fn is_object(view: &View<'_>) -> io::Result<bool> {
    let head = view.head(32)?;
    let Some(end) = memchr::memchr(0, &head) else { return Ok(false) };
    let (header, _) = head.split_at(end);
    let Some((kind, size)) = std::str::from_utf8(header).ok().and_then(|header| header.split_once(' ')) else {
        return Ok(false);
    };
    let rest = u64::try_from(end).ok().and_then(|end| view.len().checked_sub(end)?.checked_sub(1));
    let canonical = size.bytes().all(|digit| digit.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
    Ok(["blob", "tree", "commit", "tag"].contains(&kind) && canonical && size.parse().ok() == rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::testing::examine;
    use std::io::Write;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn what_git_keeps_is_inert() {
        for (bytes, format) in [
            (b"DIRC\0\0\0\x02\0\0\0\0".to_vec(), "git-index"),
            (b"PACK\0\0\0\x02\0\0\0\0".to_vec(), "git-pack"),
            (b"\xfftOc\0\0\0\x02\0\0".to_vec(), "git-pack-index"),
            (b"RIDX\0\0\0\x01\0\0".to_vec(), "git-pack-reverse-index"),
            (zlib(b"blob 5\0hello"), "zlib"),
            (zlib(b"commit 4\0tree"), "zlib"),
            (zlib(b"tree 0\0"), "zlib"),
        ] {
            let found = examine(&bytes, "");
            assert_eq!((found.identity.format, found.identity.role), (format, Role::Inert));
            assert_eq!(found.verdict(), Verdict::Ok, "{format}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_examined() {
        for bytes in [
            b"DIRC\0\0\0\x09\0\0\0\0".to_vec(),
            zlib(b"blob 4\0hello"),
            zlib(b"blob 05\0hello"),
            zlib(b"blob +5\0hello"),
            zlib(b"code 5\0hello"),
            // a pickle that reads as a header to nobody else
            zlib(b"cos\ngetpid\n)R.\0"),
        ] {
            assert_ne!(examine(&bytes, "").verdict(), Verdict::Ok, "{bytes:?}");
        }
    }
}
