//! Private keys: PKCS#8 and SEC1 in PEM, encrypted ones by PBES2 (RFC 8018) as OpenSSL and Python write them.
//!
//! Keys are made, read and checked by the backend; signatures have the nonce of RFC 6979 (`super::ecdsa`), so that the same
//! bytes and key give the same signature.

use super::der::{self, Der, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE};
use super::ecdsa;
use super::key::{Curve, PublicKey};
use super::pem;
use aws_lc_rs::cipher::UnboundCipherKey;
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair};
use std::num::NonZeroU32;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0c];
/// hmacWithSHA1 and its siblings differ in the last byte.
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
const AES_128_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a];
/// Rounds that are written, and the most that are read: a key file must not stall its owner for hours.
const ROUNDS: u32 = 600_000;
const MOST_ROUNDS: u32 = 50_000_000;

/// A private key, to sign with.
#[derive(Debug)]
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

fn algorithm(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &lc::ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &lc::ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

impl PrivateKey {
    /// Makes a new key. `None` where the system gives no random numbers.
    pub fn generate(curve: Curve) -> Option<PrivateKey> {
        PrivateKey::of(curve, EcdsaKeyPair::generate(algorithm(curve)).ok()?)
    }
    fn of(curve: Curve, pair: EcdsaKeyPair) -> Option<PrivateKey> {
        let public = PublicKey::new(curve, pair.public_key().as_ref())?;
        Some(PrivateKey { pair, public })
    }
    /// True if the first key of a PEM text is encrypted.
    pub fn is_encrypted(text: &[u8]) -> bool {
        pem::parse(text).is_ok_and(|blocks| blocks.iter().any(|block| block.label == "ENCRYPTED PRIVATE KEY"))
    }
    /// Reads the first private key of a PEM text. `Err` says in words why not.
    pub fn from_pem(text: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKey, String> {
        let blocks = pem::parse(text)?;
        let block = blocks
            .iter()
            .find(|block| block.label.ends_with("PRIVATE KEY"))
            .ok_or_else(|| "it holds no private key".to_owned())?;
        if block.headers {
            return Err("it is encrypted in the old way; convert it with `openssl pkcs8 -topk8`".to_owned());
        }
        let der = match (block.label.as_str(), passphrase) {
            ("ENCRYPTED PRIVATE KEY", Some(passphrase)) => decrypt(&block.der, passphrase)?,
            ("ENCRYPTED PRIVATE KEY", None) => return Err("it is encrypted, and there is no passphrase".to_owned()),
            _ => block.der.clone(),
        };
        Curve::ALL
            .into_iter()
            .find_map(|curve| {
                let pair = EcdsaKeyPair::from_private_key_der(algorithm(curve), &der).ok()?;
                PrivateKey::of(curve, pair)
            })
            .ok_or_else(|| "it is not an elliptic-curve key on P-256, P-384 or P-521".to_owned())
    }
    /// The key in PKCS#8 PEM, encrypted if there is a passphrase. `None` where the backend fails.
    pub fn pem(&self, passphrase: Option<&[u8]>) -> Option<String> {
        let pkcs8 = self.pair.to_pkcs8v1().ok()?;
        Some(match passphrase {
            Some(passphrase) => pem::block("ENCRYPTED PRIVATE KEY", &encrypt(pkcs8.as_ref(), passphrase)?),
            None => pem::block("PRIVATE KEY", pkcs8.as_ref()),
        })
    }
    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
    /// Signs with the hash of the curve; DER, the same each time. `None` where the backend does not give the key.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let scalar = self.pair.private_key().as_be_bytes().ok()?;
        ecdsa::sign(self.public.curve(), scalar.as_ref(), message)
    }
}

/// EncryptedPrivateKeyInfo with PBES2, PBKDF2 and AES-CBC.
fn decrypt(info: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, String> {
    let Locked { prf, salt, rounds, aes, iv, mut content } = Locked::read(info)
        .ok_or_else(|| "it is encrypted in a way that is not read (PBES2 with AES-CBC is)".to_owned())?;
    if rounds.get() > MOST_ROUNDS {
        return Err(format!("its passphrase is to be hashed more than {MOST_ROUNDS} times"));
    }
    let mut key = vec![0; aes.key_len()];
    pbkdf2::derive(prf, rounds, &salt, passphrase, &mut key);
    let wrong = |_| "the passphrase is wrong".to_owned();
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes.cipher(), &key).map_err(wrong)?);
    let plain = key.map_err(wrong)?.decrypt(&mut content, DecryptionContext::Iv128(iv)).map_err(wrong)?;
    // a wrong passphrase may leave a padding that fits by chance
    der::only(plain, SEQUENCE).ok_or_else(|| "the passphrase is wrong".to_owned())?;
    Ok(plain.to_owned())
}

#[derive(Clone, Copy)]
enum Aes {
    Aes128,
    Aes256,
}

impl Aes {
    fn key_len(self) -> usize {
        match self {
            Aes::Aes128 => 16,
            Aes::Aes256 => 32,
        }
    }
    fn cipher(self) -> &'static aws_lc_rs::cipher::Algorithm {
        match self {
            Aes::Aes128 => &AES_128,
            Aes::Aes256 => &AES_256,
        }
    }
}

/// What an EncryptedPrivateKeyInfo holds.
struct Locked {
    prf: pbkdf2::Algorithm,
    salt: Vec<u8>,
    rounds: NonZeroU32,
    aes: Aes,
    iv: FixedLength<16>,
    content: Vec<u8>,
}

impl Locked {
    fn read(info: &[u8]) -> Option<Locked> {
        let mut info = Der(der::only(info, SEQUENCE)?);
        let mut how = Der(info.take(SEQUENCE)?);
        let content = info.take(OCTET_STRING)?.to_owned();
        if how.take(OID)? != PBES2 {
            return None;
        }
        let mut schemes = Der(how.take(SEQUENCE)?);
        let mut derivation = Der(schemes.take(SEQUENCE)?);
        let mut encryption = Der(schemes.take(SEQUENCE)?);
        if derivation.take(OID)? != PBKDF2 {
            return None;
        }
        let mut parameters = Der(derivation.take(SEQUENCE)?);
        let salt = parameters.take(OCTET_STRING)?.to_owned();
        let rounds = NonZeroU32::new(der::small(parameters.take(INTEGER)?)?)?;
        parameters.take(INTEGER); // the length of the key, which the cipher tells
        let prf = match parameters.take(SEQUENCE) {
            None => pbkdf2::PBKDF2_HMAC_SHA1,
            Some(prf) => match Der(prf).take(OID)?.strip_prefix(HMAC)? {
                [7] => pbkdf2::PBKDF2_HMAC_SHA1,
                [9] => pbkdf2::PBKDF2_HMAC_SHA256,
                [10] => pbkdf2::PBKDF2_HMAC_SHA384,
                [11] => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return None,
            },
        };
        let aes = match encryption.take(OID)? {
            AES_128_CBC => Aes::Aes128,
            AES_256_CBC => Aes::Aes256,
            _ => return None,
        };
        let iv: [u8; 16] = encryption.take(OCTET_STRING)?.try_into().ok()?;
        Some(Locked { prf, salt, rounds, aes, iv: FixedLength::from(iv), content })
    }
}

fn encrypt(pkcs8: &[u8], passphrase: &[u8]) -> Option<Vec<u8>> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).ok()?;
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::new(ROUNDS)?, &salt, passphrase, &mut key);
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).ok()?).ok()?;
    let mut content = pkcs8.to_owned();
    let DecryptionContext::Iv128(iv) = key.encrypt(&mut content).ok()? else { return None };
    let [a, b, c] = [ROUNDS >> 16, ROUNDS >> 8 & 0xff, ROUNDS & 0xff].map(|byte| byte as u8);
    let sequence = |parts: &[Vec<u8>]| der::element(SEQUENCE, &parts.concat());
    let prf = sequence(&[der::element(OID, &[HMAC, &[9]].concat()), der::element(NULL, &[])]);
    let parameters = sequence(&[der::element(OCTET_STRING, &salt), der::element(INTEGER, &[a, b, c]), prf]);
    let derivation = sequence(&[der::element(OID, PBKDF2), parameters]);
    let encryption = sequence(&[der::element(OID, AES_256_CBC), der::element(OCTET_STRING, iv.as_ref())]);
    let how = sequence(&[der::element(OID, PBES2), sequence(&[derivation, encryption])]);
    Some(sequence(&[how, der::element(OCTET_STRING, &content)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_verify() {
        for curve in Curve::ALL {
            let key = PrivateKey::generate(curve).unwrap();
            let pem = key.pem(None).unwrap();
            let again = PrivateKey::from_pem(pem.as_bytes(), None).unwrap();
            assert_eq!(again.public(), key.public());
            let signature = again.sign(b"message").unwrap();
            assert_eq!(key.sign(b"message").unwrap(), signature, "the same each time");
            assert!(key.public().verifies(b"message", &signature), "{}", curve.name());
            assert!(!key.public().verifies(b"massage", &signature));
        }
    }

    #[test]
    fn encrypted_keys_need_their_passphrase() {
        let key = PrivateKey::generate(Curve::P384).unwrap();
        let pem = key.pem(Some(b"correct horse")).unwrap();
        assert!(PrivateKey::is_encrypted(pem.as_bytes()));
        assert_eq!(PrivateKey::from_pem(pem.as_bytes(), Some(b"correct horse")).unwrap().public(), key.public());
        assert_eq!(PrivateKey::from_pem(pem.as_bytes(), Some(b"wrong")).unwrap_err(), "the passphrase is wrong");
        assert!(PrivateKey::from_pem(pem.as_bytes(), None).is_err());
    }
}
