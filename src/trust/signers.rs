//! Signers of a policy: whether one of them signed a bundle, and when.
//!
//! Keys, authorities and identities come from the policy that the user named, and from nowhere else: what a bundle says
//! about its signer only chooses among them. A key that the policy knows by its SHA-256 alone may be brought by anybody.

use super::bundle::{Bundle, Material};
use super::certificate::Certificate;
use super::key::PublicKey;
use super::verify::{Anchor, How, Verified, verify};
use crate::digest::{Algorithm, Digest};
use crate::finding::shown;
use crate::manifest::oms::{Expected, Manifest, Refusal};
use crate::policy::glob::matches;
use crate::policy::{Deny, Model, Policy, Signer};
use crate::rule::{Effect, policy as rules};
use crate::source::{FileSource, OpenOptions, ReadAt};
use crate::walk::or_here;
use std::path::Path;

/// Key files beside a bundle that are looked into, and the bytes of each.
const KEYS: (usize, u64) = (32, 1 << 16);

/// A signature by a signer of the policy.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// The signer's name in the policy.
    pub(crate) signer: String,
    /// SHA-256 of the PEM of the key that signed.
    key: String,
    /// The root digest that it is over.
    root: Option<Digest>,
    /// The hash of the manifest.
    pub(crate) hash: Algorithm,
    /// Links may stand where the signer recorded that there are some.
    pub(crate) links: bool,
}

/// The most signers whose signatures are over one and the same root digest: nobody counts twice, by name or by key.
pub(crate) fn most<'a>(signatures: &[&'a Signature]) -> Vec<&'a str> {
    let mut most = Vec::new();
    for first in signatures {
        let mut counted: Vec<&Signature> = Vec::new();
        for one in signatures.iter().filter(|one| one.root.is_some() && one.root == first.root) {
            if counted.iter().all(|before| before.signer != one.signer && before.key != one.key) {
                counted.push(one);
            }
        }
        if counted.len() > most.len() {
            most = counted.iter().map(|one| one.signer.as_str()).collect();
        }
    }
    most
}

/// Whom a bundle names as its signer, in all the ways in which a policy may deny somebody. Not verified.
pub(crate) fn claimed(text: &[u8]) -> Vec<String> {
    let Ok(bundle) = Bundle::parse(text) else { return Vec::new() };
    match bundle.material {
        Material::Key(named) => {
            let raw = named.raw.as_deref().and_then(PublicKey::from_raw).map(|key| key.hint());
            raw.into_iter().chain(Some(named.hint).filter(|hint| !hint.is_empty())).collect()
        }
        Material::Certificates { chain, .. } => {
            let Some(leaf) = chain.first().and_then(|der| Certificate::from_der(der)) else { return Vec::new() };
            let mut names = leaf.alternatives().to_vec();
            names.push(leaf.subject().to_owned());
            names.extend(leaf.name.common.clone());
            names.extend(PublicKey::from_spki(&leaf.spki).map(|key| key.hint()));
            names
        }
    }
}

/// The refusal where the policy denies one of these names.
pub(crate) fn denied(deny: &Deny, names: &[String]) -> Option<Refusal> {
    let found = names.iter().find(|name| deny.signers.iter().any(|pattern| is_named(pattern, name)))?;
    Some(Refusal::new(&rules::SIGNER_DENIED, format!("the policy denies the signer {}", shown(found))))
}

/// True if a pattern matches a name of a signer; hex digits of a key in either case.
fn is_named(pattern: &str, name: &str) -> bool {
    let hint = pattern.len() == 64 && pattern.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hint { pattern.eq_ignore_ascii_case(name) } else { matches(pattern, name) }
}

/// The name of the key by which a bundle was verified.
pub(crate) fn key_of(anchor: &Anchor, text: &[u8]) -> Option<String> {
    Bundle::parse(text).ok().map(|bundle| key(anchor, &bundle)).filter(|name| !name.is_empty())
}

/// Looks for a signer, among those that these rules name, who signed the bundle. `None` where nobody did; `Err` where one
/// whom the bundle names did not, or not in time.
pub(crate) fn signed(
    policy: &Policy,
    models: &[&Model],
    text: &[u8],
    path: &Path,
    now: i64,
) -> Option<Result<(Verified, Signature), Refusal>> {
    let bundle = Bundle::parse(text).ok()?;
    let mut worst = None;
    for (name, model) in models.iter().flat_map(|model| model.signers.iter().map(move |name| (name.get_ref(), model))) {
        let Some(signer) = policy.signer.get(name) else { continue };
        let how = How { allow_legacy: model.allow_legacy, now };
        for anchor in anchors(signer, &bundle, path) {
            match verify(text, Some(&anchor), how) {
                Ok(verified) => match in_time(signer, name, verified.logged.unwrap_or(now)) {
                    Err(refusal) => worst = Some(refusal),
                    Ok(()) => {
                        let signature = Signature {
                            signer: name.clone(),
                            key: key(&anchor, &bundle),
                            root: verified.manifest.root.or_else(|| only(&verified.manifest)),
                            hash: verified.manifest.algorithm,
                            links: model.allow_symlinks,
                        };
                        if let Some(refusal) = denied(&policy.deny, std::slice::from_ref(&signature.key)) {
                            return Some(Err(refusal));
                        }
                        return Some(Ok((verified, signature)));
                    }
                },
                // a bundle that names nobody may well be somebody else's
                Err(refusal) if refusal.rule.effect == Effect::Bad && !claimed(text).is_empty() => {
                    worst = Some(refusal);
                }
                Err(_) => {}
            }
        }
    }
    worst.map(Err)
}

/// What of a signer can have signed this bundle.
fn anchors(signer: &Signer, bundle: &Bundle<'_>, path: &Path) -> Vec<Anchor> {
    let file = |index: usize| signer.files.get(index).map(Vec::as_slice);
    match (&bundle.material, &signer.key_sha256) {
        (Material::Key(named), Some(hint)) => {
            let hint = hint.get_ref().to_ascii_lowercase();
            let brought = named.raw.as_deref().and_then(PublicKey::from_raw).into_iter().chain(beside(path));
            brought.filter(|key| key.hint() == hint).take(1).map(Anchor::Key).collect()
        }
        (Material::Key(_), None) if signer.key.is_some() => {
            file(0).and_then(|pem| PublicKey::from_pem(pem).ok()).map(Anchor::Key).into_iter().collect()
        }
        (Material::Certificates { logged: false, .. }, None) if !signer.ca.is_empty() => {
            let certificates: Vec<Certificate> =
                signer.files.iter().filter_map(|pem| Certificate::from_pem(pem).ok()).flatten().collect();
            vec![Anchor::Authorities { certificates, subject: signer.subject.clone(), san: signer.san.clone() }]
        }
        #[cfg(feature = "sigstore")]
        (Material::Certificates { chain, .. }, None) => {
            let (Some(pattern), Some(issuer)) = (&signer.identity, &signer.issuer) else { return Vec::new() };
            let Some(leaf) = chain.first().and_then(|der| Certificate::from_der(der)) else { return Vec::new() };
            let root = file(0).map(|text| String::from_utf8_lossy(text).into_owned());
            if signer.trusted_root.is_some() && root.is_none() {
                return Vec::new();
            }
            let names = leaf.alternatives().iter().filter(|name| identity(pattern.get_ref(), name));
            let anchor = |name: &String| Anchor::Identity {
                identity: name.clone(),
                issuer: issuer.clone(),
                trusted_root: root.clone(),
            };
            names.map(anchor).collect()
        }
        _ => Vec::new(),
    }
}

/// True if a pattern of an identity matches: `*` for any characters but `/`.
#[cfg(feature = "sigstore")]
fn identity(pattern: &str, name: &str) -> bool {
    pattern.split('/').count() == name.split('/').count()
        && pattern.split('/').zip(name.split('/')).all(|(pattern, part)| matches(pattern, part))
}

/// Keys that lie beside a bundle.
fn beside(bundle: &Path) -> Vec<PublicKey> {
    let directory = bundle.parent().unwrap_or(Path::new(""));
    let entries = std::fs::read_dir(or_here(directory)).into_iter().flatten().filter_map(|entry| entry.ok());
    let mut paths: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "pub")).collect();
    paths.sort();
    let options = OpenOptions { max_file_bytes: KEYS.1, ..OpenOptions::default() };
    let read = |path: &std::path::PathBuf| {
        let file = FileSource::open(path, &options).ok()?;
        let text = file.copy(0..file.len()).ok()?;
        PublicKey::from_pem(&text).ok()
    };
    paths.iter().take(KEYS.0).filter_map(read).collect()
}

/// The name of the key that signed.
fn key(anchor: &Anchor, bundle: &Bundle<'_>) -> String {
    match (anchor, &bundle.material) {
        (Anchor::Key(key), _) => key.hint(),
        (_, Material::Certificates { chain, .. }) => {
            let leaf = chain.first().and_then(|der| Certificate::from_der(der));
            leaf.and_then(|leaf| PublicKey::from_spki(&leaf.spki)).map(|key| key.hint()).unwrap_or_default()
        }
        (_, Material::Key(named)) => named.hint.clone(),
    }
}

/// The digest that stands for the whole of a manifest without a root: that of its only file.
fn only(manifest: &Manifest) -> Option<Digest> {
    match manifest.only()? {
        (_, Expected::Whole(digest)) => Some(*digest),
        _ => None,
    }
}

/// A signature counts in the time of its signer: that in the transparency log where there is one, else now.
fn in_time(signer: &Signer, name: &str, at: i64) -> Result<(), Refusal> {
    let message = match (&signer.not_before, &signer.not_after) {
        (Some(moment), _) if moment.is_ahead(at) => format!("signatures by {} count from {moment} on", shown(name)),
        (_, Some(moment)) if moment.has_passed(at) => format!("signatures by {} counted until {moment}", shown(name)),
        _ => return Ok(()),
    };
    Err(Refusal::new(&rules::SIGNERS_MISSING, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(signer: &str, key: &str, root: u8) -> Signature {
        let root = Digest::new(&[root; 32]);
        Signature { signer: signer.into(), key: key.into(), root, hash: Algorithm::Sha256, links: false }
    }

    #[test]
    fn nobody_counts_twice() {
        let all = [
            signature("a", "1", 0),
            signature("a", "2", 0),
            signature("b", "1", 0),
            signature("c", "3", 1),
            signature("d", "4", 1),
        ];
        let most = |indices: &[usize]| super::most(&indices.iter().map(|i| &all[*i]).collect::<Vec<_>>()).len();
        assert_eq!(most(&[0, 1]), 1, "one name with two keys");
        assert_eq!(most(&[0, 2]), 1, "one key under two names");
        assert_eq!(most(&[0, 3]), 1, "two contents");
        assert_eq!(most(&[0, 3, 4]), 2);
        assert_eq!(most(&[]), 0);
    }
}
