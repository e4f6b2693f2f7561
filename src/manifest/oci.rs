//! Manifests of content-addressed model stores: OCI image layouts (ModelPack, KitOps, Docker Model Runner) and Ollama.
//!
//! A manifest lists blobs by digest and size; an index lists manifests. Read strictly: a digest of full length in lower
//! case, sizes that are numbers, no member twice, and no text that is an index to one client and a manifest to another
//! (CVE-2021-41190). Linear in the text; [`MOST`] descriptors at most.
//! Source: OCI image spec 1.1 (descriptor, index, manifest), ModelPack `org.cncf.model.filepath`.
//! Threat: whoever ships the store ships its manifests, so this is never more than self-asserted; annotations name paths
//! that clients unpack to.

use super::oms::value::{self, Object, Value};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::finding::shown;

/// Largest manifest, in bytes: what registries take.
pub const LARGEST: u64 = 4 << 20;
/// Descriptors of one manifest.
pub const MOST: usize = 100_000;

/// Annotations that say which file a layer is.
pub(crate) const PATHS: [&str; 2] = ["org.cncf.model.filepath", "org.opencontainers.image.title"];

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
    /// The annotations that say which path clients unpack it to, and those paths.
    pub paths: Vec<(&'static str, String)>,
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
    let version = root.get("schemaVersion");
    if version.is_some_and(|version| *version != Value::Number("2")) {
        return Err("its schemaVersion is not 2".to_owned());
    }
    let lists: Vec<&str> =
        ["manifests", "layers", "blobs"].into_iter().filter(|name| root.get(name).is_some()).collect();
    if lists.len() > 1 {
        return Err(format!("it lists both {}: what it is depends on who reads it", lists.join(" and ")));
    }
    let mut found = Vec::new();
    if let Some(manifests) = root.get("manifests") {
        if root.get("config").is_some() {
            return Err("it is an index with the config of a manifest: what it is depends on who reads it".to_owned());
        }
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
    if let Some(data) = object.get("data") {
        let data = data.text("data").map_err(|refusal| refusal.message)?;
        let data = data_encoding::BASE64.decode(data.as_bytes()).ok().filter(|data| data.len() as u64 == size);
        if data.and_then(|data| digest_of(algorithm, &data)) != Some(digest) {
            return Err(format!("the data inside the descriptor of {} is not what its digest says", shown(named)));
        }
    }
    let paths = object.get("annotations").map(paths).transpose()?.unwrap_or_default();
    Ok(Descriptor { algorithm, digest, size, is_manifest, paths })
}

fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Option<Digest> {
    let mut hasher = Hasher::new(&[algorithm], None).ok()?;
    hasher.update(bytes);
    hasher.finish().get(algorithm)
}

/// The paths in the annotations: clients differ about which of them counts.
fn paths(annotations: &Value<'_>) -> Result<Vec<(&'static str, String)>, String> {
    let annotations: &Object<'_> = annotations.object("annotations").map_err(|refusal| refusal.message)?;
    let said = PATHS.iter().filter_map(|name| annotations.get(name).map(|path| (*name, path)));
    said.map(|(name, path)| path.text(name).map(|path| (name, path.to_owned())).map_err(|refusal| refusal.message))
        .collect()
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
        assert!(found[0].is_manifest && found[0].paths.is_empty() && found[0].parts() == ("sha256", HEX.to_owned()));
        let manifest = format!(
            r#"{{"config": {{"digest": "sha256:{HEX}", "size": 7}}, "layers": [{{
                "mediaType": "application/vnd.cncf.model.weight.v1.raw", "digest": "sha256:{HEX}", "size": 5,
                "annotations": {{"org.cncf.model.filepath": "a/model.safetensors"}}}}]}}"#
        );
        let found = parse(manifest.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|d| d.size).collect::<Vec<_>>(), [7, 5]);
        assert_eq!(found[1].paths, [("org.cncf.model.filepath", "a/model.safetensors".to_owned())]);
        let inline = format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 0, "data": ""}}]}}"#);
        assert_eq!(parse(inline.as_bytes()).unwrap().len(), 1);
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
            r#"{"layers": [], "manifests": []}"#.into(),
            r#"{"layers": [], "blobs": []}"#.into(),
            format!(r#"{{"manifests": [], "config": {{"digest": "sha256:{HEX}", "size": 5}}}}"#),
            r#"{"schemaVersion": 1, "layers": []}"#.into(),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 1, "data": "AA=="}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 5, "data": ""}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 5, "size": 6}}]}}"#),
            format!(r#"{{"layers": [{{"digest": "sha256:{HEX}", "size": 5, "annotations": []}}]}}"#),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
