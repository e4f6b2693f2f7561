//! `mverify check --diff BASE`: only what changed in a git working tree, with every list holding for everything.
#![cfg(unix)]

use super::model::safetensors;
use super::tool::{Run, fixture, mverify, mverify_in};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// A repository with one commit: two weights, one of them not proven, and prose.
struct Repository(tempfile::TempDir);

impl Repository {
    /// `None`, with a word why, where there is no git.
    fn new() -> Option<Repository> {
        let repository = Repository(tempfile::tempdir().unwrap());
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: no git here");
            return None;
        }
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write("models/a.safetensors", &safetensors("a"));
        repository.write("models/b.pkl", &fs::read(fixture("pickle/main_class.pkl")).unwrap());
        repository.write("README.md", b"# Models\n");
        repository.commit("Begin");
        Some(repository)
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }
    fn git(&self, args: &[&str]) {
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.current_dir(self.0.path()).args(who).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let run = git.output().unwrap();
        assert!(run.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }
    fn check(&self, args: &[&str]) -> Run {
        mverify_in(self.0.path(), &[&["check", "--diff"][..], args].concat(), b"")
    }
    /// The names of what was checked, with verdicts, and how many files were not.
    fn checked(&self, args: &[&str]) -> (i32, Vec<String>, u64) {
        let run = self.check(&[args, &["--format=json"]].concat());
        let report: Value = run.json();
        let words = |a: &Value| format!("{} {}", a["path"].as_str().unwrap(), a["verdict"].as_str().unwrap());
        let checked = report["artifacts"].as_array().unwrap().iter().map(words).collect();
        (run.code, checked, report["summary"]["unchanged"].as_u64().unwrap_or(0))
    }
}

#[test]
fn what_changed_is_checked_and_nothing_else() {
    let Some(r) = Repository::new() else { return };
    let run = r.check(&["HEAD"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("nothing changed"), "{}", run.out);
    assert_eq!(r.checked(&["HEAD"]).2, r.checked(&["HEAD", "."]).2);
    // edited, staged, untracked, ignored, committed
    r.write("models/a.safetensors", &safetensors("b"));
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/a.safetensors bad"], "git's index expects what was staged");
    r.git(&["add", "models/a.safetensors"]);
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/a.safetensors ok"]);
    r.write("models/new.safetensors", &safetensors("n"));
    r.write(".gitignore", b"ignored*\n");
    r.write("models/ignored.pkl", &fs::read(fixture("pickle/os_getpid.pkl")).unwrap());
    let (code, checked, _) = r.checked(&["HEAD", "models"]);
    assert_eq!(
        (code, checked),
        (1, ["a.safetensors ok", "ignored.pkl bad", "new.safetensors ok"].map(|n| format!("models/{n}")).to_vec())
    );
    fs::remove_file(r.at("models/ignored.pkl")).unwrap();
    r.commit("Change");
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    let (code, checked, _) = r.checked(&["HEAD~1", "models"]);
    assert_eq!((code, checked.len()), (0, 2), "{checked:?}");
    // one that was named, and did not change
    let run = r.check(&["HEAD~1", "README.md"]);
    assert!(run.code == 0 && run.out.contains("nothing changed"), "{}", run.out);
    // deleted, with no list that misses it
    fs::remove_file(r.at("models/a.safetensors")).unwrap();
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    // a name that is nowhere is no name that did not change
    assert_eq!(r.check(&["HEAD", "typo"]).code, 3);
    for format in ["sarif", "junit", "github", "markdown", "jsonl"] {
        let run = r.check(&["HEAD", "--format", format]);
        assert!(run.code == 0 && !run.out.contains("no file was checked"), "{format}: {}", run.out);
    }
}

#[test]
fn names_of_any_kind_and_links() {
    let Some(r) = Repository::new() else { return };
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"models/x\n\xff \"y.pkl");
    fs::copy(fixture("pickle/os_getpid.pkl"), r.0.path().join(odd)).unwrap();
    symlink("models/a.safetensors", r.at("link.safetensors")).unwrap();
    let (code, checked, _) = r.checked(&["HEAD"]);
    assert_eq!((code, checked.len()), (1, 2), "{checked:?}");
    r.commit("Odd names");
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    // what a link leads to changed
    r.write("models/a.safetensors", &safetensors("z"));
    r.git(&["add", "models/a.safetensors"]);
    assert_eq!(r.checked(&["HEAD"]).1, ["./link.safetensors ok", "./models/a.safetensors ok"]);
}

#[test]
fn lists_hold_for_everything() {
    let Some(r) = Repository::new() else { return };
    fs::remove_file(r.at("models/b.pkl")).unwrap();
    r.write("models/c.safetensors", &safetensors("c"));
    let lock =
        |args: &[&str]| mverify_in(r.0.path(), &[&["lock", "models", "-o", "models.lock"][..], args].concat(), b"");
    assert_eq!(lock(&[]).code, 0);
    r.commit("Lock");
    let with = ["HEAD", "models", "--lock", "models.lock"];
    assert_eq!(r.checked(&with).0, 0);
    // missing, then added, with nothing else changed
    let a = fs::read(r.at("models/a.safetensors")).unwrap();
    fs::remove_file(r.at("models/a.safetensors")).unwrap();
    let (code, checked, _) = r.checked(&with);
    assert_eq!((code, checked), (1, vec!["models/a.safetensors bad".to_owned()]));
    r.commit("Lose it");
    let (code, checked, _) = r.checked(&with);
    assert_eq!((code, checked), (1, vec!["models/a.safetensors bad".to_owned()]), "committed or not");
    r.write("models/a.safetensors", &a);
    r.write("models/extra.safetensors", &safetensors("e"));
    r.commit("Add one");
    let (code, checked, _) = r.checked(&with);
    assert_eq!((code, checked), (1, vec!["models/extra.safetensors bad".to_owned()]), "no list names it");
    // a new lock says other things about what did not change
    assert_eq!(lock(&["--update"]).code, 0);
    let (code, checked, _) = r.checked(&with);
    assert_eq!((code, checked.len()), (0, 3), "{checked:?}");
    r.commit("Lock anew");
    assert_eq!(r.checked(&with).1, [""; 0]);
    // a list that is gone
    r.write("models/SHA256SUMS", b"");
    r.commit("A list");
    fs::remove_file(r.at("models/SHA256SUMS")).unwrap();
    assert_eq!(r.checked(&["HEAD", "models"]).1.len(), 3);
}

#[test]
fn what_git_was_told_not_to_look_at_counts_as_changed() {
    let Some(r) = Repository::new() else { return };
    r.git(&["update-index", "--assume-unchanged", "models/a.safetensors"]);
    r.write("models/a.safetensors", &safetensors("z"));
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/a.safetensors bad"]);
    r.git(&["update-index", "--no-assume-unchanged", "models/a.safetensors"]);
    r.git(&["update-index", "--skip-worktree", "models/a.safetensors"]);
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/a.safetensors bad"]);
    // a repository within it, into which git does not look
    r.git(&["init", "-q", "nested"]);
    r.write("nested/x.safetensors", &safetensors("x"));
    assert!(r.checked(&["HEAD"]).1.contains(&"./nested/x.safetensors ok".to_owned()));
    // a submodule: its own changes are not told from outside
    r.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))]);
    r.git(&["commit", "-q", "-m", "A submodule"]);
    r.write("sub/y.safetensors", &safetensors("y"));
    assert!(r.checked(&["HEAD", "sub"]).1.contains(&"sub/y.safetensors ok".to_owned()));
}

#[test]
fn other_demands_are_made_of_everything() {
    let Some(r) = Repository::new() else { return };
    r.write("mverify.toml", b"fail-on = \"high\"\n");
    r.write("named.toml", b"fail-on = \"high\"\n");
    r.commit("Policies");
    assert_eq!(r.checked(&["HEAD", "models"]).0, 0);
    r.write("mverify.toml", b"formats = [\"gguf\"]\n");
    let (code, checked, _) = r.checked(&["HEAD", "models"]);
    assert_eq!((code, checked.len()), (1, 2), "{checked:?}");
    r.commit("Be strict");
    assert_eq!(r.checked(&["HEAD", "models"]).1, [""; 0]);
    assert_eq!(r.checked(&["HEAD", "models", "--config", "named.toml"]).1, [""; 0]);
    r.write("named.toml", b"trusted-globals = [\"__main__.Net\"]\n");
    assert_eq!(r.checked(&["HEAD", "models", "--config", "named.toml", "--no-config"]).1.len(), 2);
}

#[test]
fn programs_of_the_repository_do_not_run() {
    let Some(r) = Repository::new() else { return };
    let ran = r.at("../").join(format!("{}-ran", r.0.path().file_name().unwrap().to_str().unwrap()));
    let touch = format!("touch '{}'; cat", ran.display());
    r.write(".gitattributes", b"*.safetensors filter=evil diff=evil\n");
    r.commit("Attributes");
    r.git(&["config", "core.fsmonitor", &touch]);
    for (key, value) in [("clean", &*touch), ("process", &*touch), ("smudge", &*touch), ("required", "true")] {
        r.git(&["config", &format!("filter.evil.{key}"), value]);
    }
    r.git(&["config", "diff.evil.textconv", &touch]);
    r.git(&["config", "diff.external", &touch]);
    let hook = r.at(".git/hooks/post-index-change");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
    Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let _ = fs::remove_file(&ran);
    // edited right after it was staged, when git compares contents
    r.write("models/a.safetensors", &safetensors("q"));
    let (code, checked, _) = r.checked(&["HEAD"]);
    assert_eq!((code, checked), (1, vec!["./models/a.safetensors bad".to_owned()]), "it is not what was staged");
    assert!(!ran.exists(), "a program of the repository ran");
}

#[test]
fn what_git_cannot_answer_is_an_error() {
    let Some(r) = Repository::new() else { return };
    for (base, words) in [
        ("no-such-branch", "there is no such revision"),
        ("--output=x", "expected a revision"),
        ("-h", "expected a revision"),
        ("", "expected a revision"),
        ("HEAD:models", "there is no such revision"),
    ] {
        let run = mverify_in(r.0.path(), &["check", &format!("--diff={base}"), "."], b"");
        assert!(run.code == 2 && run.err.contains(words), "{base}: {} {}", run.code, run.err);
    }
    assert!(!r.at("x").exists());
    let run = mverify_in(r.0.path(), &["check", "--diff=HEAD", "-"], b"");
    assert_eq!(run.code, 2, "{}", run.err);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.safetensors"), safetensors("x")).unwrap();
    let run = mverify_in(outside.path(), &["check", "--diff=HEAD"], b"");
    assert!(run.code == 2 && run.err.contains("no working tree"), "{}", run.err);
    // a shallow clone says so
    r.write("README.md", b"# More\n");
    r.commit("Second");
    let clone = outside.path().join("clone");
    let url = format!("file://{}", r.0.path().display());
    let cloned = Command::new("git").args(["clone", "-q", "--depth=1", &url]).arg(&clone).status().unwrap();
    assert!(cloned.success());
    let run = mverify_in(&clone, &["check", "--diff=HEAD~1"], b"");
    assert!(run.code == 2 && run.err.contains("shallow"), "{}", run.err);
    // no git
    let mut without = Command::new(env!("CARGO_BIN_EXE_mverify"));
    let run = without.current_dir(r.0.path()).args(["check", "--diff=HEAD"]).env("PATH", "/nowhere").output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("needs git"));
}

#[test]
fn files_of_git_lfs_change_with_their_pointers() {
    let Some(r) = Repository::new() else { return };
    if !Command::new("git").args(["lfs", "version"]).output().is_ok_and(|run| run.status.success()) {
        return eprintln!("skipped: no git-lfs here (tests/install-tools)");
    }
    r.git(&["lfs", "install", "--local"]);
    r.git(&["lfs", "track", "*.safetensors"]);
    // git compares contents of what is as young as its index, and of these the pointers are others
    let (a, big) = (r.at("models/a.safetensors"), r.at("models/big.safetensors"));
    let old = || {
        let touched = Command::new("touch").args(["-d", "2020-01-01"]).args([&a, &big]).status();
        assert!(touched.unwrap().success());
    };
    r.write("models/big.safetensors", &safetensors("big"));
    old();
    r.commit("Keep weights in LFS");
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    r.write("models/big.safetensors", &safetensors("big2"));
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/big.safetensors bad"], "it is not what was staged");
    old();
    r.commit("Change it");
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    let (code, checked, _) = r.checked(&["HEAD~1"]);
    assert_eq!((code, checked), (0, vec!["./models/big.safetensors ok".to_owned()]));
    // a pointer in place of the weights, as in a clone without git-lfs
    let pointer = Command::new("git").current_dir(r.0.path()).args(["show", "HEAD:models/big.safetensors"]).output();
    fs::write(r.at("models/big.safetensors"), pointer.unwrap().stdout).unwrap();
    let run = r.check(&["HEAD~1"]);
    assert!(run.code == 3 && run.out.contains("git-lfs pointer"), "{}", run.out);
}

#[cfg(feature = "trust")]
#[test]
fn a_signature_that_is_gone_is_missed() {
    let Some(r) = Repository::new() else { return };
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("k");
    assert_eq!(mverify(&["keygen".as_ref(), "-o".as_ref(), key.as_os_str()]).code, 0);
    let models = r.at("models");
    assert_eq!(mverify(&["sign".as_ref(), models.as_os_str(), "--key".as_ref(), key.as_os_str()]).code, 0);
    r.commit("Sign");
    let public = home.path().join("k.pub");
    let with = ["HEAD", "models", "--key", public.to_str().unwrap()];
    assert_eq!(r.checked(&with).0, 0);
    fs::remove_file(r.at("models/model.sig")).unwrap();
    let run = r.check(&with);
    assert_ne!(run.code, 0, "{}", run.out);
}

#[test]
fn links_that_lead_elsewhere() {
    let Some(r) = Repository::new() else { return };
    for (at, name) in [("v1", "a"), ("v2", "b")] {
        r.write(&format!("store/{at}/w.safetensors"), &safetensors(name));
    }
    symlink("../store/v1", r.at("models/latest")).unwrap();
    symlink("models/latest", r.at("current")).unwrap();
    r.commit("Two versions");
    let checked = |path: &str| r.checked(&["HEAD", path]);
    assert_eq!(checked("current").1, [""; 0]);
    // what lies there is as it was, and another of them is what is loaded
    fs::remove_file(r.at("models/latest")).unwrap();
    symlink("../store/v2", r.at("models/latest")).unwrap();
    for path in ["current", "models/latest", "current/w.safetensors"] {
        let (code, checked, _) = checked(path);
        assert!(code == 0 && checked.len() == 1 && checked[0].ends_with("w.safetensors ok"), "{path}: {checked:?}");
    }
    assert_eq!(checked("store").1, [""; 0]);
    r.commit("The other");
    assert_eq!(checked("current").1, [""; 0]);
    // a link of a file, by way of another
    symlink("store/v1/w.safetensors", r.at("one.safetensors")).unwrap();
    symlink("one.safetensors", r.at("two.safetensors")).unwrap();
    r.commit("Links of files");
    fs::remove_file(r.at("one.safetensors")).unwrap();
    symlink("store/v2/w.safetensors", r.at("one.safetensors")).unwrap();
    assert_eq!(checked("two.safetensors").1, ["two.safetensors ok"]);
}

#[test]
fn twins_of_what_changed() {
    let Some(r) = Repository::new() else { return };
    r.write("models/a.bin", &safetensors("a"));
    r.commit("The same twice");
    assert_eq!(r.checked(&["HEAD"]).1, [""; 0]);
    r.write("models/a.safetensors", &safetensors("other"));
    r.git(&["add", "-A"]);
    assert_eq!(r.checked(&["HEAD"]).1, ["./models/a.bin ok", "./models/a.safetensors ok"]);
    let run = r.check(&["HEAD", "-v"]);
    assert!(run.out.contains("IDX-004"), "{}", run.out);
}

#[test]
fn what_a_lock_does_not_cover_is_told_though_nothing_changed() {
    let Some(r) = Repository::new() else { return };
    r.write("other/c.safetensors", &safetensors("c"));
    fs::remove_file(r.at("models/b.pkl")).unwrap();
    assert_eq!(mverify_in(r.0.path(), &["lock", "models"], b"").code, 0);
    r.commit("Lock a part");
    let (code, checked, _) = r.checked(&["HEAD", "--lock=mverify.lock", "models", "other"]);
    assert_eq!((code, checked), (3, vec!["other/c.safetensors unknown".to_owned()]));
}
