//! OCI image layouts and Ollama's store: what their manifests say is held against the blobs.

use super::tool::{fixture, mverify};
use serde_json::json;
use sha2::Digest;
use std::fs;
use std::path::Path;
use std::process::Command;

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

/// Puts a blob into a store; its descriptor.
fn put(blobs: &Path, separator: &str, kind: &str, bytes: &[u8]) -> serde_json::Value {
    let hex = sha256(bytes);
    let path = blobs.join(format!("sha256{separator}{hex}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": bytes.len() })
}

/// A ModelPack of one file in an OCI layout; returns the path of its weights.
fn modelpack(root: &Path, unpack_to: &str) -> std::path::PathBuf {
    let weights = fs::read(fixture("weights.pt")).unwrap();
    let blobs = root.join("blobs");
    let mut layer = put(&blobs, "/", "application/vnd.cncf.model.weight.v1.raw", &weights);
    layer["annotations"] = json!({ "org.cncf.model.filepath": unpack_to });
    let config = put(&blobs, "/", "application/vnd.cncf.model.config.v1+json", b"{\"descriptor\": {}}");
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string();
    let manifest = put(&blobs, "/", "application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    fs::write(root.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
    fs::write(root.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").unwrap();
    blobs.join("sha256").join(sha256(&weights))
}

#[test]
fn an_oci_layout_is_what_its_manifests_say() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let weights = modelpack(root, "model/weights.pt");
    let run = mverify(&[root.as_os_str(), "-v".as_ref()]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("matches index.json (self-asserted"), "{}", run.out);
    assert!(run.out.contains(": model/weights.pt (self-asserted"), "{}", run.out);
    let good = fs::read(&weights).unwrap();
    // another checkpoint of the same size, which the name of the blob gives away as well
    let mut other = good.clone();
    other[100] ^= 1;
    fs::write(&weights, other).unwrap();
    let run = mverify(&[root]);
    assert!(run.code == 1 && run.out.contains("INT-001"), "{}", run.out);
    fs::remove_file(&weights).unwrap();
    let run = mverify(&[root]);
    assert!(run.code == 1 && run.out.contains("INT-002"), "{}", run.out);
    fs::write(&weights, good).unwrap();
    let extra = root.join("blobs/sha256").join(sha256(b"words\n"));
    fs::write(extra, "words\n").unwrap();
    let run = mverify(&[root.as_os_str(), "-v".as_ref()]);
    assert!(run.code == 0 && run.out.contains("OCI-003"), "{}", run.out);
}

#[test]
fn a_layer_that_leaves_its_folder_fails() {
    for path in ["../weights.pt", "/etc/weights.pt", "a\\..\\b", ""] {
        let directory = tempfile::tempdir().unwrap();
        modelpack(directory.path(), path);
        let run = mverify(&[directory.path()]);
        assert!(run.code == 1 && run.out.contains("OCI-002"), "{path}: {}", run.out);
    }
}

/// The name of the blob that is the one manifest of a layout.
fn manifest_of(root: &Path) -> String {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(root.join("index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap()["sha256:".len()..].to_owned()
}

/// Changes the one manifest of a layout, and what the index says about it.
fn rewrite(root: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = root.join("blobs/sha256").join(manifest_of(root));
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    fs::remove_file(path).unwrap();
    change(&mut manifest);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = put(&root.join("blobs"), "/", kind, manifest.to_string().as_bytes());
    fs::write(root.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
}

#[test]
fn every_way_to_name_the_place_of_a_layer_is_looked_at() {
    let title = "org.opencontainers.image.title";
    for (path, and, code) in [
        ("../../weights.pt", None, 1),
        ("weights.pt", None, 0),
        ("other.pt", Some("other.pt"), 1),
        ("other.pt", Some("./other.pt"), 1),
        ("other.pt", Some("Other.pt"), 1),
        ("a", Some("a/b"), 1),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        modelpack(root, "weights.pt");
        let words = put(&root.join("blobs"), "/", "application/vnd.cncf.model.doc.v1.raw", b"words\n");
        rewrite(root, |manifest| {
            manifest["layers"][0]["annotations"][title] = path.into();
            if let Some(and) = and {
                let mut words = words.clone();
                words["annotations"] = json!({ title: and });
                manifest["layers"].as_array_mut().unwrap().push(words);
            }
        });
        let run = mverify(&[root]);
        assert!(run.code == code && run.out.contains("OCI-002") == (code == 1), "{path}, {and:?}: {}", run.out);
    }
}

#[test]
fn a_layout_without_its_index_or_with_two_kinds_of_lists_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let weights = modelpack(root, "weights.pt");
    rewrite(root, |manifest| manifest["manifests"] = json!([]));
    let run = mverify(&[root]);
    assert!(run.code == 3 && run.out.contains("depends on who reads it"), "{}", run.out);
    rewrite(root, |manifest| drop(manifest.as_object_mut().unwrap().remove("manifests")));
    assert_eq!(mverify(&[root]).code, 0);
    // without the marker the blobs still tell what it is
    fs::remove_file(root.join("oci-layout")).unwrap();
    let run = mverify(&[root.as_os_str(), "-v".as_ref()]);
    assert!(run.code == 0 && run.out.contains("matches index.json"), "{}", run.out);
    fs::write(root.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").unwrap();
    for path in [root.join("index.json"), weights.parent().unwrap().join(manifest_of(root))] {
        let good = fs::read(&path).unwrap();
        fs::write(&path, [good.as_slice(), &vec![b' '; 4 << 20]].concat()).unwrap();
        let run = mverify(&[root]);
        assert!(run.code != 0 && run.out.contains("larger than 4194304 bytes"), "{}", run.out);
        fs::write(&path, good).unwrap();
    }
    fs::remove_file(root.join("index.json")).unwrap();
    let run = mverify(&[root]);
    assert!(run.code == 3 && run.out.contains("no index.json"), "{}", run.out);
}

#[test]
fn a_manifest_that_says_two_things_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    modelpack(root, "weights.pt");
    let index = fs::read_to_string(root.join("index.json")).unwrap();
    fs::write(root.join("index.json"), index.replacen("{", "{\"manifests\": [], ", 1)).unwrap();
    let run = mverify(&[root]);
    assert!(run.code == 3 && run.out.contains("OCI-001"), "{}", run.out);
}

#[test]
fn a_model_of_ollama_is_what_its_manifest_says() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let blobs = root.join("blobs");
    let mut gguf = b"GGUF\x03\0\0\0".to_vec();
    gguf.extend([0; 16]);
    let layer = put(&blobs, "-", "application/vnd.ollama.image.model", &gguf);
    let config = put(&blobs, "-", "application/vnd.docker.container.image.v1+json", b"{\"model_format\": \"gguf\"}");
    let tag = root.join("manifests/registry.ollama.ai/library/tiny/latest");
    fs::create_dir_all(tag.parent().unwrap()).unwrap();
    fs::write(&tag, json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string()).unwrap();
    let run = mverify(&[root.as_os_str(), "-v".as_ref()]);
    assert!(run.code == 0 && run.out.contains("matches latest (self-asserted"), "{}", run.out);
    // of the right name and content, and not of the size that the manifest says
    let text = fs::read_to_string(&tag).unwrap();
    fs::write(&tag, text.replace(&format!("\"size\":{}", gguf.len()), "\"size\":9")).unwrap();
    assert_eq!(mverify(&[root]).code, 1);
}

#[test]
fn what_umoci_writes_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::copy(fixture("weights.pt"), root.join("weights.pt")).unwrap();
    let script = "umoci init --layout s && umoci new --image s:tiny && tar -cf l.tar weights.pt && \
                  umoci raw add-layer --image s:tiny l.tar";
    let made = Command::new("sh").args(["-c", script]).current_dir(root).output().unwrap();
    if made.status.code() == Some(127) {
        eprintln!("skipped: umoci is not to be had here");
        return;
    }
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let store = root.join("s");
    let run = mverify(&[store.as_os_str(), "-v".as_ref()]);
    assert!(run.code == 0 && run.out.matches("matches manifest ").count() >= 2, "{}", run.out);
}
