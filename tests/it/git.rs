//! Files that git tracks, as themselves or as a git-lfs pointer.

use super::model::{artifact, json, model, safetensors};
use super::tool::mverify;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs git; false where there is none.
fn git(dir: &Path, args: &[&str]) -> bool {
    let run = Command::new("git").current_dir(dir).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
    match run {
        Ok(run) => run.status.success(),
        Err(_) => {
            eprintln!("skipped: no git here");
            false
        }
    }
}

#[test]
fn tracked_weights_are_held_against_gits_index() {
    let dir = model();
    // git-lfs leaves a pointer in the index and the content in the working tree
    let content = fs::read(dir.path().join("part/more.safetensors")).unwrap();
    let out = mverify(&["hash".as_ref(), dir.path().join("part/more.safetensors").as_os_str()]).out;
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", &out[..64], content.len());
    fs::write(dir.path().join("part/more.safetensors"), pointer).unwrap();
    if !git(dir.path(), &["init", "-q"]) || !git(dir.path(), &["add", "."]) {
        return;
    }
    fs::write(dir.path().join("part/more.safetensors"), &content).unwrap();
    for name in ["model.safetensors", "part/more.safetensors"] {
        let file = dir.path().join(name);
        let (run, report) = json(&file, &[]);
        assert_eq!(run.code, 0, "{}", run.out);
        let integrity = &artifact(&report, name)["integrity"][0];
        assert_eq!((&integrity["source"], &integrity["status"]), (&"git index".into(), &"match".into()));
        assert_eq!(integrity["note"], "sha1-git: corruption check only");
        fs::write(&file, safetensors("x")).unwrap();
        let (run, _) = json(&file, &[]);
        assert!(run.code == 1 && run.out.contains("mismatch"), "{}", run.out);
    }
    // prose may be edited, and files that git does not track are none of its business
    let prose = dir.path().join("README.md");
    fs::write(&prose, "# Edited\n").unwrap();
    fs::write(dir.path().join("new.safetensors"), safetensors("n")).unwrap();
    assert_eq!(mverify(&[prose, dir.path().join("new.safetensors")]).code, 0);
}
