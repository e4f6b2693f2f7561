//! Files that git tracks, as themselves or as a git-lfs pointer.

use super::model::{artifact, json, model, safetensors};
use super::tool::{mverify, skip};
use std::fs;
use std::path::{Path, PathBuf};
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

#[test]
fn a_linked_working_tree_has_an_index_of_its_own() {
    let dir = model();
    let author = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    if !git(dir.path(), &["init", "-q"]) || !git(dir.path(), &["add", "."]) {
        return;
    }
    assert!(git(dir.path(), &[&author[..], &["commit", "-q", "-m", "x"]].concat()));
    assert!(git(dir.path(), &["worktree", "add", "-q", "linked"]));
    let file = dir.path().join("linked/model.safetensors");
    let (run, report) = json(&file, &[]);
    let integrity = &artifact(&report, "model.safetensors")["integrity"][0];
    assert_eq!((run.code, &integrity["source"], &integrity["status"]), (0, &"git index".into(), &"match".into()));
    fs::write(&file, safetensors("x")).unwrap();
    assert_eq!(mverify(&[file]).code, 1);
}

/// A repository whose weights git-lfs keeps, made by git-lfs itself; `None` where it is absent.
fn lfs_repository(home: &Path) -> Option<PathBuf> {
    let origin = home.join("origin");
    fs::create_dir(&origin).unwrap();
    if !git(&origin, &["init", "-q", "-b", "main"]) {
        return None;
    }
    if !git(&origin, &["lfs", "install", "--local"]) {
        skip("there is no git-lfs (tests/install-tools)");
        return None;
    }
    fs::write(origin.join("model.safetensors"), safetensors("w")).unwrap();
    fs::write(origin.join("config.json"), "{}").unwrap();
    assert!(git(&origin, &["lfs", "track", "*.safetensors"]));
    assert!(git(&origin, &["add", "."]));
    let who = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
    assert!(git(&origin, &[&who[..], &["commit", "-q", "-m", "Add a model"]].concat()));
    Some(origin)
}

#[test]
fn checkouts_and_pointers_of_the_real_git_lfs() {
    let home = tempfile::tempdir().unwrap();
    let Some(origin) = lfs_repository(home.path()) else { return };
    let (run, report) = json(&origin, &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    let integrity = &artifact(&report, "/model.safetensors")["integrity"];
    assert!(integrity.to_string().contains("git index"), "{integrity}");
    // the object that git-lfs keeps carries its digest as name
    assert!(report["artifacts"].to_string().contains("name of the git-lfs object"), "{}", run.out);

    // a clone without the content: the pointer stands in place of the weights
    let clone = home.path().join("clone");
    let from = format!("file://{}", origin.display());
    let cloned = Command::new("git")
        .args([
            "-c",
            "filter.lfs.smudge=git-lfs smudge --skip -- %f",
            "-c",
            "filter.lfs.process=",
            "clone",
            "-q",
            &from,
        ])
        .arg(&clone)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .status();
    assert!(cloned.unwrap().success());
    let pointer = fs::read_to_string(clone.join("model.safetensors")).unwrap();
    assert!(pointer.starts_with("version https://git-lfs"), "{pointer}");
    for path in [clone.clone(), clone.join("model.safetensors")] {
        let run = mverify(&[&path]);
        assert_eq!(run.code, 3, "{}", run.out);
        assert!(run.out.contains("git-lfs pointer"), "{}", run.out);
    }
    let said = mverify(&[clone.join("model.safetensors")]).out;
    assert!(said.contains("git lfs pull"), "{said}");
    // fetched by git-lfs
    assert!(git(&clone, &["lfs", "install", "--local"]) && git(&clone, &["lfs", "pull"]));
    assert_eq!(fs::read(clone.join("model.safetensors")).unwrap(), safetensors("w"));
    let (run, report) = json(&clone.join("model.safetensors"), &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(report["artifacts"][0]["integrity"][0]["status"], "match");
    // tampered with, at the same size
    fs::write(clone.join("model.safetensors"), safetensors("x")).unwrap();
    for path in [clone.clone(), clone.join("model.safetensors")] {
        let run = mverify(&[&path]);
        assert_eq!(run.code, 1, "{}", run.out);
        assert!(run.out.contains("git index expects"), "{}", run.out);
    }
    // and in the store of git-lfs
    let objects = clone.join(".git/lfs/objects");
    let cas = mverify(&["cas", objects.to_str().unwrap(), "--algo", "sha256"]);
    assert_eq!(cas.code, 0, "{}{}", cas.out, cas.err);
    let object = cas.out.lines().find_map(|line| line.strip_suffix(": OK")).unwrap().to_owned();
    let _ = Command::new("chmod").args(["u+w", &object]).status();
    fs::write(&object, safetensors("x")).unwrap();
    assert_eq!(mverify(&["cas", objects.to_str().unwrap(), "--algo", "sha256"]).code, 1);
    assert_eq!(mverify(&[&object]).code, 1);
}
