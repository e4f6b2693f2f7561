//! The algorithms by name, and the values they yield.

use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fmt;

/// A digest algorithm. The order is the order in which reports list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), what nearly everybody publishes.
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// BLAKE3 with 256 bits.
    Blake3,
    /// BLAKE2b with 512 bits (RFC 7693), unkeyed.
    Blake2b512,
    /// SHA-1 of a git blob: the header `blob <length>\0`, then the bytes. Weak: collisions can be made.
    Sha1Git,
    /// MD5. Weak: collisions can be made in seconds.
    Md5,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Sha256,
        Algorithm::Sha512,
        Algorithm::Blake3,
        Algorithm::Blake2b512,
        Algorithm::Sha1Git,
        Algorithm::Md5,
    ];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
            Algorithm::Blake2b512 => "blake2b-512",
            Algorithm::Sha1Git => "sha1-git",
            Algorithm::Md5 => "md5",
        }
    }

    /// The algorithm of a name as people write it: case and punctuation do not matter, `blake2b` means 512 bits.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Some(match plain.to_ascii_lowercase().as_str() {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "blake3" | "b3" => Algorithm::Blake3,
            "blake2b512" | "blake2b" => Algorithm::Blake2b512,
            "sha1git" | "gitsha1" => Algorithm::Sha1Git,
            "md5" => Algorithm::Md5,
            _ => return None,
        })
    }

    /// True if different files with the same digest can be made: an equal digest proves nothing against an attacker.
    pub fn is_weak(self) -> bool {
        matches!(self, Algorithm::Sha1Git | Algorithm::Md5)
    }

    /// Length of a digest in bytes; written in hex it is twice as long.
    pub fn size(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => 32,
            Algorithm::Sha512 | Algorithm::Blake2b512 => 64,
            Algorithm::Sha1Git => 20,
            Algorithm::Md5 => 16,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of a digest. Shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    bytes: [u8; 64],
    len: u8,
}

impl Digest {
    /// A digest of up to 64 bytes; `None` if there are more, or none.
    pub fn new(value: &[u8]) -> Option<Digest> {
        let mut bytes = [0; 64];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        let len = u8::try_from(value.len()).ok().filter(|len| *len > 0)?;
        Some(Digest { bytes, len })
    }

    /// The SHA-256 of bytes in memory, given part by part.
    pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        let found = parts.into_iter().fold(sha2::Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize();
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&found);
        Digest { bytes, len: 32 }
    }

    /// Reads hex in either case; `None` if it is not hex of 1 to 64 bytes.
    pub fn from_hex(hex: &[u8]) -> Option<Digest> {
        if hex.len() > 128 {
            return None;
        }
        Digest::new(&data_encoding::HEXLOWER_PERMISSIVE.decode(hex).ok()?)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Digests of one source, by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests(BTreeMap<Algorithm, Digest>);

impl Digests {
    /// The digest of an algorithm, if it was asked for.
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        self.0.get(&algorithm).copied()
    }

    /// All of them, in the order of [`Algorithm`].
    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, Digest)> + '_ {
        self.0.iter().map(|(algorithm, digest)| (*algorithm, *digest))
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Algorithm, Digest)> for Digests {
    fn from_iter<I: IntoIterator<Item = (Algorithm, Digest)>>(digests: I) -> Self {
        Digests(digests.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::from_name(&algorithm.name().to_ascii_uppercase()), Some(algorithm));
        }
        for (name, algorithm) in [("SHA-256", Algorithm::Sha256), ("BLAKE2b", Algorithm::Blake2b512)] {
            assert_eq!(Algorithm::from_name(name), Some(algorithm));
        }
        for name in ["", "sha", "sha1", "sha-384", "blake2s", "crc32"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn hex_is_strict() {
        let digest = Digest::from_hex(b"00fFa0").unwrap();
        assert_eq!((digest.as_bytes(), digest.to_string().as_str()), (&[0, 0xff, 0xa0][..], "00ffa0"));
        let long = "0".repeat(130);
        for hex in ["", "0", "0g", " 00", "00\n", long.as_str()] {
            assert_eq!(Digest::from_hex(hex.as_bytes()), None, "{hex:?}");
        }
    }
}
