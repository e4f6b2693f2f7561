//! The envelope of a signed manifest: a Sigstore bundle (v0.1 to v0.3) with one DSSE signature, read strictly.
//!
//! Members of other names are refused: nothing signs the envelope, so what is not understood could only mislead. Linear
//! in the size of the text, which is at most [`MOST_BYTES`].

use super::certificate::Certificate;
use crate::finding::shown;
use crate::manifest::oms::value::{self, Object, Value};
use crate::manifest::oms::{PAYLOAD_TYPE, Refusal, malformed, two_readings, unsupported};
use data_encoding::BASE64;

/// Largest bundle that is read, in bytes: room for about a million files.
pub const MOST_BYTES: u64 = 512 << 20;
/// The media type that is written, and the only one for keys and certificate chains.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const OLD_MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

/// A bundle, parsed and not yet verified.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    /// The text it was read from.
    pub text: &'a [u8],
    /// True for the older media types, which only keyless signatures have.
    pub old: bool,
    /// What shall verify the signature.
    pub material: Material,
    /// The signed bytes: an in-toto statement, as long as the signature is good.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// What a bundle offers for its verification.
#[derive(Clone, Debug)]
pub enum Material {
    /// A public key, or only a hint at one.
    Key(KeyNamed),
    /// DER certificates, the signer's first.
    Certificates {
        /// The certificates.
        chain: Vec<Vec<u8>>,
        /// Entries of a transparency log stand beside them: the signature is a keyless one.
        logged: bool,
    },
}

/// How a bundle names a key.
#[derive(Clone, Debug, Default)]
pub struct KeyNamed {
    /// SHA-256 of the key's PEM in lower-case hex, or empty.
    pub hint: String,
    /// The key itself, PEM or DER, as bundles of before version 1.1 have it.
    pub raw: Option<Vec<u8>>,
    /// Curve and hash, as `PKIX_ECDSA_P256_SHA_256`.
    pub details: Option<String>,
}

impl<'a> Bundle<'a> {
    /// Whom the bundle names as its signer, in words. Nothing is verified by that.
    pub fn named_signer(&self) -> String {
        match &self.material {
            Material::Key(KeyNamed { hint, .. }) if hint.is_empty() => "a key without a name".to_owned(),
            Material::Key(KeyNamed { hint, .. }) => format!("key {}", shown(hint)),
            Material::Certificates { chain, logged } => {
                let signer = chain.first().and_then(|der| Certificate::from_der(der));
                let how = if *logged { ", keyless" } else { "" };
                signer.map_or("an unreadable certificate".to_owned(), |signer| format!("{signer}{how}"))
            }
        }
    }
    /// Reads a bundle.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is wrong with it.
    pub fn parse(text: &'a [u8]) -> Result<Bundle<'a>, Refusal> {
        if text.len() as u64 > MOST_BYTES {
            return Err(malformed(format!("it is larger than {MOST_BYTES} bytes")));
        }
        let value = value::parse(text)?;
        let bundle = value.object("the bundle")?;
        let media_type = bundle.need_text("mediaType")?;
        let old = OLD_MEDIA_TYPES.contains(&media_type);
        if !old && media_type != MEDIA_TYPE {
            return Err(unsupported(format!("the media type is {}", shown(media_type))));
        }
        bundle.only(&["mediaType", "verificationMaterial", "dsseEnvelope"])?;
        let material = material(bundle.need("verificationMaterial")?.object("the verification material")?)?;
        let envelope = bundle.need("dsseEnvelope")?.object("the envelope")?;
        envelope.only(&["payload", "payloadType", "signatures"])?;
        let payload_type = envelope.need_text("payloadType")?;
        if payload_type != PAYLOAD_TYPE {
            return Err(unsupported(format!("the payload is of type {}", shown(payload_type))));
        }
        let [signature] = envelope.need("signatures")?.list("the list of signatures")? else {
            return Err(two_readings("the envelope does not have exactly one signature"));
        };
        let signature = signature.object("the signature")?;
        signature.only(&["sig", "keyid"])?;
        if !signature.get("keyid").map_or(Ok(""), |id| id.text("keyid"))?.is_empty() {
            return Err(unsupported("the signature names its key by a keyid, which no signer of models does"));
        }
        Ok(Bundle { text, old, material, payload: base64(envelope, "payload")?, signature: base64(signature, "sig")? })
    }
}

fn material(material: &Object<'_>) -> Result<Material, Refusal> {
    let kinds = ["publicKey", "x509CertificateChain", "certificate"];
    material.only(&["publicKey", "x509CertificateChain", "certificate", "tlogEntries", "timestampVerificationData"])?;
    let given: Vec<&str> = kinds.into_iter().filter(|kind| material.get(kind).is_some()).collect();
    let [kind] = given.as_slice() else {
        return Err(two_readings("the bundle does not have exactly one kind of verification material"));
    };
    let logged = material.get("tlogEntries").map_or(Ok(&[][..]), |entries| entries.list("the list of log entries"))?;
    if let Some(time) = material.get("timestampVerificationData") {
        time.object("the timestamps")?;
    }
    let held = material.need(kind)?;
    if *kind == "publicKey" {
        if !logged.is_empty() {
            return Err(unsupported("entries of a transparency log stand beside a key"));
        }
        return key(held.object("the public key")?).map(Material::Key);
    }
    let chain = match *kind {
        "certificate" => vec![certificate(held)?],
        _ => {
            let chain = held.object("the certificate chain")?;
            chain.only(&["certificates"])?;
            chain
                .need("certificates")?
                .list("the list of certificates")?
                .iter()
                .map(certificate)
                .collect::<Result<_, _>>()?
        }
    };
    if chain.is_empty() {
        return Err(malformed("the certificate chain is empty"));
    }
    Ok(Material::Certificates { chain, logged: !logged.is_empty() })
}

fn key(key: &Object<'_>) -> Result<KeyNamed, Refusal> {
    key.only(&["hint", "rawBytes", "keyDetails"])?;
    let text = |name: &str| key.get(name).map(|value| value.text(name).map(str::to_owned)).transpose();
    Ok(KeyNamed {
        hint: text("hint")?.unwrap_or_default(),
        raw: if key.get("rawBytes").is_some() { Some(base64(key, "rawBytes")?) } else { None },
        details: text("keyDetails")?,
    })
}

fn certificate(value: &Value<'_>) -> Result<Vec<u8>, Refusal> {
    let certificate = value.object("a certificate")?;
    certificate.only(&["rawBytes"])?;
    base64(certificate, "rawBytes")
}

/// Standard base64 with padding and without stray bits: one spelling per value.
fn base64(object: &Object<'_>, member: &str) -> Result<Vec<u8>, Refusal> {
    let text = object.need_text(member)?;
    match BASE64.decode(text.as_bytes()) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) => Err(malformed(format!("{member} is empty"))),
        Err(_) => Err(malformed(format!("{member} is not base64"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn good() -> Json {
        json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": "ab"}, "tlogEntries": []},
            "dsseEnvelope": {"payload": "e30=", "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": "AA==", "keyid": ""}]}
        })
    }

    fn changed(change: impl Fn(&mut Json)) -> Result<(), Refusal> {
        let mut bundle = good();
        change(&mut bundle);
        Bundle::parse(bundle.to_string().as_bytes()).map(|_| ())
    }

    #[test]
    fn what_real_signers_write_is_read() {
        changed(|_| ()).unwrap();
        changed(|b| b["dsseEnvelope"]["signatures"][0]["keyid"] = json!(null)).unwrap();
        changed(|b| b["dsseEnvelope"]["signatures"][0] = json!({"sig": "AA=="})).unwrap();
        changed(|b| b["verificationMaterial"] = json!({"publicKey": {"hint": "ab"}})).unwrap();
        changed(|b| b["verificationMaterial"] = json!({"publicKey": {}})).unwrap();
        changed(|b| b["verificationMaterial"] = json!({"publicKey": {"rawBytes": "AA==", "keyDetails": "x"}})).unwrap();
        changed(|b| {
            b["verificationMaterial"] = json!({"x509CertificateChain": {"certificates": [{"rawBytes": "AA=="}]}})
        })
        .unwrap();
        changed(|b| b["verificationMaterial"] = json!({"certificate": {"rawBytes": "AA=="}, "tlogEntries": [{}]}))
            .unwrap();
    }

    #[test]
    fn everything_else_is_refused() {
        let material = |material: Json| changed(|b| b["verificationMaterial"] = material.clone());
        for (what, refused) in [
            ("media type", changed(|b| b["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.4+json"))),
            ("extra member", changed(|b| b["messageSignature"] = json!({}))),
            ("no material", material(json!({"tlogEntries": []}))),
            ("two materials", material(json!({"publicKey": {}, "certificate": {"rawBytes": "AA=="}}))),
            ("empty chain", material(json!({"x509CertificateChain": {"certificates": []}}))),
            ("key with a log", material(json!({"publicKey": {}, "tlogEntries": [{}]}))),
            ("hint of another type", material(json!({"publicKey": {"hint": 1}}))),
            ("no signature", changed(|b| b["dsseEnvelope"]["signatures"] = json!([]))),
            (
                "two signatures",
                changed(|b| b["dsseEnvelope"]["signatures"] = json!([{"sig": "AA=="}, {"sig": "AA=="}])),
            ),
            ("keyid", changed(|b| b["dsseEnvelope"]["signatures"][0]["keyid"] = json!("x"))),
            ("payload type", changed(|b| b["dsseEnvelope"]["payloadType"] = json!("application/json"))),
            ("no payload", changed(|b| b["dsseEnvelope"]["payload"] = json!(""))),
            ("stray bits", changed(|b| b["dsseEnvelope"]["payload"] = json!("e31="))),
            ("no padding", changed(|b| b["dsseEnvelope"]["payload"] = json!("e30"))),
            ("url alphabet", changed(|b| b["dsseEnvelope"]["payload"] = json!("-_-_"))),
            ("line break", changed(|b| b["dsseEnvelope"]["payload"] = json!("e30=\n"))),
        ] {
            assert!(refused.is_err(), "{what}");
        }
        let twice = good().to_string().replacen("{\"dsse", "{\"mediaType\":\"x\",\"dsse", 1);
        assert!(Bundle::parse(twice.as_bytes()).is_err());
    }
}
