//! The policies of `manifests/policies`, each on a small tree of the layout it is for: good ones pass, bad ones do not.

use super::model::safetensors;
use super::tool::{fixture, mverify};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory for one policy, its keys, and what it is run on.
struct Place {
    home: tempfile::TempDir,
    config: String,
}

impl Place {
    fn new(policy: &str) -> Place {
        let home = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/policies").join(policy);
        fs::copy(from, home.path().join(policy)).unwrap();
        let config = home.path().join(policy).to_str().unwrap().to_owned();
        Place { home, config }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
    fn run(&self, args: &[&str]) -> i32 {
        let mut all = args.to_vec();
        all.extend(["--config", &self.config]);
        let run = mverify(&all);
        eprintln!("{all:?}: {}\n{}{}", run.code, run.out, run.err);
        run.code
    }
    /// A key whose public half lies beside the policy.
    fn key(&self, name: &str) {
        let key = self.path(&format!("{name}.key"));
        assert_eq!(mverify(&["keygen", "-o", key.to_str().unwrap()]).code, 0);
        fs::rename(self.path(&format!("{name}.key.pub")), self.path(&format!("{name}.pub"))).unwrap();
    }
    fn sign(&self, model: &Path, key: &str, bundle: &str) {
        let key = self.path(&format!("{key}.key"));
        let bundle = model.join(bundle);
        let args = ["sign", model.to_str().unwrap(), "--key", key.to_str().unwrap(), "-o", bundle.to_str().unwrap()];
        let run = mverify(&args);
        assert_eq!(run.code, 0, "{}", run.err);
    }
    fn lock(&self, path: &Path, name: &str) -> String {
        let lock = self.path(name).to_str().unwrap().to_owned();
        let run = mverify(&["lock", path.to_str().unwrap(), "-o", &lock]);
        assert_eq!(run.code, 0, "{}", run.err);
        lock
    }
}

/// A checkpoint that torch loads with weights_only=True, and a pickle that runs something.
fn weights() -> Vec<u8> {
    fs::read(fixture("weights.pt")).unwrap()
}

fn bad() -> Vec<u8> {
    fs::read(fixture("pickle/os_getpid.pkl")).unwrap()
}

#[test]
fn vggt() {
    let place = Place::new("vggt.toml");
    let commit = "c".repeat(40);
    let of = |repo: &str| format!("{repo}/snapshots/{commit}/model.pt");
    place.write(&of("models--facebook--VGGT-1B"), weights());
    let cache = place.path("models--facebook--VGGT-1B");
    let path = cache.to_str().unwrap();
    let lock = place.lock(&cache, "mverify.lock");
    assert_eq!(place.run(&[path, "--lock", &lock]), 0);
    assert_eq!(place.run(&[path]), 3, "without its lock");
    place.write(&of("models--facebook--VGGT-1B"), bad());
    assert_eq!(place.run(&[path, "--lock", &lock]), 1);
    place.write(&of("models--mallory--VGGT-1B"), weights());
    let other = place.path("models--mallory--VGGT-1B");
    let lock = place.lock(&other, "other.lock");
    assert_eq!(place.run(&[other.to_str().unwrap(), "--lock", &lock]), 1, "another repository");
}

#[test]
fn tiny_vlm() {
    let place = Place::new("tiny-vlm.toml");
    place.write("models/tiny-vlm/model.safetensors", safetensors("w"));
    place.write("models/tiny-vlm/config.json", "{}");
    let model = place.path("models/tiny-vlm");
    let path = model.to_str().unwrap();
    assert_eq!(place.run(&["verify", path]), 2, "the key is not there");
    place.key("tiny-vlm");
    assert_eq!(place.run(&["verify", path]), 1, "nobody signed, which is a medium finding");
    place.sign(&model, "tiny-vlm", "model.sig");
    assert_eq!(place.run(&["verify", path]), 0);
    assert_eq!(place.run(&[path]), 0);
    // a demo binary, another format, another model
    fs::copy(fixture("format/program.so"), model.join("demo")).unwrap();
    assert_eq!(place.run(&["verify", path]), 1);
    fs::remove_file(model.join("demo")).unwrap();
    place.write("models/tiny-vlm/model.bin", weights());
    place.sign(&model, "tiny-vlm", "again.sig");
    fs::rename(model.join("again.sig"), model.join("model.sig")).unwrap();
    assert_eq!(place.run(&[path]), 1, "signed, and a pickle nevertheless");
    fs::remove_file(model.join("model.bin")).unwrap();
    assert_eq!(place.run(&[path]), 1, "listed and gone");
}

#[test]
fn minimacllm() {
    let place = Place::new("minimacllm.toml");
    for name in ["model.pt", "adapter.pt", "replay_buffer.pt", "ewc.pt", "training_state.pt"] {
        place.write(&format!("step-1000/{name}"), weights());
    }
    place.write("step-1000/config.json", "{\"hidden\": 8}");
    let step = place.path("step-1000");
    let path = step.to_str().unwrap();
    let lock = place.lock(&step, "step.lock");
    assert_eq!(place.run(&[path, "--lock", &lock]), 0);
    fs::rename(step.join("ewc.pt"), place.path("ewc.pt")).unwrap();
    assert_eq!(place.run(&[path, "--lock", &lock]), 1, "one is missing");
    fs::rename(place.path("ewc.pt"), step.join("ewc.pt")).unwrap();
    place.write("step-1000/vision_encoder.pt", weights());
    assert_eq!(place.run(&[path, "--lock", &lock]), 1, "one is extra");
    fs::remove_file(step.join("vision_encoder.pt")).unwrap();
    place.write("step-1000/adapter.pt", bad());
    assert_eq!(place.run(&[path, "--lock", &lock]), 1, "one is unsafe");
}

#[test]
fn taehv() {
    let place = Place::new("taehv.toml");
    place.write("checkpoints/taecvx.pth", weights());
    place.write("checkpoints/state/model.safetensors", safetensors("w"));
    let checkpoints = place.path("checkpoints");
    let path = checkpoints.to_str().unwrap();
    assert_eq!(place.run(&[path]), 0);
    fs::copy(fixture("pickle/main_class.pkl"), checkpoints.join("evaluate.pth")).unwrap();
    assert_eq!(place.run(&[path]), 1, "weights_only refuses it");
    fs::rename(checkpoints.join("evaluate.pth"), checkpoints.join("random_states_0.pkl")).unwrap();
    assert_eq!(place.run(&[path]), 3, "not demanded of it, but unvetted");
    fs::remove_file(checkpoints.join("random_states_0.pkl")).unwrap();
    let snapshot = format!("models--THUDM--CogVideoX-2b/snapshots/{}", "a".repeat(40));
    place.write(&format!("{snapshot}/vae.safetensors"), safetensors("v"));
    let base = place.path(&snapshot);
    assert_eq!(place.run(&[base.to_str().unwrap()]), 3, "base models are pinned");
    let lock = place.lock(&base, "base.lock");
    assert_eq!(place.run(&[base.to_str().unwrap(), "--lock", &lock]), 0);
}

#[test]
fn mithril() {
    let place = Place::new("mithril.toml");
    place.key("trainer");
    place.key("release");
    place.write("cache/run/model.safetensors", safetensors("w"));
    let run = place.path("cache/run");
    let path = run.to_str().unwrap();
    assert_eq!(place.run(&["verify", path]), 3);
    place.sign(&run, "trainer", "model.sig");
    assert_eq!(place.run(&["verify", path]), 0);
    place.write("cache/run/model.safetensors", safetensors("x"));
    assert_eq!(place.run(&["verify", path]), 1, "whoever can write the store cannot sign");
    // a release needs both
    place.write("release/v1/model.safetensors", safetensors("w"));
    let release = place.path("release/v1");
    place.sign(&release, "trainer", "model.sig");
    assert_eq!(place.run(&["verify", release.to_str().unwrap()]), 3);
    place.sign(&release, "release", "release.sig");
    assert_eq!(place.run(&["verify", release.to_str().unwrap()]), 0);
    // an artifact that unpacks to far more than it is
    let zeros = vec![0_u8; 4 << 20];
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gz, &zeros).unwrap();
    place.write("cache/bomb/x.gz", gz.finish().unwrap());
    let bomb = place.path("cache/bomb");
    place.sign(&bomb, "trainer", "model.sig");
    assert_eq!(place.run(&["verify", bomb.to_str().unwrap()]), 3);
}
