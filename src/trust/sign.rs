//! What is written: the statement over a model, and the bundle around it, in one spelling. The same model and key give the
//! same bytes each time.

use super::bundle::MEDIA_TYPE;
use super::certificate::Certificate;
use super::dsse;
use super::private::PrivateKey;
use crate::digest::{Algorithm, Digest};
use crate::manifest::oms::{self, PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE};
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::json;
use sha2::Digest as _;
use std::collections::BTreeMap;

/// What a statement is made of.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Name of the model, for people.
    pub subject: String,
    /// The algorithm of all digests: SHA-256, BLAKE2b-512 or BLAKE3.
    pub algorithm: Algorithm,
    /// The digests of each file, by name: one over all of it, or those of its shards.
    pub files: BTreeMap<String, oms::Expected>,
    /// Bytes of a shard, where files are listed in shards.
    pub shard_size: Option<u64>,
    /// Paths that were left out.
    pub ignored: Vec<String>,
    /// True if links were followed.
    pub allow_symlinks: bool,
    /// Names the algorithm of shards as the Python client does.
    pub compat_python: bool,
}

#[derive(Serialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: String,
}

impl Statement {
    /// The bytes to be signed. `Err` says in words what cannot be signed.
    pub fn payload(&self) -> Result<Vec<u8>, String> {
        if self.files.is_empty() {
            return Err("there is no file to sign".to_owned());
        }
        let hash =
            oms::hash_name(self.algorithm).ok_or_else(|| format!("{} is not a hash of manifests", self.algorithm))?;
        let algorithm = match self.shard_size {
            Some(size) if self.compat_python => format!("{hash}-sharded-{size}"),
            _ => hash.to_owned(),
        };
        let mut listed: Vec<(String, Digest)> = Vec::new();
        for (name, expected) in &self.files {
            match expected {
                oms::Expected::Whole(digest) => listed.push((name.clone(), *digest)),
                oms::Expected::Shards(shards) => listed.extend(
                    shards.iter().map(|part| (format!("{name}:{}:{}", part.range.start, part.range.end), part.digest)),
                ),
            }
        }
        // the order that the specification asks for; the root digest follows it
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut root = sha2::Sha256::new();
        listed.iter().for_each(|(_, digest)| root.update(digest.as_bytes()));
        let resources: Vec<Resource> = listed
            .into_iter()
            .map(|(name, digest)| Resource { name, algorithm: algorithm.clone(), digest: digest.to_string() })
            .collect();
        let mut ignored = self.ignored.clone();
        ignored.sort();
        ignored.dedup();
        let mut serialization = json!({
            "method": if self.shard_size.is_some() { "shards" } else { "files" },
            "hash_type": hash,
            "allow_symlinks": self.allow_symlinks,
            "ignore_paths": ignored,
        });
        if let (Some(size), Some(members)) = (self.shard_size, serialization.as_object_mut()) {
            members.insert("shard_size".to_owned(), size.into());
        }
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": [{"name": self.subject, "digest": {"sha256": data_encoding::HEXLOWER.encode(&root.finalize())}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"resources": resources, "serialization": serialization},
        });
        let payload = statement.to_string().into_bytes();
        // nothing is signed that would not verify
        oms::parse(&payload, false).map_err(|refusal| refusal.message)?;
        Ok(payload)
    }
}

/// Signs a statement and wraps it. With `chain` the bundle holds certificates, the signer's first; else a hint at the
/// key. `Err` says in words why not.
pub fn sign(payload: &[u8], key: &PrivateKey, chain: &[Certificate]) -> Result<String, String> {
    let material = match chain.first() {
        None => json!({"publicKey": {"hint": key.public().hint()}, "tlogEntries": []}),
        Some(signer) => {
            if signer.spki != key.public().spki() {
                return Err("the certificate is not that of the key".to_owned());
            }
            if chain.iter().zip(chain.iter().skip(1)).any(|(certificate, issuer)| !certificate.is_issued_by(issuer)) {
                return Err("the certificates do not follow each other, each issued by the next".to_owned());
            }
            let certificates: Vec<_> =
                chain.iter().map(|certificate| json!({"rawBytes": BASE64.encode(&certificate.der)})).collect();
            json!({"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []})
        }
    };
    let message = dsse::pae(PAYLOAD_TYPE, payload);
    let signature = key.sign(&message).ok_or("the key could not be used")?;
    if !key.public().verifies(&message, &signature) {
        return Err("the signature that was made does not verify".to_owned());
    }
    let bundle = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": BASE64.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": BASE64.encode(&signature), "keyid": ""}],
        },
    });
    Ok(format!("{bundle}\n"))
}
