//! X.509 certificates (RFC 5280), read once into the few facts that a signer's path needs.
//!
//! Linear; at most [`MOST_BYTES`]. Threat: an extension that forbids what we would allow. Critical extensions that are
//! not understood, and name constraints in any case, make a certificate unusable.

use super::der::{self, *};
use super::names::{self, Name};
use super::pem;
use crate::finding::shown;
use aws_lc_rs::signature as lc;
use std::fmt;

/// Largest certificate that is read.
const MOST_BYTES: usize = 64 << 10;
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// sha256WithRSAEncryption and its siblings differ in the last byte.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A certificate. Equal when all bytes are.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) der: Vec<u8>,
    signed: Vec<u8>,
    /// Content of the AlgorithmIdentifier.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    /// Names as they are encoded, for comparisons.
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) name: Name,
    /// Seconds since 1970, both inclusive.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) spki: Vec<u8>,
    pub(super) extensions: Extensions,
}

/// What the extensions say.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    pub(super) ca: bool,
    pub(super) path_len: Option<u32>,
    /// keyUsage: digitalSignature, keyCertSign.
    pub(super) usage: Option<(bool, bool)>,
    pub(super) code_signing: bool,
    pub(super) alternatives: Vec<String>,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    /// The reason why no path may hold this certificate.
    pub(super) unusable: Option<&'static str>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Certificate {
    /// All certificates of a PEM text. `Err` says in words why not.
    pub fn from_pem(text: &[u8]) -> Result<Vec<Certificate>, String> {
        let blocks = pem::parse(text)?;
        let found: Option<Vec<Certificate>> = blocks
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| Certificate::from_der(&block.der))
            .collect();
        match found {
            Some(found) if found.is_empty() => Err("it holds no CERTIFICATE".to_owned()),
            Some(found) => Ok(found),
            None => Err("it holds a certificate that cannot be read".to_owned()),
        }
    }

    /// Reads a DER certificate of version 3.
    pub fn from_der(bytes: &[u8]) -> Option<Certificate> {
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let mut outer = Der(der::only(bytes, SEQUENCE)?);
        let signed = outer.take_whole(SEQUENCE)?;
        let algorithm = outer.take(SEQUENCE)?;
        let signature = der::bits(outer.take(BIT_STRING)?)?;
        outer.end()?;
        let mut inner = Der(der::only(signed, SEQUENCE)?);
        if inner.take(context(0))? != [INTEGER, 1, 2] {
            return None;
        }
        inner.take(INTEGER)?;
        if inner.take(SEQUENCE)? != algorithm {
            return None;
        }
        let issuer = inner.take(SEQUENCE)?;
        let mut validity = Der(inner.take(SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = inner.take(SEQUENCE)?;
        let spki = inner.take_whole(SEQUENCE)?;
        // unique identifiers are long dead
        let extensions = match inner.is_empty() {
            true => Extensions::default(),
            false => Extensions::read(inner.take(context(3))?)?,
        };
        inner.end()?;
        Some(Certificate {
            der: bytes.to_owned(),
            signed: signed.to_owned(),
            algorithm: algorithm.to_owned(),
            signature: signature.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            name: names::name(subject)?,
            not_before,
            not_after,
            spki: spki.to_owned(),
            extensions,
        })
    }

    /// The subject as RFC 4514 writes it.
    pub fn subject(&self) -> &str {
        &self.name.text
    }
    /// E-mail addresses, DNS names and URIs of the subject.
    pub fn alternatives(&self) -> &[String] {
        &self.extensions.alternatives
    }

    /// True if `issuer` issued this certificate: names and key identifiers fit, and the signature verifies.
    pub(super) fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let keys_fit = match (&self.extensions.authority_key, &issuer.extensions.subject_key) {
            (Some(authority), Some(subject)) => authority == subject,
            _ => true,
        };
        self.issuer == issuer.subject && keys_fit && self.is_signed_with(&issuer.spki)
    }

    fn is_signed_with(&self, spki: &[u8]) -> bool {
        let mut algorithm = Der(&self.algorithm);
        let Some(oid) = algorithm.take(OID) else { return false };
        let parameters = algorithm.0;
        let scheme = Self::scheme(oid, parameters, spki);
        scheme.is_some_and(|(scheme, key)| {
            lc::UnparsedPublicKey::new(scheme, key).verify(&self.signed, &self.signature).is_ok()
        })
    }

    /// How to verify a signature by the key in `spki`, and the key as the backend wants it.
    fn scheme<'k>(
        oid: &[u8],
        parameters: &[u8],
        spki: &'k [u8],
    ) -> Option<(&'static dyn lc::VerificationAlgorithm, &'k [u8])> {
        let mut info = Der(der::only(spki, SEQUENCE)?);
        let mut algorithm = Der(info.take(SEQUENCE)?);
        let key = der::bits(info.take(BIT_STRING)?)?;
        info.end()?;
        let kind = algorithm.take(OID)?;
        let null = parameters == [NULL, 0] || parameters.is_empty();
        if let Some([hash]) = oid.strip_prefix(RSA)
            && null
            && kind == [RSA, &[1]].concat()
        {
            let scheme: &'static dyn lc::VerificationAlgorithm = match hash {
                11 => &lc::RSA_PKCS1_2048_8192_SHA256,
                12 => &lc::RSA_PKCS1_2048_8192_SHA384,
                13 => &lc::RSA_PKCS1_2048_8192_SHA512,
                _ => return None,
            };
            return Some((scheme, key));
        }
        if let Some([hash]) = oid.strip_prefix(ECDSA)
            && parameters.is_empty()
            && kind == super::key::EC_PUBLIC_KEY
        {
            let curve = algorithm.take(OID)?;
            use super::key::Curve;
            let curve = Curve::ALL.into_iter().find(|known| known.oid() == curve)?;
            let scheme: &'static dyn lc::VerificationAlgorithm = match (curve, hash) {
                (Curve::P256, 2) => &lc::ECDSA_P256_SHA256_ASN1,
                (Curve::P256, 3) => &lc::ECDSA_P256_SHA384_ASN1,
                (Curve::P256, 4) => &lc::ECDSA_P256_SHA512_ASN1,
                (Curve::P384, 2) => &lc::ECDSA_P384_SHA256_ASN1,
                (Curve::P384, 3) => &lc::ECDSA_P384_SHA384_ASN1,
                (Curve::P384, 4) => &lc::ECDSA_P384_SHA512_ASN1,
                (Curve::P521, 2) => &lc::ECDSA_P521_SHA256_ASN1,
                (Curve::P521, 3) => &lc::ECDSA_P521_SHA384_ASN1,
                (Curve::P521, 4) => &lc::ECDSA_P521_SHA512_ASN1,
                _ => return None,
            };
            return Some((scheme, key));
        }
        if oid == ED25519 && parameters.is_empty() && kind == ED25519 {
            return Some((&lc::ED25519, key));
        }
        None
    }
}

impl Extensions {
    fn read(content: &[u8]) -> Option<Extensions> {
        let mut list = Der(der::only(content, SEQUENCE)?);
        let mut read = Extensions::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !list.is_empty() {
            let mut extension = Der(list.take(SEQUENCE)?);
            let oid = extension.take(OID)?;
            let critical = match extension.take(BOOLEAN) {
                // DER leaves defaults out
                Some(content) => der::boolean(content).filter(|critical| *critical)?,
                None => false,
            };
            let value = extension.take(OCTET_STRING)?;
            extension.end()?;
            if seen.contains(&oid) {
                return None;
            }
            seen.push(oid);
            match oid {
                [0x55, 0x1d, 0x13] => (read.ca, read.path_len) = basic_constraints(value)?,
                [0x55, 0x1d, 0x0f] => read.usage = Some(key_usage(value)?),
                [0x55, 0x1d, 0x25] => read.code_signing = extended_usage(value)?,
                [0x55, 0x1d, 0x11] => read.alternatives = names::alternatives(value)?,
                [0x55, 0x1d, 0x0e] => read.subject_key = Some(der::only(value, OCTET_STRING)?.to_owned()),
                [0x55, 0x1d, 0x23] => read.authority_key = authority_key(value)?,
                [0x55, 0x1d, 0x1e] => read.unusable = Some("it has name constraints, which are not evaluated"),
                _ if critical => read.unusable = Some("it has a critical extension that is not known"),
                _ => {}
            }
        }
        // an empty list must be left out
        if seen.is_empty() { None } else { Some(read) }
    }
}

fn basic_constraints(value: &[u8]) -> Option<(bool, Option<u32>)> {
    let mut content = Der(der::only(value, SEQUENCE)?);
    let ca = match content.take(BOOLEAN) {
        Some(ca) => der::boolean(ca)?,
        None => false,
    };
    let path_len = match content.is_empty() {
        true => None,
        false => Some(der::small(content.take(INTEGER)?)?),
    };
    content.end()?;
    Some((ca, path_len))
}

/// digitalSignature is bit 0, keyCertSign bit 5.
fn key_usage(value: &[u8]) -> Option<(bool, bool)> {
    let content = der::only(value, BIT_STRING)?;
    let (&unused, bits) = content.split_first()?;
    let first = bits.first().copied().unwrap_or(0);
    if unused > 7 || bits.len() > 2 {
        return None;
    }
    Some((first & 0x80 != 0, first & 0x04 != 0))
}

/// True if code signing is among the purposes.
fn extended_usage(value: &[u8]) -> Option<bool> {
    let mut purposes = Der(der::only(value, SEQUENCE)?);
    let mut found = false;
    while !purposes.is_empty() {
        found |= purposes.take(OID)? == CODE_SIGNING;
    }
    Some(found)
}

/// The keyIdentifier, if there is one.
fn authority_key(value: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut content = Der(der::only(value, SEQUENCE)?);
    let identifier = content.take(0x80).map(<[u8]>::to_owned);
    while !content.is_empty() {
        content.any()?;
    }
    Some(identifier)
}

/// UTCTime or GeneralizedTime as RFC 5280 allows them, in seconds since 1970.
fn time(validity: &mut Der<'_>) -> Option<i64> {
    let (tag, content, _) = validity.any()?;
    let (century, rest) = match tag {
        UTC_TIME => (None, content),
        GENERALIZED_TIME => {
            let (century, rest) = content.split_at_checked(2)?;
            (Some(two(century)?), rest)
        }
        _ => return None,
    };
    let digits = rest.strip_suffix(b"Z")?;
    if digits.len() != 12 {
        return None;
    }
    let fields: Vec<i64> = digits.chunks(2).map(two).collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second] = fields.as_slice() else { return None };
    let century = century.unwrap_or(if *year < 50 { 20 } else { 19 });
    let year = century * 100 + year;
    let valid = (1..=12).contains(month)
        && (1..=month_days(year, *month)).contains(day)
        && (0..24).contains(hour)
        && (0..60).contains(minute)
        && (0..60).contains(second);
    if !valid {
        return None;
    }
    Some(((days(year, *month, *day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn two(digits: &[u8]) -> Option<i64> {
    match digits {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day of the Gregorian calendar; years are of four digits, so the loops are short.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| 365 * year + year / 4 - year / 100 + year / 400;
    let months: i64 = (1..month).map(|month| month_days(year, month)).sum();
    before((year - 1).max(0)) - before(1969) + months + day - 1
}

/// The subject, and other names behind it.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.alternatives().join(", ");
        match (self.subject(), names.as_str()) {
            ("", names) => write!(f, "{}", shown(names)),
            (subject, "") => write!(f, "{}", shown(subject)),
            (subject, names) => write!(f, "{} ({})", shown(subject), shown(names)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229120000Z", Some(951_825_600)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "010229000000Z", None),
            (UTC_TIME, "700101000060Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "700101000000+0100", None),
            (GENERALIZED_TIME, "20500101000000.5Z", None),
        ] {
            let der = element(tag, text.as_bytes());
            assert_eq!(time(&mut Der(&der)), expected, "{text}");
        }
    }
}
