//! A small model to check, and reports about it.

use super::tool::{Run, mverify, mverify_in};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A directory with two loadable files and prose.
pub fn model() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("model.safetensors"), safetensors("w")).unwrap();
    fs::create_dir(dir.path().join("part")).unwrap();
    fs::write(dir.path().join("part/more.safetensors"), safetensors("v")).unwrap();
    fs::write(dir.path().join("README.md"), "# A model\n").unwrap();
    dir
}

/// A file with one tensor of this name.
pub fn safetensors(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(b"\x01\x02");
    bytes
}

pub fn json(path: &Path, args: &[&str]) -> (Run, Value) {
    let mut all = vec![path.to_str().unwrap(), "--format=json"];
    all.extend(args);
    let run = mverify(&all);
    let value = run.json();
    (run, value)
}

pub fn artifact<'a>(report: &'a Value, name: &str) -> &'a Value {
    let artifacts = report["artifacts"].as_array().unwrap();
    artifacts.iter().find(|a| a["path"].as_str().unwrap().ends_with(name)).unwrap_or_else(|| panic!("no {name}"))
}

pub fn digests(dir: &Path, names: &[&str]) -> String {
    let mut args = vec!["hash"];
    args.extend(names);
    let run = mverify_in(dir, &args, b"");
    assert_eq!(run.code, 0, "{}", run.err);
    run.out
}
