//! Elliptic-curve public keys: P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512, nothing else (OMS 1.0).

use super::der::{self, BIT_STRING, Der, OID, SEQUENCE};
use super::pem;
use crate::digest::Digest;
use aws_lc_rs::signature::{self as lc, EcdsaVerificationAlgorithm, UnparsedPublicKey};

pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256, with SHA-256.
    P256,
    /// NIST P-384, with SHA-384.
    P384,
    /// NIST P-521, with SHA-512.
    P521,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    /// The name, as in `p256`.
    pub fn name(self) -> &'static str {
        match self {
            Curve::P256 => "p256",
            Curve::P384 => "p384",
            Curve::P521 => "p521",
        }
    }
    pub(super) fn oid(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Curve::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }
    /// The name that bundles of before version 1.1 give to curve and hash.
    fn details(self) -> &'static str {
        match self {
            Curve::P256 => "PKIX_ECDSA_P256_SHA_256",
            Curve::P384 => "PKIX_ECDSA_P384_SHA_384",
            Curve::P521 => "PKIX_ECDSA_P521_SHA_512",
        }
    }
    fn point_size(self) -> usize {
        match self {
            Curve::P256 => 65,
            Curve::P384 => 97,
            Curve::P521 => 133,
        }
    }
    fn own_hash(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Curve::P256 => &lc::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &lc::ECDSA_P384_SHA384_ASN1,
            Curve::P521 => &lc::ECDSA_P521_SHA512_ASN1,
        }
    }
    fn sha256(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Curve::P256 => &lc::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &lc::ECDSA_P384_SHA256_ASN1,
            Curve::P521 => &lc::ECDSA_P521_SHA256_ASN1,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    curve: Curve,
    /// Uncompressed, `04 || x || y`.
    point: Vec<u8>,
}

impl PublicKey {
    /// Reads the first `PUBLIC KEY` of a PEM text. `Err` says in words why not.
    pub fn from_pem(text: &[u8]) -> Result<PublicKey, String> {
        let blocks = pem::parse(text)?;
        if let Some(block) = blocks.iter().find(|block| block.label == "PUBLIC KEY") {
            return PublicKey::from_spki(&block.der)
                .ok_or_else(|| "it is not an elliptic-curve key on P-256, P-384 or P-521".to_owned());
        }
        let labels: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
        Err(format!("it holds {}, not a PUBLIC KEY", crate::finding::shown(&labels.join(", "))))
    }
    /// Reads a DER SubjectPublicKeyInfo (RFC 5480).
    pub fn from_spki(spki: &[u8]) -> Option<PublicKey> {
        let mut spki = Der(der::only(spki, SEQUENCE)?);
        let mut algorithm = Der(spki.take(SEQUENCE)?);
        let point = der::bits(spki.take(BIT_STRING)?)?;
        spki.end()?;
        if algorithm.take(OID)? != EC_PUBLIC_KEY {
            return None;
        }
        let curve = algorithm.take(OID)?;
        algorithm.end()?;
        PublicKey::new(Curve::ALL.into_iter().find(|known| known.oid() == curve)?, point)
    }
    pub(super) fn new(curve: Curve, point: &[u8]) -> Option<PublicKey> {
        let whole = point.len() == curve.point_size() && point.first() == Some(&4);
        if whole { Some(PublicKey { curve, point: point.to_owned() }) } else { None }
    }
    pub(super) fn curve(&self) -> Curve {
        self.curve
    }
    /// A key as old bundles embed it: PEM, or its DER.
    pub(super) fn from_raw(raw: &[u8]) -> Option<PublicKey> {
        PublicKey::from_spki(raw).or_else(|| PublicKey::from_pem(raw).ok())
    }
    /// The DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        let algorithm = [der::element(OID, EC_PUBLIC_KEY), der::element(OID, self.curve.oid())].concat();
        let bits = [&[0], self.point.as_slice()].concat();
        der::element(SEQUENCE, &[der::element(SEQUENCE, &algorithm), der::element(BIT_STRING, &bits)].concat())
    }
    /// The PEM text.
    pub fn pem(&self) -> String {
        pem::block("PUBLIC KEY", &self.spki())
    }
    /// The name of the key in bundles: SHA-256 of its canonical PEM, in lower-case hex.
    pub fn hint(&self) -> String {
        Digest::sha256([self.pem().as_bytes()]).to_string()
    }
    /// The name of its curve and hash in bundles of before version 1.1.
    pub(super) fn details(&self) -> &'static str {
        self.curve.details()
    }
    /// True if `signature` (DER) is this key's over `message`, with the hash of its curve.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.check(self.curve.own_hash(), message, signature)
    }
    /// The same with SHA-256 whatever the curve, as model-signing v0.2.0 signed with certificates.
    pub(super) fn verifies_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        self.check(self.curve.sha256(), message, signature)
    }
    fn check(&self, algorithm: &'static EcdsaVerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl ecparam -name prime256v1 -genkey | openssl ec -pubout`.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERSsS9dWQLpOEESbnbJ/X++BH2qWi\nJg5cjIThvedNi6LnXl+5pkbRmalxawxjNZMvDO967j0F6FKnBNRm4N7LAA==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_is_written_as_it_was_read() {
        if let Ok(key) = PublicKey::from_pem(PEM.as_bytes()) {
            assert_eq!(key.pem(), PEM);
            assert_eq!(PublicKey::from_raw(&key.spki()), Some(key.clone()));
            // line ends and columns do not matter for the hint
            let other = PEM.replace('\n', "\r\n");
            assert_eq!(PublicKey::from_pem(other.as_bytes()).unwrap().hint(), key.hint());
        } else {
            panic!("the key was not read");
        }
    }

    #[test]
    fn other_keys_are_not_read() {
        let key = PublicKey::from_pem(PEM.as_bytes()).unwrap();
        let spki = key.spki();
        for at in 0..spki.len() - 65 {
            let mut other = spki.clone();
            other[at] ^= 1;
            assert_eq!(PublicKey::from_spki(&other), None, "byte {at}");
        }
        assert!(PublicKey::from_pem(PEM.replace("PUBLIC", "PRIVATE").as_bytes()).is_err());
    }
}
