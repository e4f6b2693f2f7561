//! Signed manifests of OpenSSF Model Signing: the in-toto statement inside a bundle, read strictly, and what it expects.
//!
//! The order of trust: the bytes of the payload are verified first (`crate::trust`), and only the manifest parsed from
//! those same bytes is compared with the model. Linear in the size of the statement; nothing here opens a file.
//!
//! Threat: a correctly signed statement that two verifiers understand differently, or that leaves room (holes between
//! shards, paths that are ignored, names that lead outside) for content that nobody signed.

pub(crate) mod name;
mod shards;
mod statement;
pub(crate) mod value;

use crate::digest::{Algorithm, Digest, Sharding};
use crate::rule::{Rule, trust};
use std::collections::BTreeMap;
use std::ops::Range;

pub use statement::{Statement, parse, read};

/// The payload type of every statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate type that is written; any `v1.<number>` is read.
pub const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
/// The predicate type of before version 1.0.
pub const LEGACY_PREDICATE_TYPE: &str = "https://model_signing/Digests/v0.1";

/// Why a signed manifest is not relied on: the rule it meets, and one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule.
    pub rule: &'static Rule,
    /// One sentence in plain words.
    pub message: String,
}

impl Refusal {
    /// A refusal by `rule`.
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Refusal { rule, message: message.into() }
    }
}

pub(crate) fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::MALFORMED, message)
}

pub(crate) fn two_readings(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::TWO_READINGS, message)
}

pub(crate) fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::UNSUPPORTED, message)
}

/// What a statement expects of a model. Whether anybody trustworthy said so is not its business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The algorithm of every digest: SHA-256, BLAKE2b-512 or BLAKE3.
    pub algorithm: Algorithm,
    /// What each file must be, by name. A single-file model may have the name `.`.
    pub entries: BTreeMap<String, Expected>,
    /// Bytes of a shard, where files are listed in shards.
    pub shard_size: Option<u64>,
    /// Paths that the signer left out, a claim; normalised, none of them covers an entry.
    pub ignored: Vec<String>,
    /// True if links were followed when the model was signed.
    pub allow_symlinks: bool,
    /// SHA-256 over the digests in the order of the statement. None in the form of before version 1.0.
    pub root: Option<Digest>,
    /// Name of the model, for people only.
    pub subject: String,
}

impl Manifest {
    /// True if the same files pass both.
    pub fn expects_the_same(&self, other: &Manifest) -> bool {
        self.algorithm == other.algorithm
            && self.allow_symlinks == other.allow_symlinks
            && self.ignored == other.ignored
            && self.entries == other.entries
    }

    /// True if the signer says to have left out the file of this name.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|path| name::covers(path, name))
    }

    /// The file that it lists, if that is the only one.
    pub fn only(&self) -> Option<(&str, &Expected)> {
        let mut entries = self.entries.iter();
        let (Some((name, expected)), None) = (entries.next(), entries.next()) else { return None };
        Some((name, expected))
    }
    /// True if it lists nothing but a file of this name, or one without a name (`.`).
    pub fn is_of(&self, name: &str) -> bool {
        self.only().is_some_and(|(only, _)| only == "." || only == name)
    }

    /// True if it lists files in shards.
    pub fn is_sharded(&self) -> bool {
        self.shard_size.is_some()
    }
    /// How the file must be cut to be compared with its shards; `None` for one that is listed as a whole.
    pub fn sharding(&self, expected: &Expected) -> Option<Sharding> {
        let (size, end) = self.shard_size.zip(expected.len())?;
        Some(Sharding { algorithm: self.algorithm, size, end })
    }
}

/// What is expected of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The digest of all its bytes.
    Whole(Digest),
    /// Digests of its parts, in order, without gaps; the last part ends where the file ends.
    Shards(Vec<Shard>),
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The bytes it covers.
    pub range: Range<u64>,
    /// Their digest.
    pub digest: Digest,
}

impl Expected {
    /// The length that the file must have, where the manifest tells.
    pub fn len(&self) -> Option<u64> {
        match self {
            Expected::Whole(_) => None,
            Expected::Shards(shards) => Some(shards.last().map_or(0, |last| last.range.end)),
        }
    }
    /// True if the file must be empty, as far as the manifest tells.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// The names under which manifests know an algorithm.
pub(crate) fn hash_name(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Sha256 => Some("sha256"),
        Algorithm::Blake2b512 => Some("blake2b"),
        Algorithm::Blake3 => Some("blake3"),
        _ => None,
    }
}

/// The algorithm of a `hash_type`.
pub(crate) fn hash_type(name: &str) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|algorithm| hash_name(*algorithm) == Some(name))
}
