//! What git recorded about files it tracks: the index of a working tree names each blob by its SHA-1.
//!
//! A file kept by git-lfs is tracked as a pointer, a short text that follows from size and SHA-256 of the content. So the
//! blob's name proves a checked-out file without reading git's objects: either the content or its pointer has it.
//! Threat: an index made to crash readers; lengths are checked, names are only compared with those of files that were
//! met. Bound: linear in the index. Source: git's `index-format`, versions 2 to 4; repositories with SHA-256 are not read.

use crate::digest::{Algorithm, Digest, Hasher};
use sha1::Digest as _;

/// A regular file that is tracked: its path in the working tree, and the name of its blob.
pub type Tracked = (Vec<u8>, Digest);

/// Reads an index; `None` if it is none, or of a kind that is not read.
pub fn index(bytes: &[u8]) -> Option<Vec<Tracked>> {
    let (body, trailer) = bytes.split_at_checked(bytes.len().checked_sub(20)?)?;
    // git may be told to leave the checksum out; then it is zero
    let sum = sha1::Sha1::digest(body);
    if trailer != sum.as_slice() && trailer.iter().any(|byte| *byte != 0) {
        return None;
    }
    let word = |at: usize| Some(u32::from_be_bytes(body.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let version = word(4).filter(|version| body.starts_with(b"DIRC") && (2..=4).contains(version))?;
    let mut tracked = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    let mut at = 12_usize;
    for _ in 0..word(8)? {
        let mode = word(at.checked_add(24)?)?;
        let blob = Digest::new(body.get(at.checked_add(40)?..at.checked_add(60)?)?)?;
        let flags = u16::from_be_bytes(body.get(at.checked_add(60)?..at.checked_add(62)?)?.try_into().ok()?);
        let mut next = at.checked_add(if version >= 3 && flags & 0x4000 != 0 { 64 } else { 62 })?;
        let kept = if version == 4 { name.len().checked_sub(varint(body, &mut next)?)? } else { 0 };
        name.truncate(kept);
        let rest = body.get(next..)?;
        let length = memchr::memchr(0, rest)?;
        name.extend_from_slice(rest.get(..length)?);
        let end = next.checked_add(length)?;
        at = if version == 4 { end.checked_add(1)? } else { at.checked_add((end.checked_sub(at)? / 8 + 1) * 8)? };
        let merged = flags & 0x3000 == 0;
        if mode >> 12 == 0b1000 && merged {
            tracked.push((name.clone(), blob));
        }
    }
    Some(tracked)
}

/// A number as packs and indexes write it: seven bits a byte, with one added for each byte that follows.
fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    loop {
        let byte = *bytes.get(*at)?;
        *at = at.checked_add(1)?;
        value = value.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        value = value.checked_add(1)?;
    }
}

/// The pointer that git-lfs keeps in place of a content (version 1, without extensions).
pub fn pointer(sha256: &Digest, size: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

/// The name of the blob that holds this text.
pub fn blob(text: &[u8]) -> Option<Digest> {
    let length = u64::try_from(text.len()).ok()?;
    let mut hasher = Hasher::new(&[Algorithm::Sha1Git], Some(length)).ok()?;
    hasher.update(text);
    hasher.finish().get(Algorithm::Sha1Git)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index with these names, made by hand from the format's description.
    fn made(version: u32, names: &[&str]) -> Vec<u8> {
        let mut bytes = [b"DIRC".as_slice(), &version.to_be_bytes(), &(names.len() as u32).to_be_bytes()].concat();
        let mut before = "";
        for name in names {
            let start = bytes.len();
            bytes.extend([0; 24]);
            bytes.extend(0o100_644_u32.to_be_bytes());
            bytes.extend([0; 12]);
            bytes.extend([7; 20]);
            bytes.extend((name.len() as u16).to_be_bytes());
            if version == 4 {
                let same = before.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
                bytes.push((before.len() - same) as u8);
                bytes.extend(&name.as_bytes()[same..]);
                bytes.push(0);
            } else {
                bytes.extend(name.as_bytes());
                bytes.extend(vec![0; 8 - (bytes.len() - start) % 8]);
            }
            before = name;
        }
        let sum = sha1::Sha1::digest(&bytes);
        bytes.extend(sum);
        bytes
    }

    #[test]
    fn indexes_of_all_versions_and_cut_ones() {
        let names = ["a", "dir/model.bin", "dir/model.safetensors", "zzzzzzzz"];
        for version in [2, 3, 4] {
            let bytes = made(version, &names);
            let found = index(&bytes).unwrap();
            let found: Vec<&[u8]> = found.iter().map(|(name, _)| name.as_slice()).collect();
            assert_eq!(found, names.map(str::as_bytes), "version {version}");
            for cut in 0..bytes.len() {
                assert!(index(&bytes[..cut]).is_none());
                let mut open = bytes[..cut].to_vec();
                open.extend([0; 20]);
                let _ = index(&open);
            }
        }
        assert!(index(&made(5, &names)).is_none());
    }

    #[test]
    fn pointers_have_the_name_that_git_gives_them() {
        // git hash-object of the pointer to an empty content
        let empty = Digest::from_hex(b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap();
        let pointer = blob(pointer(&empty, 0).as_bytes()).unwrap();
        assert_eq!(pointer.to_string(), "fc8e42b32efb9a9bf3ae0234a18a948e499490f8");
        assert_eq!(blob(b"").unwrap().to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }
}
