//! From a signer's certificate to an authority that the user trusts.
//!
//! The path is the order in which the certificates come: each is issued by the next, up to the first that is trusted or
//! issued by a trusted one. No search, so no exponential one; at most [`LONGEST`] certificates, so at most that many
//! signatures per authority of the same name. Validity is checked at `now` for every certificate, the trusted one
//! included. Used for signed manifests and nowhere else.
//!
//! Threats: an expired or foreign certificate, an end-entity certificate that issues others, a path longer than its
//! issuer allowed, constraints that are not understood.

use super::certificate::Certificate;
use super::untrusted;
use crate::finding::shown;
use crate::manifest::oms::Refusal;

/// Certificates in a path, the trusted one included.
pub(super) const LONGEST: usize = 4;

/// Checks that `chain` (the signer's certificate first) leads to one of `anchors`, and that the signer may sign.
pub(super) fn check(chain: &[Certificate], anchors: &[Certificate], now: i64) -> Result<(), Refusal> {
    let path = path(chain, anchors)?;
    if path.len() > LONGEST {
        return Err(untrusted(format!("the path to a trusted authority is longer than {LONGEST} certificates")));
    }
    let mut below = 0_u32;
    for (index, certificate) in path.iter().enumerate() {
        let refuse = |why: &str| Err(untrusted(format!("the certificate of {} {why}", shown(certificate.subject()))));
        let extensions = &certificate.extensions;
        if now < certificate.not_before {
            return refuse("is not valid yet");
        }
        if now > certificate.not_after {
            return refuse("has expired");
        }
        if let Some(why) = extensions.unusable {
            return refuse(&format!("cannot be used: {why}"));
        }
        if index == 0 {
            if !(extensions.usage.is_some_and(|(sign, _)| sign) || extensions.code_signing) {
                return refuse("is for neither digital signatures nor code signing");
            }
            continue;
        }
        if !extensions.ca || extensions.usage.is_some_and(|(_, issue)| !issue) {
            return refuse("is not that of an authority");
        }
        if extensions.path_len.is_some_and(|most| below > most) {
            return refuse("does not allow so many authorities below it");
        }
        // RFC 5280, 6.1.4 (l): self-issued certificates do not count
        if certificate.subject != certificate.issuer {
            below = below.saturating_add(1);
        }
    }
    Ok(())
}

/// The certificates that matter: from the signer's to the trusted one.
fn path<'a>(chain: &'a [Certificate], anchors: &'a [Certificate]) -> Result<Vec<&'a Certificate>, Refusal> {
    if chain.len() > LONGEST {
        return Err(untrusted(format!("the bundle holds more than {LONGEST} certificates")));
    }
    let mut path: Option<Vec<&Certificate>> = None;
    let mut walked: Vec<&Certificate> = Vec::new();
    let mut rest = chain.iter().peekable();
    while let Some(certificate) = rest.next() {
        walked.push(certificate);
        if path.is_none() {
            if anchors.contains(certificate) {
                path = Some(walked.clone());
            } else if let Some(anchor) = anchors.iter().find(|anchor| certificate.is_issued_by(anchor)) {
                path = Some(walked.iter().copied().chain([anchor]).collect());
            }
        }
        // what follows the trusted one must belong to it too: a bundle has no idle parts
        if rest.peek().is_some_and(|next| !certificate.is_issued_by(next)) {
            return Err(untrusted("the certificates of the bundle do not follow each other"));
        }
    }
    path.ok_or_else(|| untrusted("the certificate was not issued by an authority that you named"))
}
