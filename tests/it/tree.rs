//! A directory as one thing: indexes, shards, twins, and names that collide.
#![cfg(unix)]

use super::model::{artifact, json, safetensors};
use super::tool::mverify;
use std::fs;
use std::path::Path;

/// A model in two shards, with its index.
fn sharded() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("model-00001-of-00002.safetensors"), safetensors("a")).unwrap();
    fs::write(at("model-00002-of-00002.safetensors"), safetensors("b")).unwrap();
    index(dir.path(), r#"{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}"#);
    dir
}

fn index(dir: &Path, map: &str) {
    let text = format!(r#"{{"metadata":{{"total_size":4}},"weight_map":{map}}}"#);
    fs::write(dir.join("model.safetensors.index.json"), text).unwrap();
}

#[test]
fn shards_hold_what_the_index_says() {
    let dir = sharded();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    let integrity = &artifact(&report, "model-00001-of-00002.safetensors")["integrity"][0];
    assert_eq!((&integrity["status"], &integrity["trust"]), (&"match".into(), &"self-asserted".into()));
    assert_eq!(mverify(&[dir.path().join("model.safetensors.index.json")]).code, 0, "an index alone is only JSON");
}

#[test]
fn every_disagreement_with_the_index_fails() {
    type Change = fn(&Path);
    let changes: [(&str, &str, Change); 6] = [
        ("MV-INT-002", "00002-of-00002.safetensors", |d| {
            fs::remove_file(d.join("model-00002-of-00002.safetensors")).unwrap();
        }),
        ("MV-IDX-003", "00003-of-00003.safetensors", |d| {
            fs::write(d.join("model-00003-of-00003.safetensors"), safetensors("c")).unwrap();
        }),
        ("MV-IDX-002", "00001-of-00002.safetensors", |d| {
            fs::write(d.join("model-00001-of-00002.safetensors"), safetensors("x")).unwrap();
        }),
        ("MV-IDX-001", "index.json", |d| index(d, r#"{"a":"../model.safetensors"}"#)),
        ("MV-IDX-001", "index.json", |d| index(d, r#"{"a":"/etc/passwd"}"#)),
        ("MV-IDX-001", "index.json", |d| index(d, r#"{"a":"x","a":"y"}"#)),
    ];
    for (rule, name, change) in changes {
        let dir = sharded();
        change(dir.path());
        let (run, report) = json(dir.path(), &[]);
        assert_eq!(run.code, 1, "{rule}: {}", run.out);
        assert!(artifact(&report, name)["findings"].to_string().contains(rule), "{rule}: {}", run.out);
    }
}

#[test]
fn twins_that_differ_are_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(super::tool::fixture("weights.pt"), dir.path().join("model.pt")).unwrap();
    fs::write(dir.path().join("model.safetensors"), safetensors("other")).unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(artifact(&report, "model.pt")["findings"].to_string().contains("MV-IDX-004"), "{}", run.out);
}

#[test]
fn names_that_are_one_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "Config.json", "caf\u{e9}.json", "cafe\u{301}.json"] {
        fs::write(dir.path().join(name), "{}").unwrap();
    }
    fs::write(dir.path().join("aux.txt"), "prose").unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 3, "{}", run.out);
    assert_eq!(run.out.matches("MV-NAM-001").count(), 4, "{}", run.out);
    assert_eq!(artifact(&report, "aux.txt")["verdict"], "ok");
    assert!(artifact(&report, "aux.txt")["findings"].to_string().contains("MV-NAM-002"));
}
