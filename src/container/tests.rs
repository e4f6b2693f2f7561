//! The container rules against shared samples.

use super::craft::{stored, zip};
use crate::testing::{examine, shared};
use crate::{Verdict, rule};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Archives that every reader reads alike.
const PLAIN: &[&str] = &[
    "base.pt",
    "base_deflate.pt",
    "base_desc.pt",
    "base_zip64_eocd.pt",
    "debug_pkl.pt",
    "name_long_600.pt",
    "name_utf8_flag.pt",
    "version_1.pt",
    "version_2.pt",
    "version_10.pt",
    "dot_data_version.pt",
    "constants_elsewhere.pt",
];

#[test]
fn only_the_plain_archives_of_the_zip_set_pass() {
    let Some(shared) = shared() else { return };
    let dir = shared.join("torch/zip");
    let mut wrong = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let found = examine(&fs::read(&path).unwrap(), &name);
        if PLAIN.contains(&name.as_str()) != (found.verdict() == Verdict::Ok) {
            let texts: Vec<_> = found.findings.iter().map(|f| format!("{}: {}", f.rule.id, f.message)).collect();
            wrong.insert(name.clone(), texts);
        }
        seen.insert(name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.len() > 40);
}

#[test]
fn what_torch_writes_is_no_bad_container() {
    let Some(shared) = shared() else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for version in ["1.13.0a0", "2.6.0", "2.15.0", "common"] {
        for file in fs::read_dir(shared.join("torch/real").join(version)).unwrap() {
            let path = file.unwrap().path();
            let Ok(bytes) = fs::read(&path) else { continue };
            // zipvar_*: archives that were altered on purpose
            let altered = path.file_name().unwrap().to_str().unwrap().starts_with("zipvar_");
            if altered || !bytes.starts_with(b"PK") {
                continue;
            }
            count += 1;
            let found = examine(&bytes, path.file_name().unwrap().to_str().unwrap());
            let own = found
                .findings
                .iter()
                .filter(|f| rule::container::ALL.contains(&f.rule) || f.rule.id.starts_with("MV-TOR"));
            let own: Vec<_> = own
                .filter(|f| f.rule != &rule::torch::TORCHSCRIPT)
                .map(|f| format!("{}: {} {:?}", f.rule.id, f.message, f.member))
                .collect();
            if !own.is_empty() {
                wrong.push((path, own));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 100);
}

#[test]
fn plain_fixtures_pass() {
    for name in ["weights.pt", "container/plain.zip", "torch/plain.legacy.pt"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let found = examine(&fs::read(path).unwrap(), name);
        assert_eq!(found.verdict(), Verdict::Ok, "{name}: {:#?}", found.findings);
    }
}

#[test]
fn a_legacy_storage_of_another_size_is_corrupt() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/torch/size.legacy.pt");
    let found = examine(&fs::read(path).unwrap(), "size.legacy.pt");
    assert!(found.has(&rule::torch::CORRUPT_STORAGE), "{:#?}", found.findings);
    assert_eq!(found.verdict(), Verdict::Bad);
}

#[test]
fn a_keras_model_is_not_ok_for_want_of_a_parser() {
    let config = br#"{"module": "builtins", "class_name": "function", "config": "exec"}"#;
    let archive = |metadata: &[u8]| zip(&[stored("metadata.json", metadata), stored("config.json", config)]);
    let keras = examine(&archive(br#"{"keras_version": "3.8.0"}"#), "m.keras");
    assert_eq!((keras.identity.format, keras.verdict()), ("keras", Verdict::Unknown));
    assert_eq!(examine(&archive(b"{}"), "m.zip").verdict(), Verdict::Ok);
}
