//! From the bytes of a statement to a [`Manifest`]. Fields that are unknown are ignored, as the specification demands of
//! descriptors; everything that is known must be as it should.

use super::value::{self, Object, Value};
use super::*;
use crate::finding::shown;
use crate::manifest::attestation::{self, Attestation};
use sha2::Digest as _;

/// What a signed statement may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A manifest of a model.
    Manifest(Manifest),
    /// Where files come from.
    Attestation(Attestation),
}

/// Reads a manifest. The form of before version 1.0 is only read with `allow_legacy`.
pub fn parse(payload: &[u8], allow_legacy: bool) -> Result<Manifest, Refusal> {
    match read(payload, allow_legacy)? {
        Statement::Manifest(manifest) => Ok(manifest),
        Statement::Attestation(_) => {
            Err(unsupported("it attests where files come from, and is no manifest of a model"))
        }
    }
}

/// Reads a statement: a manifest or an attestation of provenance.
pub fn read(payload: &[u8], allow_legacy: bool) -> Result<Statement, Refusal> {
    let value = value::parse(payload)?;
    let statement = value.object("the statement")?;
    let kind = statement.need_text("_type")?;
    let predicate_type = statement.need_text("predicateType")?;
    if attestation::STATEMENT_TYPES.contains(&kind) && attestation::is_provenance(predicate_type) {
        return attestation::read(statement, predicate_type).map(Statement::Attestation);
    }
    if kind != STATEMENT_TYPE {
        return Err(unsupported(format!("the statement is of type {}", shown(kind))));
    }
    manifest_of(statement, predicate_type, allow_legacy).map(Statement::Manifest)
}

fn manifest_of(statement: &Object<'_>, predicate_type: &str, allow_legacy: bool) -> Result<Manifest, Refusal> {
    let subjects = statement.need("subject")?.list("the subject")?;
    if predicate_type == LEGACY_PREDICATE_TYPE {
        if !allow_legacy {
            return Err(Refusal::new(&trust::LEGACY, "the manifest has the form of before version 1.0"));
        }
        return legacy(subjects);
    }
    let minor = predicate_type.strip_prefix("https://model_signing/signature/v1.");
    if !minor.is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())) {
        return Err(unsupported(format!("the predicate is of type {}", shown(predicate_type))));
    }
    let [subject] = subjects else { return Err(two_readings("the statement does not have exactly one subject")) };
    let subject = subject.object("the subject")?;
    let predicate = statement.need("predicate")?.object("the predicate")?;
    let mut manifest = manifest(predicate)?;
    let expected = digest(subject.need("digest")?.object("the digest of the subject")?, "sha256", Algorithm::Sha256)?;
    if manifest.root != Some(expected) {
        return Err(two_readings("the root digest is not that of the listed digests"));
    }
    manifest.subject = subject.get("name").map_or(Ok(""), |name| name.text("the name of the subject"))?.to_owned();
    Ok(manifest)
}

fn manifest(predicate: &Object<'_>) -> Result<Manifest, Refusal> {
    let how = predicate.need("serialization")?.object("the serialization")?;
    let hash = how.need_text("hash_type")?;
    let algorithm =
        hash_type(hash).ok_or_else(|| unsupported(format!("the hash type {} is not known", shown(hash))))?;
    let shard_size = match how.need_text("method")? {
        "files" => None,
        "shards" => Some(how.need("shard_size")?.count("the shard size")?),
        other => return Err(unsupported(format!("the method {} is not known", shown(other)))),
    };
    let listed = predicate.need("resources")?.list("the list of resources")?;
    if listed.is_empty() {
        return Err(two_readings("the manifest lists nothing"));
    }
    let mut root = sha2::Sha256::new();
    let mut whole: BTreeMap<String, Expected> = BTreeMap::new();
    let mut parts: BTreeMap<String, Vec<Shard>> = BTreeMap::new();
    for resource in listed {
        let resource = resource.object("a resource")?;
        let name = resource.need_text("name")?;
        let named = resource.need_text("algorithm")?;
        if named != hash && shard_size.is_none_or(|size| named != format!("{hash}-sharded-{size}")) {
            let (name, named) = (shown(name), shown(named));
            return Err(two_readings(format!(
                "{name} is listed with the algorithm {named}, the manifest is of {hash}"
            )));
        }
        let digest = digest(resource, "digest", algorithm)?;
        root.update(digest.as_bytes());
        let file = match shard_size {
            None => name,
            Some(_) => name::shard(name)?.0,
        };
        if !(file == "." && (listed.len() == 1 || shard_size.is_some())) {
            name::check(file)?;
        }
        if shard_size.is_some() {
            let (file, start, end) = name::shard(name)?;
            parts.entry(file.to_owned()).or_default().push(Shard { range: start..end, digest });
        } else if whole.insert(file.to_owned(), Expected::Whole(digest)).is_some() {
            return Err(two_readings(format!("{} is listed twice", shown(file))));
        }
    }
    for (name, shards) in parts {
        let shards = shards::assemble(&name, shards, shard_size.unwrap_or(u64::MAX))?;
        whole.insert(name, Expected::Shards(shards));
    }
    if whole.contains_key(".") && whole.len() > 1 {
        return Err(two_readings("the name . stands beside others"));
    }
    Ok(Manifest {
        algorithm,
        ignored: ignored(how, &whole)?,
        entries: whole,
        shard_size,
        allow_symlinks: how.get("allow_symlinks").map_or(Ok(false), |allow| allow.bool("allow_symlinks"))?,
        root: Digest::new(&root.finalize()),
        subject: String::new(),
    })
}

/// The paths the signer ignored. Those that cover a listed file are refused: a verifier that obeyed them would not check
/// what was signed.
fn ignored(how: &Object<'_>, entries: &BTreeMap<String, Expected>) -> Result<Vec<String>, Refusal> {
    let Some(paths) = how.get("ignore_paths") else { return Ok(Vec::new()) };
    let mut ignored = Vec::new();
    for path in paths.list("the list of ignored paths")? {
        let Some(path) = name::ignored(path.text("an ignored path")?)? else { continue };
        // entries below `path/` follow `path/` in order; `path` itself is looked up
        let below = format!("{path}/");
        let inside = entries.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below));
        if inside || entries.contains_key(&path) {
            return Err(two_readings(format!("the ignored path {} covers a listed file", shown(&path))));
        }
        ignored.push(path);
    }
    Ok(ignored)
}

/// The form of before version 1.0: the files are the subjects.
fn legacy(subjects: &[Value<'_>]) -> Result<Manifest, Refusal> {
    if subjects.is_empty() {
        return Err(two_readings("the manifest lists nothing"));
    }
    let mut entries = BTreeMap::new();
    for subject in subjects {
        let subject = subject.object("a subject")?;
        let name = subject.need_text("name")?;
        if !(name == "." && subjects.len() == 1) {
            name::check(name)?;
        }
        let digest = digest(subject.need("digest")?.object("the digest")?, "sha256", Algorithm::Sha256)?;
        if entries.insert(name.to_owned(), Expected::Whole(digest)).is_some() {
            return Err(two_readings(format!("{} is listed twice", shown(name))));
        }
    }
    Ok(Manifest {
        algorithm: Algorithm::Sha256,
        entries,
        shard_size: None,
        ignored: Vec::new(),
        allow_symlinks: false,
        root: None,
        subject: String::new(),
    })
}

/// A digest in lower-case hex, of the length that the algorithm has.
fn digest(object: &Object<'_>, member: &str, algorithm: Algorithm) -> Result<Digest, Refusal> {
    let hex = object.need_text(member)?;
    let lower = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let whole = lower && hex.len() == algorithm.size().saturating_mul(2);
    let digest = if whole { Digest::from_hex(hex.as_bytes()) } else { None };
    digest.ok_or_else(|| two_readings(format!("{} is not a {algorithm} digest in lower-case hex", shown(hex))))
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
