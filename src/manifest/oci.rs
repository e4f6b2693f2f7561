//! Manifests of content-addressed model stores: OCI image layouts (ModelPack, KitOps, Docker Model Runner) and Ollama.
//!
//! A manifest lists blobs by digest and size; an index lists manifests. Read strictly: a digest of full length in lower
//! case, sizes that are numbers, no member twice. Linear in the text; [`MOST`] descriptors at most.
//! Source: OCI image spec 1.1 (descriptor, index, manifest), ModelPack `org.cncf.model.filepath`.
//! Threat: whoever ships the store ships its manifests, so this is never more than self-asserted; annotations name paths
//! that clients unpack to.

use super::oms::value::{self, Object, Value};
use crate::digest::{Algorithm, Digest};
use crate::finding::shown;

/// Largest manifest, in bytes: what registries take.
pub const LARGEST: u64 = 4 << 20;
/// Descriptors of one manifest.
pub const MOST: usize = 100_000;

/// Annotations that say which file a layer is.
const PATHS: [&str; 2] = ["org.cncf.model.filepath", "org.opencontainers.image.title"];

/// What a manifest says about one blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The algorithm of its digest.
    pub algorithm: Algorithm,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// It is a manifest or an index itself.
    pub is_manifest: bool,
    /// The path that clients unpack it to.
    pub path: Option<String>,
}

impl Descriptor {
    /// Its name in a store: the algorithm and the digest in hex.
    pub fn parts(&self) -> (&'static str, String) {
        (self.algorithm.name(), self.digest.to_string())
    }
}

/// Reads an index or a manifest.
///
/// # Errors
/// In words: it is neither, or it says something that cannot be relied on.
pub fn parse(text: &[u8]) -> Result<Vec<Descriptor>, String> {
    let root = value::parse(text).map_err(|refusal| refusal.message)?;
    let root = root.object("it").map_err(|refusal| refusal.message)?;
    let mut found = Vec::new();
    if let Some(manifests) = root.get("manifests") {
        for manifest in list(manifests, "manifests")? {
            found.push(Descriptor { is_manifest: true, ..descriptor(manifest)? });
        }
        return Ok(found);
    }
    let Some(layers) = root.get("layers").or(root.get("blobs")) else {
        return Err("it lists neither manifests nor layers".to_owned());
    };
    found.extend(root.get("config").map(descriptor).transpose()?);
    found.extend(root.get("subject").map(|subject| descriptor(subject).map(manifest)).transpose()?);
    for layer in list(layers, "layers")? {
        found.push(descriptor(layer)?);
    }
    Ok(found)
}

fn manifest(descriptor: Descriptor) -> Descriptor {
    Descriptor { is_manifest: true, ..descriptor }
}

fn list<'v, 'a>(value: &'v Value<'a>, what: &str) -> Result<&'v [Value<'a>], String> {
    let items = value.list(what).map_err(|refusal| refusal.message)?;
    if items.len() > MOST { Err(format!("it lists more than {MOST} {what}")) } else { Ok(items) }
}

fn descriptor(value: &Value<'_>) -> Result<Descriptor, String> {
    let object = value.object("a descriptor").map_err(|refusal| refusal.message)?;
    let named = object.need_text("digest").map_err(|refusal| refusal.message)?;
    let (algorithm, digest) = named_digest(named).ok_or_else(|| {
        format!("the digest {} is none of sha256 or sha512 in lower-case hex of full length", shown(named))
    })?;
    let size = match object.get("size") {
        Some(Value::Number(number)) => number.parse().ok(),
        _ => None,
    };
    let size = size.ok_or_else(|| format!("the size of {} is no whole number", shown(named)))?;
    let is_manifest = object.get("mediaType").is_some_and(|kind| match kind {
        Value::Text(kind) => kind.contains(".manifest.") || kind.contains(".index.") || kind.contains("manifest.list"),
        _ => false,
    });
    let path = object.get("annotations").map(|annotations| path(annotations)).transpose()?.flatten();
    Ok(Descriptor { algorithm, digest, size, is_manifest, path })
}

fn path(annotations: &Value<'_>) -> Result<Option<String>, String> {
    let annotations: &Object<'_> = annotations.object("annotations").map_err(|refusal| refusal.message)?;
    for name in PATHS {
        if let Some(path) = annotations.get(name) {
            return path.text(name).map(|path| Some(path.to_owned())).map_err(|refusal| refusal.message);
        }
    }
    Ok(None)
}

/// `sha256:<hex>` as an algorithm and a digest.
fn named_digest(text: &str) -> Option<(Algorithm, Digest)> {
    let (name, hex) = text.split_once(':')?;
    let algorithm = match name {
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => return None,
    };
    let digest = Digest::from_hex(hex.as_bytes())?;
    (digest.as_bytes().len() == algorithm.size() && digest.to_string() == hex).then_some((algorithm, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn indexes_and_manifests_are_read() {
        let index = format!(
            r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": "sha256:{HEX}", "size": 0, "annotations": {{"org.opencontainers.image.ref.name": "latest"}}}}]}}"#
        );
        let found = parse(index.as_bytes()).unwrap();
        assert!(found[0].is_manifest && found[0].path.is_none() && found[0].parts() == ("sha256", HEX.to_owned()));
        let manifest = format!(
            r#"{{"config": {{"digest": "sha256:{HEX}", "size": 7}}, "layers": [{{
                "mediaType": "application/vnd.cncf.model.weight.v1.raw", "digest": "sha256:{HEX}", "size": 5,
                "annotations": {{"org.cncf.model.filepath": "a/model.safetensors"}}}}]}}"#
        );
        let found = parse(manifest.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|d| d.size).collect::<Vec<_>>(), [7, 5]);
        assert_eq!(found[1].path.as_deref(), Some("a/model.safetensors"));
    }

    #[test]
    fn what_cannot_be_relied_on_is_refused() {
        let upper = HEX.to_uppercase();
        for text in [
            "{}".to_owned(),
            "[]".into(),
            r#"{"layers": {}}"#.into(),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}"}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": -1}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": "5"}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{upper}", "size": 5}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{}", "size": 5}}]}}"#, &HEX[2..]),
            format!(r#"{{"layers": [{{"digest": "md5:{HEX}", "size": 5}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 5, "size": 6}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 5, "annotations": []}}]}}"#),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
