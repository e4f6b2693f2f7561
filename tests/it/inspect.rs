//! `mverify inspect`.

use super::model::{model, safetensors};
use super::tool::{fixture, mverify};
use std::fs;

#[test]
fn what_is_inside_is_shown() {
    let dir = model();
    let run = mverify(&["inspect", dir.path().to_str().unwrap(), "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let report = run.json();
    let file = &report["artifacts"][1];
    assert_eq!(file["path"], "model.safetensors");
    let tensor = &file["tensors"][0];
    assert_eq!((&tensor["name"], &tensor["dtype"], &tensor["bytes"]), (&"w".into(), &"U8".into(), &2.into()));
    let run = mverify(&["inspect".as_ref(), fixture("weights.pt").as_os_str()]);
    assert!(run.out.contains("data.pkl") && run.out.contains("torch._utils._rebuild_tensor_v2"), "{}", run.out);
    assert!(run.out.contains("tensors ("), "{}", run.out);
    assert_eq!(mverify(&["inspect", "no-such-file"]).code, 3);
}

#[test]
fn tensors_are_held_against_what_was_expected() {
    let (dir, home) = (model(), tempfile::tempdir().unwrap());
    let schema = home.path().join("s.json");
    let path = dir.path().to_str().unwrap();
    let check = |target: &str| mverify(&["inspect", target, "-q", "--expect", schema.to_str().unwrap()]);
    fs::write(&schema, mverify(&["inspect", path, "--json"]).out).unwrap();
    assert_eq!(check(path).code, 0);
    fs::write(dir.path().join("model.safetensors"), safetensors("x")).unwrap();
    let run = check(path);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("missing: model.safetensors: w") && run.err.contains("extra: model.safetensors: x"));
    fs::remove_file(dir.path().join("part/more.safetensors")).unwrap();
    assert!(check(path).err.contains("missing: part/more.safetensors"));
    let file = dir.path().join("model.safetensors");
    let file = file.to_str().unwrap();
    for (map, code, word) in [
        (r#"{"x":{"dtype":"uint8","shape":[2]}}"#, 0, ""),
        (r#"{"x":{"shape":[2]}}"#, 0, ""),
        (r#"{"x":{"dtype":"U8","shape":[1,2]}}"#, 1, "reshaped"),
        (r#"{"x":{"dtype":"F16","shape":[2]}}"#, 1, "retyped"),
        (r#"{"x":{"shape":[2]},"y":{"shape":[]}}"#, 1, "missing"),
        (r#"{}"#, 1, "extra"),
        (r#"[]"#, 2, "neither"),
        (r#"{"x":{"shape":[2],"allow":1}}"#, 2, "map of tensor names"),
    ] {
        fs::write(&schema, map).unwrap();
        let run = check(file);
        assert_eq!(run.code, code, "{map}: {}", run.err);
        assert!(run.err.contains(word), "{map}: {}", run.err);
    }
}

#[test]
fn bundles_say_what_they_claim() {
    let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/models/example/model");
    let run = mverify(&["inspect".as_ref(), model.join("model.sig").as_os_str()]);
    assert!(run.code == 0 && run.out.contains("manifest of model: 3 files by sha256"), "{}", run.out);
    assert!(run.out.contains("names as its signer key ") && run.out.contains("not verified here"), "{}", run.out);
    let run = mverify(&["inspect".as_ref(), model.as_os_str(), "--json".as_ref()]);
    let artifacts = run.json();
    let bundles = |n: usize| artifacts["artifacts"][n]["bundles"].clone();
    assert_eq!((&bundles(3)[0]["statement"], &bundles(3)[0]["files"]), (&"manifest".into(), &3.into()));
    assert!(bundles(0).is_null());
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("model.sig"), "{}").unwrap();
    let run = mverify(&["inspect".as_ref(), broken.path().as_os_str()]);
    assert!(run.out.contains("no bundle to rely on"), "{}", run.out);
}
