//! Attestations of provenance: in-toto statements that say by digest where files come from (SLSA, GitHub).
//!
//! Unlike a manifest they speak about single files and say nothing about others. A file counts as attested if its SHA-256
//! is that of a subject, whatever the name: builders name subjects by their own paths. A subject with the name of the file
//! and another digest contradicts it. Only statements of provenance and of releases count; a statement that tests failed
//! is signed as well. Linear in the statement.

use super::oms::value::{Object, Value};
use super::oms::{Refusal, malformed, two_readings};
use crate::digest::Digest;
use crate::finding::shown;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Statement types: of in-toto 1.0, and of before.
pub(super) const STATEMENT_TYPES: [&str; 2] = [super::oms::STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"];
/// Subjects that are read; a statement with more is refused.
const MOST: usize = 1_000_000;

/// What an attestation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The type of the predicate, as in `https://slsa.dev/provenance/v1`.
    pub predicate_type: String,
    /// The digests of each subject's name; of files whose name is given as a path, its last part.
    names: BTreeMap<String, Vec<Digest>>,
    digests: HashSet<Digest>,
    /// The first digest: what a keyless verification looks for.
    first: Digest,
}

/// What an attestation says about one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It has a subject of this content.
    Attested,
    /// It has a subject of this name, with another content: this one.
    Contradicted(Digest),
}

/// True for the types of predicates that say where something comes from.
pub(super) fn is_provenance(predicate_type: &str) -> bool {
    let version = predicate_type
        .strip_prefix("https://slsa.dev/provenance/v")
        .or_else(|| predicate_type.strip_prefix("https://in-toto.io/attestation/release/v"));
    version
        .is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Reads the subjects of a statement of provenance.
pub(super) fn read(statement: &Object<'_>, predicate_type: &str) -> Result<Attestation, Refusal> {
    let subjects = statement.need("subject")?.list("the subject")?;
    if subjects.len() > MOST {
        return Err(malformed(format!("the statement has more than {MOST} subjects")));
    }
    // a predicate must be there; what it says in detail is not relied on
    statement.need("predicate")?.object("the predicate")?;
    let (mut names, mut digests, mut first) = (BTreeMap::<String, Vec<Digest>>::new(), HashSet::new(), None);
    for subject in subjects {
        let subject = subject.object("a subject")?;
        let Some(digest) = sha256(subject.need("digest")?)? else { continue };
        first = first.or(Some(digest));
        digests.insert(digest);
        let name = subject.get("name").map_or(Ok(""), |name| name.text("the name of a subject"))?;
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        if !last.is_empty() {
            names.entry(last.to_owned()).or_default().push(digest);
        }
    }
    let first = first.ok_or_else(|| malformed("no subject of the statement has a SHA-256"))?;
    Ok(Attestation { predicate_type: predicate_type.to_owned(), names, digests, first })
}

/// The SHA-256 of a subject; `None` for one that is known by other digests only.
fn sha256(digests: &Value<'_>) -> Result<Option<Digest>, Refusal> {
    let Some(hex) = digests.object("the digest of a subject")?.get("sha256") else { return Ok(None) };
    let hex = hex.text("the SHA-256 of a subject")?;
    let lower = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let digest = if lower { Digest::from_hex(hex.as_bytes()) } else { None };
    digest.map(Some).ok_or_else(|| two_readings(format!("{} is not a SHA-256 in lower-case hex", shown(hex))))
}

impl Attestation {
    /// How many contents it attests.
    pub fn subjects(&self) -> usize {
        self.digests.len()
    }
    /// What it says about a file of this name and SHA-256; `None` for nothing.
    pub fn about(&self, path: &Path, sha256: &Digest) -> Option<Says> {
        if self.digests.contains(sha256) {
            return Some(Says::Attested);
        }
        let named = self.names.get(path.file_name()?.to_str()?)?;
        named.first().map(|other| Says::Contradicted(*other))
    }

    /// A digest that the statement names.
    pub fn first(&self) -> &Digest {
        &self.first
    }

    /// Number of different contents it names.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Never: a statement without subjects is refused.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::oms::{Statement, read as statement};
    use serde_json::{Value as Json, json};

    fn of(statement: &Json) -> Result<Attestation, Refusal> {
        match super::super::oms::read(statement.to_string().as_bytes(), false)? {
            Statement::Attestation(attestation) => Ok(attestation),
            Statement::Manifest(_) => panic!("a manifest"),
        }
    }

    fn good() -> Json {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": "dist/w.safetensors", "digest": {"sha256": "ab".repeat(32), "sha512": "x"}},
                {"name": "pkg:x", "digest": {"gitCommit": "cd"}},
                {"digest": {"sha256": "cd".repeat(32)}},
            ],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": {}},
        })
    }

    #[test]
    fn content_counts_and_a_name_with_another_content_contradicts() {
        let attestation = of(&good()).unwrap();
        let digest = |hex: &str| Digest::from_hex(hex.repeat(32).as_bytes()).unwrap();
        let about = |name: &str, hex: &str| attestation.about(Path::new(name), &digest(hex));
        assert_eq!(about("m/w.safetensors", "ab"), Some(Says::Attested));
        assert_eq!(about("m/other", "cd"), Some(Says::Attested));
        assert_eq!(about("m/w.safetensors", "ee"), Some(Says::Contradicted(digest("ab"))));
        assert_eq!(about("m/w.safetensors", "cd"), Some(Says::Attested), "the content of another subject");
        assert_eq!(about("m/other", "ee"), None);
        assert_eq!(attestation.len(), 2);
        let mut old = good();
        old["_type"] = json!("https://in-toto.io/Statement/v0.1");
        old["predicateType"] = json!("https://slsa.dev/provenance/v0.2");
        assert!(of(&old).is_ok());
    }

    #[test]
    fn other_statements_do_not_count() {
        let changed = |change: &dyn Fn(&mut Json)| {
            let mut statement = good();
            change(&mut statement);
            of(&statement).is_err()
        };
        assert!(changed(&|s| s["predicateType"] = json!("https://in-toto.io/attestation/test-result/v0.1")));
        assert!(changed(&|s| s["predicateType"] = json!("https://slsa.dev/provenance/v1/x")));
        assert!(changed(&|s| s["predicateType"] = json!("https://slsa.dev/verification_summary/v1")));
        assert!(changed(&|s| s["_type"] = json!("https://in-toto.io/Link/v1")));
        assert!(changed(&|s| s["subject"] = json!([])));
        assert!(changed(&|s| s["subject"] = json!([{"name": "x", "digest": {"sha1": "ab"}}])));
        assert!(changed(&|s| s["subject"][0]["digest"]["sha256"] = json!("AB".repeat(32))));
        assert!(changed(&|s| s["subject"][0]["digest"]["sha256"] = json!("ab")));
        assert!(changed(&|s| s["predicate"] = json!(null)));
        let twice = good().to_string().replacen("{\"_type\"", "{\"_type\":\"x\",\"_type\"", 1);
        assert!(statement(twice.as_bytes(), false).is_err());
    }
}
