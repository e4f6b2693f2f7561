//! Caches and folders as the real `huggingface_hub` writes them, from a server on this machine (`tests/peers/hub.py`).
#![cfg(unix)]

use super::model::{artifact, json, safetensors};
use super::tool::{mverify, python_with};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Downloaded {
    home: tempfile::TempDir,
}

impl Downloaded {
    /// `None` where there is no client.
    fn new() -> Option<Downloaded> {
        let python = python_with("huggingface_hub")?;
        let home = tempfile::tempdir().unwrap();
        let model = home.path().join("model");
        fs::create_dir_all(model.join("unet")).unwrap();
        fs::write(model.join("model.safetensors"), safetensors("w")).unwrap();
        fs::write(model.join("unet/model.safetensors"), safetensors("v")).unwrap();
        fs::write(model.join("config.json"), "{}").unwrap();
        fs::write(model.join("README.md"), "# A model\n").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/hub.py");
        let run = Command::new(python)
            .arg(script)
            .arg(model)
            .args([home.path().join("cache"), home.path().join("local")])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        Some(Downloaded { home })
    }
    fn cache(&self) -> PathBuf {
        self.home.path().join("cache/hub")
    }
    fn repo(&self) -> PathBuf {
        self.cache().join("models--acme--tiny")
    }
    fn snapshot(&self) -> PathBuf {
        self.repo().join("snapshots").join(format!("c0ffee{}", "0".repeat(34)))
    }
    fn local(&self) -> PathBuf {
        self.home.path().join("local")
    }
}

#[test]
fn what_the_hub_client_writes_proves_itself_and_is_locked_by_revision() {
    let Some(downloaded) = Downloaded::new() else { return };
    let (repo, snapshot) = (downloaded.repo(), downloaded.snapshot());
    let weights = snapshot.join("unet/model.safetensors");
    // hub 2.4: the blob of the repository is a link into the store that all repositories share
    let blob = fs::read_link(&weights).unwrap();
    let blob = weights.parent().unwrap().join(blob);
    assert!(fs::symlink_metadata(&blob).unwrap().is_symlink(), "two hops: {}", blob.display());
    let stored = fs::canonicalize(&blob).unwrap();
    assert!(stored.starts_with(fs::canonicalize(downloaded.cache().join("blobs")).unwrap()));

    for path in [&downloaded.cache(), &repo, &snapshot, &snapshot.join("unet"), &weights, &downloaded.local()] {
        let (run, report) = json(path, &[]);
        assert_eq!(run.code, 0, "{}: {}", path.display(), run.out);
        let integrity = &artifact(&report, "model.safetensors")["integrity"][0];
        assert_eq!((&integrity["status"], &integrity["trust"]), (&"match".into(), &"self-asserted".into()));
    }
    let lock = downloaded.home.path().join("the.lock");
    let lock = lock.to_str().unwrap();
    assert_eq!(mverify(&["lock", repo.to_str().unwrap(), "-o", lock]).code, 0);
    let head = fs::read_to_string(lock).unwrap().lines().next().unwrap().to_owned();
    assert!(head.contains(r#""hub":"acme/tiny","commit":"c0ffee"#), "{head}");
    let (run, report) = json(&repo, &["--lock", lock, "--require=manifest"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(artifact(&report, "unet/model.safetensors")["integrity"].to_string().contains("pinned"));
    // the other way to look at it: every blob of the store that this repository has is what its name says
    let cas = mverify(&["cas", repo.join("blobs").to_str().unwrap(), "--algo", "sha256"]);
    assert_eq!(cas.code, 0, "{}{}", cas.out, cas.err);

    // the names of the shared store are no digests of content, so nothing is claimed about them
    let shared = mverify(&["cas", downloaded.cache().join("blobs").to_str().unwrap(), "--algo", "sha256"]);
    assert!(shared.code == 2 && shared.err.contains("Xet"), "{}{}", shared.out, shared.err);

    fs::write(&stored, safetensors("x")).unwrap();
    for path in [&downloaded.cache(), &repo, &snapshot, &snapshot.join("unet"), &weights] {
        let (run, report) = json(path, &[]);
        assert_eq!(run.code, 1, "{}: {}", path.display(), run.out);
        let reasons = artifact(&report, "model.safetensors");
        let changed = report["artifacts"].to_string().contains("it changed: name of the hub blob expects the sha256");
        assert!(changed, "{reasons}");
    }
    assert_eq!(mverify(&[repo.to_str().unwrap(), "--lock", lock]).code, 1);
    assert_eq!(mverify(&["cas", repo.join("blobs").to_str().unwrap(), "--algo", "sha256"]).code, 1);
}

#[test]
fn a_folder_of_the_hub_client_is_held_against_its_notes() {
    let Some(downloaded) = Downloaded::new() else { return };
    let local = downloaded.local();
    let weights = local.join("unet/model.safetensors");
    fs::write(&weights, safetensors("x")).unwrap();
    for path in [&local, &weights] {
        let (run, report) = json(path, &[]);
        assert_eq!(run.code, 1, "{}", run.out);
        let reasons = artifact(&report, "unet/model.safetensors")["reasons"].to_string();
        assert!(reasons.contains("it changed: note of the hub download expects"), "{reasons}");
    }
}

#[test]
fn links_of_a_cache_lead_nowhere_but_into_its_blobs() {
    let Some(downloaded) = Downloaded::new() else { return };
    let snapshot = downloaded.snapshot();
    let secret = downloaded.home.path().join("secret.safetensors");
    fs::write(&secret, safetensors("secret")).unwrap();
    let link = snapshot.join("config.json");
    let (first, blob) = (fs::read_link(&link).unwrap(), fs::canonicalize(&link).unwrap());
    let refused = || {
        let (run, report) = json(&snapshot, &[]);
        assert_ne!(run.code, 0, "{}", run.out);
        let reasons = artifact(&report, "config.json")["reasons"].to_string();
        assert!(reasons.contains("leads out of the directory"), "{reasons}");
    };
    // the first hop
    fs::remove_file(&link).unwrap();
    symlink(&secret, &link).unwrap();
    refused();
    // the second: the blob of the repository points out of the cache
    fs::remove_file(&link).unwrap();
    symlink(first, &link).unwrap();
    fs::remove_file(&blob).unwrap();
    symlink(&secret, &blob).unwrap();
    refused();
}
