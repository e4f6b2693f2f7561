//! Stores that keep each object under its own digest: Mithril, git-lfs, the hub's blobs, Ollama, OCI.
//!
//! Threat: a store that serves what it was given without looking (a flipped byte, a name that leads out of the store or
//! that no digest has). So only a digest of full length in lower case is a name, alone or spread over directories.

use crate::digest::{Algorithm, Digest};
use std::path::Path;

/// The digest that an object must have by its name, and by which algorithm. `object` is its path below the store.
///
/// # Errors
/// In words, why this is the name of no object.
pub fn address(object: &Path, algorithm: Algorithm) -> Result<(Algorithm, Digest), &'static str> {
    let parts: Vec<&str> = object.iter().map(|part| part.to_str()).collect::<Option<_>>().ok_or("no digest in hex")?;
    let (name, above) = parts.split_last().ok_or("no name")?;
    let name = name.strip_prefix(algorithm.name()).and_then(|rest| rest.strip_prefix(['-', ':'])).unwrap_or(name);
    // ab/cd/abcd… and ab/cd… are both usual: short directories in hex above the name are its beginning
    let fan: Vec<&str> = above.iter().copied().rev().take_while(|part| part.len() <= 4 && hex(part)).collect();
    let start: String = fan.into_iter().rev().collect();
    if !hex(name) {
        return Err("no digest in hex");
    }
    let length = algorithm.size() * 2;
    let spread = start.clone() + name;
    let whole = match (name.len(), spread.len()) {
        (n, _) if n == length => {
            if !name.starts_with(&start) {
                return Err("it lies in the directory of other digests");
            }
            name
        }
        (_, n) if n == length => &spread,
        // the hub keeps small files under their git digest, beside the large ones
        (40, _) if algorithm == Algorithm::Sha256 => {
            return Digest::from_hex(name.as_bytes())
                .map(|digest| (Algorithm::Sha1Git, digest))
                .ok_or("no digest in hex");
        }
        _ => return Err("a digest of another length"),
    };
    Digest::from_hex(whole.as_bytes()).map(|digest| (algorithm, digest)).ok_or("no digest in hex")
}

fn hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_digests_in_their_place() {
        let whole = "0123456789abcdef".repeat(4);
        let digest = Digest::from_hex(whole.as_bytes()).unwrap();
        for path in [
            whole.clone(),
            format!("sha256-{whole}"),
            format!("01/23/{whole}"),
            format!("01/{}", &whole[2..]),
            format!("0123/{}", &whole[4..]),
            format!("objects/01/{}", &whole[2..]),
            format!("blobs/sha256/{whole}"),
        ] {
            assert_eq!(address(Path::new(&path), Algorithm::Sha256), Ok((Algorithm::Sha256, digest)), "{path}");
        }
        for path in [
            whole[1..].to_owned(),
            whole.to_uppercase(),
            format!("{whole}.tmp"),
            format!("02/{whole}"),
            format!("01/{whole}0"),
            format!("blake3-{whole}"),
            "index.json".into(),
            "é".into(),
        ] {
            assert!(address(Path::new(&path), Algorithm::Sha256).is_err(), "{path}");
        }
        let small = address(Path::new(&whole[..40]), Algorithm::Sha256).unwrap();
        assert_eq!(small.0, Algorithm::Sha1Git);
        assert!(address(Path::new(&whole[..40]), Algorithm::Blake3).is_err());
    }
}
