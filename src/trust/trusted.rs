//! Whom the user trusts, as a call or a command line names it: files and names. Reads the files, at most [`LARGEST`] bytes
//! of each.

use super::verify::Anchor;
use super::{Certificate, PublicKey, untrusted};
use crate::error::Error;
use crate::manifest::oms::Refusal;
use crate::source::{FileSource, OpenOptions, ReadAt};
use std::path::{Path, PathBuf};

/// Largest key, certificate or trusted root that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A key, or authorities, or an identity with its issuer; nobody by default.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// A public key, PEM.
    pub key: Option<PathBuf>,
    /// Certificates of authorities, or of signers themselves, PEM.
    pub ca: Vec<PathBuf>,
    /// The subject that a certificate of `ca` must have.
    pub subject: Option<String>,
    /// The alternative name that a certificate of `ca` must have.
    pub san: Option<String>,
    /// The identity of keyless signatures.
    pub identity: Option<String>,
    /// Who vouches for `identity`.
    pub issuer: Option<String>,
    /// `trusted_root.json` for `identity`; the public good instance's is compiled in.
    pub trusted_root: Option<PathBuf>,
}

impl Trusted {
    /// Whose signatures count; `None` where nobody is named. A file that holds nothing to trust is a refusal, the inner
    /// error: then nothing is proven.
    ///
    /// # Errors
    /// [`Error::Usage`] for names that do not go together, and for a file that cannot be read.
    pub fn anchor(&self) -> Result<Result<Option<Anchor>, Refusal>, Error> {
        let usage = |why: &str| Err(Error::Usage(why.to_owned()));
        let kinds = [self.key.is_some(), !self.ca.is_empty(), self.identity.is_some() || self.issuer.is_some()];
        if kinds.into_iter().filter(|named| *named).count() > 1 {
            return usage("a key, authorities and an identity exclude each other: name one of them");
        }
        if (self.subject.is_some() || self.san.is_some()) && self.ca.is_empty() {
            return usage("subject and alternative name are those of a certificate: name its authority");
        }
        if self.trusted_root.is_some() && self.identity.is_none() {
            return usage("a trusted root is for an identity, and none is named");
        }
        if let Some(path) = &self.key {
            let key = PublicKey::from_pem(&read("key", path)?);
            return Ok(key.map(Anchor::Key).map(Some).map_err(|why| refused(path, &why)));
        }
        if !self.ca.is_empty() {
            let mut certificates = Vec::new();
            for path in &self.ca {
                match Certificate::from_pem(&read("authority", path)?) {
                    Ok(found) => certificates.extend(found),
                    Err(why) => return Ok(Err(refused(path, &why))),
                }
            }
            let (subject, san) = (self.subject.clone(), self.san.clone());
            return Ok(Ok(Some(Anchor::Authorities { certificates, subject, san })));
        }
        match (&self.identity, &self.issuer) {
            (None, None) => Ok(Ok(None)),
            (Some(identity), Some(issuer)) => self.keyless(identity, issuer).map(|anchor| Ok(Some(anchor))),
            _ => usage("identity and issuer belong together: one without the other trusts nobody"),
        }
    }

    #[cfg(feature = "sigstore")]
    fn keyless(&self, identity: &str, issuer: &str) -> Result<Anchor, Error> {
        let text = self.trusted_root.as_ref().map(|path| {
            let not_utf8 = |_| Error::Usage(format!("the trusted root {} is not UTF-8", path.display()));
            String::from_utf8(read("trusted root", path)?).map_err(not_utf8)
        });
        Ok(Anchor::Identity {
            identity: identity.to_owned(),
            issuer: issuer.to_owned(),
            trusted_root: text.transpose()?,
        })
    }

    #[cfg(not(feature = "sigstore"))]
    fn keyless(&self, _: &str, _: &str) -> Result<Anchor, Error> {
        Err(Error::Usage("this mverify was built without keyless signatures (feature sigstore)".to_owned()))
    }
}

fn refused(path: &Path, why: &str) -> Refusal {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    untrusted(format!("{name}: {why}"))
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::Usage(format!("cannot read the {what} {}: {why}", path.display()));
    let options = OpenOptions { max_file_bytes: LARGEST, ..OpenOptions::default() };
    let file = FileSource::open(path, &options).map_err(|error| failed(error.reason()))?;
    file.copy(0..file.len()).map(|bytes| bytes.into_owned()).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_an_error() {
        assert!(matches!(Trusted::default().anchor(), Ok(Ok(None))));
        let some = || Some("x".to_owned());
        let path = || Some(PathBuf::from("/no/such/file"));
        for wrong in [
            Trusted { key: path(), ca: vec!["x".into()], ..Trusted::default() },
            Trusted { key: path(), identity: some(), ..Trusted::default() },
            Trusted { key: path(), ..Trusted::default() },
            Trusted { identity: some(), ..Trusted::default() },
            Trusted { issuer: some(), ..Trusted::default() },
            Trusted { subject: some(), ..Trusted::default() },
            Trusted { trusted_root: path(), ..Trusted::default() },
        ] {
            assert!(matches!(wrong.anchor(), Err(Error::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_proves_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let named = file.path().to_owned();
        let key = Trusted { key: Some(named.clone()), ..Trusted::default() };
        assert!(matches!(key.anchor(), Ok(Err(_))));
        let ca = Trusted { ca: vec![named], ..Trusted::default() };
        assert!(matches!(ca.anchor(), Ok(Err(_))));
    }
}
