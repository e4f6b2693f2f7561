//! `mverify.toml`: what it demands, and that a directory cannot grant itself anything.

use super::model::{json, model};
use super::tool::{Run, fixture, mverify, mverify_in};
use std::fs;
use std::path::Path;

fn with(config: &str, path: &Path) -> Run {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.toml");
    fs::write(&file, config).unwrap();
    mverify(&[path.to_str().unwrap(), "--config", file.to_str().unwrap()])
}

#[test]
fn what_a_named_policy_demands_holds() {
    let dir = model();
    assert_eq!(with("", dir.path()).code, 0);
    assert_eq!(with("require = [\"manifest\"]", dir.path()).code, 3);
    assert_eq!(with("formats = [\"gguf\"]", dir.path()).code, 1);
    assert_eq!(with("formats = [\"gguf\", \"safe*\"]", dir.path()).code, 0);
    assert_eq!(with("[limits]\nmax_file_bytes = 3", dir.path()).code, 3);
    let run = with("fail-on = \"high\"\nfail-of = \"low\"\n", dir.path());
    assert!(run.code == 2 && run.err.contains("p.toml:2:1: unknown field"), "{}", run.err);
    assert_eq!(mverify(&[dir.path().to_str().unwrap(), "--config", "no-such.toml"]).code, 2);
}

#[test]
fn sources_are_restricted() {
    let dir = model();
    assert_eq!(with("sources = [\"acme/*\"]", dir.path()).code, 3, "nobody knows where it comes from");
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cache.path().join("models--acme--bert/snapshots").join("c".repeat(40));
    fs::create_dir_all(&snapshot).unwrap();
    fs::copy(dir.path().join("model.safetensors"), snapshot.join("model.safetensors")).unwrap();
    for path in [cache.path().join("models--acme--bert"), snapshot.clone(), snapshot.join("model.safetensors")] {
        assert_eq!(with("sources = [\"acme/*\"]", &path).code, 0);
        assert_eq!(with("sources = [\"facebook/*\", \"acme/other\"]", &path).code, 1);
        assert_eq!(with(&format!("sources = [\"acme/bert@{}\"]", "c".repeat(40)), &path).code, 0);
        assert_eq!(with(&format!("sources = [\"acme/bert@{}\"]", "d".repeat(40)), &path).code, 1);
    }
}

#[test]
fn a_policy_that_merely_lies_there_only_tightens() {
    let bad = fs::read(fixture("pickle/os_getpid.pkl")).unwrap();
    let lax = "fail-on = \"critical\"\ntrusted-globals = [\"os.getpid\", \"posix.getpid\"]\nformats = [\"*\"]\n\
               sources = [\"*/*\"]\n[limits]\nmax_ops = 999999999999\n";
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.pkl"), &bad).unwrap();
    fs::write(dir.path().join("mverify.toml"), lax.replace("sources = [\"*/*\"]\n", "")).unwrap();
    // beside the artifact, in the directory that is checked, in the working directory
    for args in [vec!["bad.pkl"], vec!["."]] {
        let run = mverify_in(dir.path(), &args, b"");
        assert_eq!(run.code, 1, "{args:?}: {}", run.out);
        assert!(run.err.contains("passed over"), "{}", run.err);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.pkl");
    assert_eq!(mverify_in(elsewhere.path(), &[file.as_os_str()], b"").code, 1);
    assert_eq!(mverify_in(dir.path(), &["-"], &bad).code, 1);
    // a lax one cannot undo what the user demands
    let strict = elsewhere.path().join("strict.toml");
    fs::write(&strict, "require = [\"manifest\"]\nformats = [\"gguf\"]\nsources = [\"acme/*\"]\n").unwrap();
    let good = model();
    fs::write(good.path().join("mverify.toml"), lax).unwrap();
    let run = mverify(&[good.path().to_str().unwrap(), "--config", strict.to_str().unwrap()]);
    assert!(run.code == 1 && run.out.contains("POL-001") && run.out.contains("POL-003"), "{}", run.out);
    // but a strict one tightens, unless no policy is asked for
    fs::write(good.path().join("mverify.toml"), "require = [\"manifest\"]\n").unwrap();
    let path = good.path().to_str().unwrap();
    assert_eq!(mverify(&[path]).code, 3);
    assert_eq!(mverify(&[path, "--no-config"]).code, 0);
    fs::write(good.path().join("mverify.toml"), "alow = true\n").unwrap();
    assert_eq!(mverify(&[path]).code, 2, "a broken policy is not passed over");
}

#[test]
fn a_directory_cannot_name_its_own_policy_by_link_or_lock() {
    // a lock and sums that vouch for a bad file, and a policy that trusts what it names
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join("model.bin")).unwrap();
    let sums = mverify_in(dir.path(), &["hash", "model.bin"], b"").out;
    fs::write(dir.path().join("SHA256SUMS"), &sums).unwrap();
    fs::write(dir.path().join("mverify.toml"), "trusted-globals = [\"os.getpid\"]\n").unwrap();
    let (run, report) = json(dir.path(), &["--require=manifest"]);
    assert_eq!(run.code, 1);
    assert!(report["artifacts"].to_string().contains("self-asserted"));
    assert!(!report["artifacts"].to_string().contains("\"pinned\""));
}

#[test]
fn the_configuration_folder_is_the_users_own() {
    let (home, dir) = (tempfile::tempdir().unwrap(), model());
    // the helper points XDG_CONFIG_HOME below the working directory
    let folder = home.path().join("no-such-directory/mverify");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mverify.toml"), "formats = [\"gguf\"]\n").unwrap();
    let path = dir.path().to_str().unwrap();
    assert_eq!(mverify_in(home.path(), &[path], b"").code, 1);
    assert_eq!(mverify_in(home.path(), &[path, "--no-config"], b"").code, 0);
    let run = mverify_in(home.path(), &["policy", "check", path], b"");
    assert!(run.code == 0 && run.out.contains("trusted: your configuration"), "{}", run.out);
    assert!(run.out.contains("formats = gguf"), "{}", run.out);
    fs::write(dir.path().join("mverify.toml"), "trusted-globals = [\"a.b\"]\nfail-on = \"low\"\n").unwrap();
    let run = mverify_in(home.path(), &["policy", "check", path], b"");
    assert!(run.out.contains("can only tighten") && run.out.contains("trusted-globals: passed over"), "{}", run.out);
    assert!(run.out.contains("fail-on = low") && run.out.contains("trusted-globals = none"), "{}", run.out);
    assert_eq!(mverify(&["policy", "check", "no-such-path"]).code, 2);
    fs::write(home.path().join("p.toml"), "[[model]]\npath = \"modles/**\"\nrequire = [\"signature\"]\n").unwrap();
    let run = mverify_in(home.path(), &["policy", "check", path, "--config", "p.toml"], b"");
    assert!(run.out.contains("no [[model]] covers it"), "{}", run.out);
}
