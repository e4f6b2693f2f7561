//! Verification of a bundle with what the user trusts.

use super::bundle::{Bundle, KeyNamed, Material};
use super::certificate::Certificate;
use super::key::PublicKey;
use super::{chain, dsse, untrusted, wrong};
use crate::finding::{Finding, shown};
use crate::manifest::oms::{self, Manifest, PAYLOAD_TYPE, Refusal, Statement};
use crate::report::Trust;
use crate::rule::trust as rule;

/// What the user trusts.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// A public key.
    Key(PublicKey),
    /// Certificate authorities. There are no others: no root of the web is ever trusted.
    Authorities {
        /// Their certificates, or those of signers themselves.
        certificates: Vec<Certificate>,
        /// The subject that the signer must have: the common name, or the whole name as RFC 4514 writes it.
        subject: Option<String>,
        /// The alternative name (e-mail address, URI, DNS name) that the signer must have.
        san: Option<String>,
    },
    /// An identity that an issuer vouches for, by the transparency log and authorities of a trusted root.
    #[cfg(feature = "sigstore")]
    Identity {
        /// The identity, as `name@example.org` or the URI of a workflow.
        identity: String,
        /// The issuer, as `https://accounts.google.com`.
        issuer: String,
        /// Text of a `trusted_root.json` or a ClientTrustConfig; `None` for the public good instance's, compiled in.
        trusted_root: Option<String>,
    },
}

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Reads the forms of before version 1.0 too.
    pub allow_legacy: bool,
    /// Seconds since 1970, for the validity of certificates.
    pub now: i64,
}

/// A verified statement: a manifest, unless something else is said.
#[derive(Clone, Debug)]
pub struct Verified<T = Manifest> {
    /// What is expected of the model.
    pub manifest: T,
    /// `Signed` by the anchor; without one only `SelfAsserted`.
    pub trust: Trust,
    /// The signer, in words.
    pub signer: Option<String>,
    /// When it was signed, in seconds since 1970, where a transparency log or a timestamp proves it.
    pub logged: Option<i64>,
    /// What else is worth knowing.
    pub findings: Vec<Finding>,
}

impl<T> Verified<T> {
    /// The same about something else that it says.
    pub(crate) fn map<U>(self, other: impl FnOnce(T) -> U) -> Verified<U> {
        let Verified { manifest, trust, signer, logged, findings } = self;
        Verified { manifest: other(manifest), trust, signer, logged, findings }
    }
}

/// Verifies the text of a bundle. Without an anchor the signature is checked with the key or certificate that the bundle
/// itself holds, where it holds one, and the result is only ever self-asserted.
///
/// # Errors
/// A [`Refusal`] says why the manifest is not relied on.
pub fn verify(text: &[u8], anchor: Option<&Anchor>, how: How) -> Result<Verified, Refusal> {
    let Verified { manifest, trust, signer, logged, findings } = verify_statement(text, anchor, how)?;
    match manifest {
        Statement::Manifest(manifest) => Ok(Verified { manifest, trust, signer, logged, findings }),
        Statement::Attestation(_) => Err(oms::unsupported("it attests where files come from, and is no manifest")),
    }
}

/// As [`verify()`], for bundles that may hold an attestation of provenance instead of a manifest.
///
/// # Errors
/// A [`Refusal`] says why the statement is not relied on.
pub fn verify_statement(text: &[u8], anchor: Option<&Anchor>, how: How) -> Result<Verified<Statement>, Refusal> {
    let bundle = Bundle::parse(text)?;
    let mut findings = Vec::new();
    let mut logged = None;
    let (trust, signer) = match (anchor, &bundle.material) {
        (Some(Anchor::Key(key)), Material::Key(named)) => {
            by_key(&bundle, named, key, how, &mut findings)?;
            (Trust::Signed, Some(format!("key {}", key.hint())))
        }
        (Some(Anchor::Authorities { certificates, subject, san }), Material::Certificates { chain, .. }) => {
            let signer = by_certificate(&bundle, chain, certificates, how)?;
            pinned(&signer, subject.as_deref(), san.as_deref())?;
            (Trust::Signed, Some(signer.to_string()))
        }
        #[cfg(feature = "sigstore")]
        (Some(Anchor::Identity { identity, issuer, trusted_root }), Material::Certificates { .. }) => {
            let signed = oms::read(&bundle.payload, how.allow_legacy)?;
            logged = super::keyless::verify(&bundle, &signed, identity, issuer, trusted_root.as_deref())?;
            (Trust::Signed, Some(format!("{} (vouched for by {})", shown(identity), shown(issuer))))
        }
        (Some(_), Material::Key(_)) => return Err(untrusted("the bundle is signed by a key, not with a certificate")),
        (Some(_), Material::Certificates { .. }) => {
            return Err(untrusted("the bundle is signed with a certificate, not by a key"));
        }
        (None, material) => (Trust::SelfAsserted, itself(&bundle, material, how)?),
    };
    // the statement that counts is the one in the bytes that were verified
    let manifest = oms::read(&bundle.payload, how.allow_legacy)?;
    Ok(Verified { manifest, trust, signer, logged, findings })
}

fn by_key(
    bundle: &Bundle<'_>,
    named: &KeyNamed,
    key: &PublicKey,
    how: How,
    findings: &mut Vec<Finding>,
) -> Result<(), Refusal> {
    current(bundle)?;
    let hint = key.hint();
    if !named.hint.is_empty() && named.hint != hint {
        return Err(untrusted(format!("the bundle names the key {}, yours is {hint}", shown(&named.hint))));
    }
    if named.raw.as_ref().is_some_and(|raw| PublicKey::from_raw(raw).as_ref() != Some(key)) {
        return Err(untrusted("the bundle holds another key than yours"));
    }
    if named.details.as_ref().is_some_and(|details| details != key.details()) {
        return Err(untrusted("the bundle names another kind of key than yours"));
    }
    signature(bundle, key, how, PublicKey::verifies)?;
    if named.hint.is_empty() && named.raw.is_none() {
        findings.push(Finding::new(&rule::NO_HINT, "the bundle does not name its key; yours verifies it"));
    }
    Ok(())
}

fn by_certificate(
    bundle: &Bundle<'_>,
    ders: &[Vec<u8>],
    anchors: &[Certificate],
    how: How,
) -> Result<Certificate, Refusal> {
    current(bundle)?;
    let mut certificates = certificates(ders)?;
    chain::check(&certificates, anchors, how.now)?;
    let signer = certificates.swap_remove(0);
    signature(bundle, &key_of(&signer)?, how, PublicKey::verifies_sha256)?;
    Ok(signer)
}

/// Checks a bundle against the key that it brings itself: proof of nothing but consistency.
fn itself(bundle: &Bundle<'_>, material: &Material, how: How) -> Result<Option<String>, Refusal> {
    match material {
        Material::Key(KeyNamed { raw: Some(raw), .. }) => {
            let key = PublicKey::from_raw(raw).ok_or_else(|| untrusted("the key in the bundle cannot be read"))?;
            signature(bundle, &key, how, PublicKey::verifies)?;
            Ok(Some(format!("key {}", key.hint())))
        }
        Material::Key(KeyNamed { hint, .. }) => Ok((!hint.is_empty()).then(|| format!("key {}", shown(hint)))),
        Material::Certificates { chain, .. } => {
            let signer = certificates(chain)?.swap_remove(0);
            signature(bundle, &key_of(&signer)?, how, PublicKey::verifies_sha256)?;
            Ok(Some(signer.to_string()))
        }
    }
}

/// Keys and certificate chains came with the media type of today from the start.
fn current(bundle: &Bundle<'_>) -> Result<(), Refusal> {
    if bundle.old { Err(oms::unsupported("the media type is that of an older, keyless bundle")) } else { Ok(()) }
}

/// Checks the signature. `legacy` is how it was made over the encoding of before version 1.0.
fn signature(
    bundle: &Bundle<'_>,
    key: &PublicKey,
    how: How,
    legacy: fn(&PublicKey, &[u8], &[u8]) -> bool,
) -> Result<(), Refusal> {
    if key.verifies(&dsse::pae(PAYLOAD_TYPE, &bundle.payload), &bundle.signature) {
        return Ok(());
    }
    match legacy(key, &dsse::legacy_pae(PAYLOAD_TYPE, &bundle.payload), &bundle.signature) {
        true if how.allow_legacy => Ok(()),
        true => Err(Refusal::new(&rule::LEGACY, "the signature has the form of before version 1.0")),
        false => Err(wrong("the signature does not verify")),
    }
}

fn certificates(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, Refusal> {
    if ders.len() > chain::LONGEST {
        return Err(untrusted(format!("the bundle holds more than {} certificates", chain::LONGEST)));
    }
    let read = ders.iter().map(|der| Certificate::from_der(der)).collect::<Option<Vec<_>>>();
    read.filter(|read| !read.is_empty()).ok_or_else(|| oms::malformed("a certificate cannot be read"))
}

fn key_of(signer: &Certificate) -> Result<PublicKey, Refusal> {
    PublicKey::from_spki(&signer.spki)
        .ok_or_else(|| oms::unsupported("the certificate's key is not an elliptic-curve key on P-256, P-384 or P-521"))
}

fn pinned(signer: &Certificate, subject: Option<&str>, san: Option<&str>) -> Result<(), Refusal> {
    if let Some(subject) = subject
        && signer.subject() != subject
        && signer.name.common.as_deref() != Some(subject)
    {
        return Err(untrusted(format!("the signer is {}", shown(signer.subject()))));
    }
    if let Some(san) = san
        && !signer.alternatives().iter().any(|name| name == san)
    {
        return Err(untrusted(format!("the signer's names are {}", shown(&signer.alternatives().join(", ")))));
    }
    Ok(())
}
