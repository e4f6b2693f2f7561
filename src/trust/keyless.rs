//! Keyless signatures: a short-lived certificate for an identity, proven by a transparency log (Sigstore).
//!
//! The verification is that of the `sigstore-verify` crate, behind [`Verifier`] so that nothing else knows of it. It has
//! no network code in the form we build it. Trusted roots are those compiled in, or a file that the user names.

use super::bundle::{Bundle, Material};
use super::{untrusted, wrong};
use crate::digest::Digest;
use crate::finding::shown;
use crate::manifest::oms::{Expected, Refusal, Statement, malformed};

/// Who vouches for workflows of GitHub.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// Verifies a keyless bundle over an artifact of this SHA-256; gives the proven time of its entry in the log.
trait Verifier {
    fn verify(&self, bundle: &str, sha256: &Digest, identity: &str, issuer: &str) -> Result<Option<i64>, Refusal>;
}

/// Checks that `identity`, vouched for by `issuer`, signed the statement. `signed` is what the statement says, not yet
/// relied on: it only tells which of the statement's own digests to look for.
pub(super) fn verify(
    bundle: &Bundle<'_>,
    signed: &Statement,
    identity: &str,
    issuer: &str,
    trusted_root: Option<&str>,
) -> Result<Option<i64>, Refusal> {
    let text = std::str::from_utf8(bundle.text).map_err(|_| malformed("the bundle is not a text"))?;
    let subject = match signed {
        Statement::Attestation(attestation) => Some(*attestation.first()),
        Statement::Manifest(manifest) => manifest.root.or_else(|| match manifest.entries.values().next() {
            Some(Expected::Whole(digest)) => Some(*digest),
            _ => None,
        }),
    };
    let subject = subject.ok_or_else(|| malformed("the statement has no subject"))?;
    let logged = matches!(bundle.material, Material::Certificates { logged: true, .. });
    let github = !logged && (issuer == GITHUB || issuer.strip_prefix(GITHUB).is_some_and(|rest| rest.starts_with('/')));
    Sigstore::new(trusted_root, github)?.verify(text, &subject, identity, issuer)
}

/// The `sigstore-verify` crate with one trusted root.
struct Sigstore {
    verifier: sigstore_verify::Verifier,
    /// The root names a transparency log of signatures, which must then hold them.
    log: bool,
    /// The root names a log of certificates, which must then hold them.
    certificate_log: bool,
}

impl Sigstore {
    /// Without a root that was named it is the one compiled in: that of the public good instance or that of GitHub, whose
    /// private repositories are in no log and have a time stamp by GitHub instead.
    fn new(trusted_root: Option<&str>, github: bool) -> Result<Sigstore, Refusal> {
        use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
        let root = match trusted_root {
            None if github => TrustedRoot::from_embedded(SigstoreInstance::GitHub),
            None => TrustedRoot::from_embedded(SigstoreInstance::PublicGood),
            Some(text) => TrustedRoot::from_json(&plain_root(text)?),
        };
        let root = root.map_err(|error| untrusted(format!("the trusted root: {}", shown(&error.to_string()))))?;
        let (log, certificate_log) = (!root.tlogs.is_empty(), !root.ctlogs.is_empty());
        let verifier = sigstore_verify::Verifier::new(&root)
            .map_err(|error| untrusted(format!("the trusted root: {}", shown(&error.to_string()))))?;
        Ok(Sigstore { verifier, log, certificate_log })
    }
}

impl Verifier for Sigstore {
    fn verify(&self, bundle: &str, sha256: &Digest, identity: &str, issuer: &str) -> Result<Option<i64>, Refusal> {
        use sigstore_verify::types::{Bundle, Sha256Hash};
        use sigstore_verify::{Error, VerificationPolicy};
        let bundle = Bundle::from_json(bundle).map_err(|error| malformed(shown(&error.to_string())))?;
        let sha256 = Sha256Hash::from_hex(&sha256.to_string()).map_err(|error| malformed(error.to_string()))?;
        let mut policy = VerificationPolicy::new(identity, issuer);
        if !self.log {
            policy = policy.skip_tlog_unsafe();
        }
        if !self.certificate_log {
            policy = policy.skip_sct();
        }
        match self.verifier.verify(sha256, &bundle, &policy) {
            Ok(verified) if verified.verified_timestamps().is_empty() => {
                Err(untrusted("nothing proves when it was signed: neither a log nor a time stamp that the root names"))
            }
            Ok(proven) => {
                let logged = proven.integrated_time().or_else(|| proven.verified_timestamps().iter().min().copied());
                Ok(logged.map(|time| time.as_second()))
            }
            Err(Error::SignatureInvalid(why)) => Err(wrong(format!("the signature does not verify: {}", shown(&why)))),
            Err(error) => Err(untrusted(shown(&error.to_string()))),
        }
    }
}

/// The `trusted_root.json` inside a ClientTrustConfig, or the text itself.
fn plain_root(text: &str) -> Result<String, Refusal> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| malformed(format!("the trusted root is not JSON: {error}")))?;
    let inner = value.get("trustedRoot").filter(|inner| inner.is_object());
    Ok(inner.map_or_else(|| text.to_owned(), ToString::to_string))
}
