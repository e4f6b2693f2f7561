//! `mverify lock` and `--lock`: what is pinned must be there as it was, and nothing else.
#![cfg(unix)]

use super::model::{artifact, json, model, safetensors};
use super::tool::{Run, fixture, mverify, mverify_in};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A model, and its lock outside of it.
fn locked() -> (tempfile::TempDir, tempfile::TempDir, String) {
    let (dir, home) = (model(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("pytorch_model.bin"), safetensors("twin")).unwrap();
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    let lock = home.path().join("l.lock").to_str().unwrap().to_owned();
    let run = mverify(&["lock", dir.path().to_str().unwrap(), "-o", &lock]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    (dir, home, lock)
}

fn check(path: &Path, lock: &str) -> Run {
    mverify(&[path.to_str().unwrap(), "--lock", lock])
}

#[test]
fn what_is_unchanged_passes_and_prose_may_change() {
    let (dir, _home, lock) = locked();
    assert_eq!(check(dir.path(), &lock).code, 0);
    fs::write(dir.path().join("README.md"), "# Another text\n").unwrap();
    fs::write(dir.path().join("NOTES.txt"), "Prose.\n").unwrap();
    let run = check(dir.path(), &lock);
    assert_eq!(run.code, 0, "{}", run.out);
    let (_, report) = json(dir.path(), &["--lock", &lock, "--require=manifest"]);
    let integrity = &artifact(&report, "/model.safetensors")["integrity"][0];
    assert_eq!((integrity["status"].as_str(), integrity["trust"].as_str()), (Some("match"), Some("pinned")));
    assert_eq!(report["verdict"], "ok", "a pin is a manifest");
}

#[test]
fn every_change_fails_with_its_word() {
    type Change = fn(&Path);
    let changes: [(&str, &str, Change); 12] = [
        ("it changed", "model.safetensors", |d| fs::write(d.join("model.safetensors"), safetensors("x")).unwrap()),
        ("it changed", "config.json", |d| fs::write(d.join("config.json"), "[]").unwrap()),
        ("it was added", "new.bin", |d| fs::write(d.join("new.bin"), safetensors("n")).unwrap()),
        ("it was added", "run.py", |d| fs::write(d.join("run.py"), "import os\nos.getpid()\n").unwrap()),
        ("it was added", "extra.json", |d| fs::write(d.join("extra.json"), "{}").unwrap()),
        ("it is missing", "part/more.safetensors", |d| fs::remove_file(d.join("part/more.safetensors")).unwrap()),
        ("it is missing", "config.json", |d| fs::remove_file(d.join("config.json")).unwrap()),
        ("renamed", "other.safetensors", |d| {
            fs::rename(d.join("model.safetensors"), d.join("other.safetensors")).unwrap();
        }),
        ("its content is that of pytorch_model.bin", "model.safetensors", |d| {
            fs::rename(d.join("model.safetensors"), d.join("t")).unwrap();
            fs::rename(d.join("pytorch_model.bin"), d.join("model.safetensors")).unwrap();
            fs::rename(d.join("t"), d.join("pytorch_model.bin")).unwrap();
        }),
        ("became a symbolic link", "model.safetensors", |d| {
            fs::rename(d.join("model.safetensors"), d.join(".hidden")).unwrap();
            symlink(".hidden", d.join("model.safetensors")).unwrap();
        }),
        ("became a symbolic link", "model.safetensors", |d| {
            fs::remove_file(d.join("model.safetensors")).unwrap();
            symlink("/dev/null", d.join("model.safetensors")).unwrap();
        }),
        ("became a symbolic link", "part/more.safetensors", |d| {
            fs::rename(d.join("part"), d.join("part2")).unwrap();
            symlink("part2", d.join("part")).unwrap();
        }),
    ];
    for (words, name, change) in changes {
        let (dir, _home, lock) = locked();
        change(dir.path());
        let (run, report) = json(dir.path(), &["--lock", &lock]);
        assert_eq!(run.code, 1, "{words} {name}: {}", run.out);
        let reasons = artifact(&report, name)["reasons"].to_string();
        assert!(reasons.contains(words), "{words}: {reasons}");
    }
}

#[test]
fn one_file_of_a_locked_directory() {
    let (dir, _home, lock) = locked();
    assert_eq!(check(&dir.path().join("model.safetensors"), &lock).code, 0);
    assert_eq!(check(&dir.path().join("part/more.safetensors"), &lock).code, 0, "by as much of its path as is listed");
    fs::copy(dir.path().join("part/more.safetensors"), dir.path().join("more.safetensors")).unwrap();
    assert_eq!(check(&dir.path().join("more.safetensors"), &lock).code, 1, "no such name at the top");
    fs::write(dir.path().join("model.safetensors"), safetensors("x")).unwrap();
    assert_eq!(check(&dir.path().join("model.safetensors"), &lock).code, 1);
    // a lock that lies in the directory knows where its files are
    let inside = model();
    assert_eq!(mverify_in(inside.path(), &["lock", "."], b"").code, 0);
    let lock = inside.path().join("mverify.lock").to_str().unwrap().to_owned();
    assert_eq!(check(&inside.path().join("part/more.safetensors"), &lock).code, 0);
    assert_eq!(check(inside.path(), &lock).code, 0, "the lock itself is nothing extra");
}

#[test]
fn a_lock_that_merely_lies_there_can_only_fail() {
    let dir = model();
    assert_eq!(mverify_in(dir.path(), &["lock", "."], b"").code, 0);
    let path = dir.path().to_str().unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(artifact(&report, "/model.safetensors")["integrity"][0]["trust"], "self-asserted");
    assert_eq!(mverify(&[path, "--require=manifest"]).code, 3, "it proves no origin");
    assert_eq!(mverify_in(dir.path(), &["model.safetensors", "--require=manifest"], b"").code, 3);
    fs::write(dir.path().join("new.bin"), safetensors("n")).unwrap();
    assert_eq!(mverify(&[path]).code, 1);
    // a hostile one that lists a bad file does not make it good
    let bad = super::tool::fixture("pickle/os_getpid.pkl");
    fs::copy(&bad, dir.path().join("new.bin")).unwrap();
    let digest = mverify(&["hash".as_ref(), bad.as_os_str()]).out[..64].to_owned();
    let size = fs::metadata(&bad).unwrap().len();
    let text = format!(
        "{{\"mverify_lock\":1}}\n{{\"path\":\"new.bin\",\"size\":{size},\"sha256\":\"{digest}\",\"format\":\"text\",\"role\":\"inert\"}}\n"
    );
    fs::write(dir.path().join("mverify.lock"), text).unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 1);
    assert!(artifact(&report, "new.bin")["findings"].to_string().contains("os.getpid"));
    fs::write(dir.path().join("mverify.lock"), "{\"mverify_lock\":1}\n{\"allow\":true}\n").unwrap();
    let (_, report) = json(dir.path(), &[]);
    assert_eq!(artifact(&report, "mverify.lock")["verdict"], "unknown", "a broken lock is told");
}

#[test]
fn a_lock_is_never_overwritten_silently() {
    let (dir, home, lock) = locked();
    let path = dir.path().to_str().unwrap();
    let before = fs::read_to_string(&lock).unwrap();
    assert_eq!(mverify(&["lock", path, "-o", &lock]).code, 0, "nothing changed");
    assert_eq!(mverify(&["lock", path, "-o", &lock, "--check"]).code, 0);
    fs::write(dir.path().join("model.safetensors"), safetensors("x")).unwrap();
    let run = mverify(&["lock", path, "-o", &lock]);
    assert_eq!((run.code, run.out.as_str()), (2, "changed: model.safetensors\n"), "{}", run.err);
    assert_eq!(mverify(&["lock", path, "-o", &lock, "--check"]).code, 1);
    assert_eq!(fs::read_to_string(&lock).unwrap(), before);
    let run = mverify(&["lock", path, "-o", &lock, "--update"]);
    assert!(run.code == 0 && run.out.starts_with("changed: model.safetensors\n"), "{}", run.out);
    assert_eq!(check(dir.path(), &lock).code, 0);
    let changed = fs::read_to_string(&lock).unwrap();
    assert_eq!(before.lines().filter(|line| !changed.contains(line)).count(), 1, "one file, one line");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing else was left there");
    fs::write(&lock, "nonsense\n").unwrap();
    assert_eq!(mverify(&["lock", path, "-o", &lock, "--update"]).code, 2, "an unreadable lock is not replaced");
    assert_eq!(check(dir.path(), &lock).code, 2);
    assert_eq!(check(dir.path(), "no-such.lock").code, 2);
}

#[test]
fn a_lock_pins_nothing_bad_and_nothing_unread() {
    let home = tempfile::tempdir().unwrap();
    let lock = home.path().join("l").to_str().unwrap().to_owned();
    let dir = model();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    assert_eq!(mverify(&["lock", dir.path().to_str().unwrap(), "-o", &lock]).code, 3);
    fs::remove_file(dir.path().join("broken")).unwrap();
    fs::copy(super::tool::fixture("pickle/os_getpid.pkl"), dir.path().join("bad.pkl")).unwrap();
    assert_eq!(mverify(&["lock", dir.path().to_str().unwrap(), "-o", &lock]).code, 1);
    assert!(!Path::new(&lock).exists());
}

/// A cache as the hub's client lays it out, with one repository.
fn cache(repo: &str) -> (tempfile::TempDir, PathBuf) {
    let cache = tempfile::tempdir().unwrap();
    let repo = cache.path().join(repo);
    let (commit, weights, config) = ("c".repeat(40), safetensors("w"), "{}");
    let hex = |algorithm: &str, bytes: &[u8]| {
        let file = cache.path().join("t");
        fs::write(&file, bytes).unwrap();
        let out = mverify(&["hash".as_ref(), "-a".as_ref(), algorithm.as_ref(), file.as_os_str()]).out;
        fs::remove_file(&file).unwrap();
        out.split(' ').next().unwrap().to_owned()
    };
    let (sha256, sha1) = (hex("sha256", &weights), hex("sha1-git", config.as_bytes()));
    fs::create_dir_all(repo.join("blobs")).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    let snapshot = repo.join("snapshots").join(&commit);
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repo.join("refs/main"), &commit).unwrap();
    fs::write(repo.join("blobs").join(&sha256), weights).unwrap();
    fs::write(repo.join("blobs").join(&sha1), config).unwrap();
    symlink(format!("../../blobs/{sha256}"), snapshot.join("model.safetensors")).unwrap();
    symlink(format!("../../blobs/{sha1}"), snapshot.join("config.json")).unwrap();
    (cache, repo)
}

#[test]
fn a_cache_of_the_hub_proves_itself_and_is_locked_by_revision() {
    let (cache, repo) = cache("models--acme--bert");
    let snapshot = repo.join("snapshots").join("c".repeat(40));
    for path in [cache.path(), &repo, &snapshot] {
        let (run, report) = json(path, &[]);
        assert_eq!(run.code, 0, "{}", run.out);
        let integrity = &artifact(&report, "model.safetensors")["integrity"][0];
        assert_eq!((&integrity["status"], &integrity["note"]), (&"match".into(), &serde_json::Value::Null));
        let integrity = &artifact(&report, "config.json")["integrity"][0];
        assert_eq!(integrity["note"], "sha1-git: corruption check only");
    }
    let home = tempfile::tempdir().unwrap();
    let lock = home.path().join("l").to_str().unwrap().to_owned();
    assert_eq!(mverify(&["lock", repo.to_str().unwrap(), "-o", &lock]).code, 0);
    let text = fs::read_to_string(&lock).unwrap();
    let head = format!(r#"{{"mverify_lock":2,"hub":"acme/bert","commit":"{}"}}"#, "c".repeat(40));
    assert_eq!(text.lines().next(), Some(head.as_str()));
    for path in [&repo, &snapshot] {
        let run = check(path, &lock);
        assert_eq!(run.code, 0, "{}", run.out);
    }
    // another repository with the same content is not what was locked
    let other = repo.with_file_name("models--evil--bert");
    assert!(Command::new("cp").arg("-a").args([&repo, &other]).status().unwrap().success());
    let run = check(&other, &lock);
    assert!(run.code == 1 && run.out.contains("evil/bert"), "{}", run.out);
    // another revision beside it
    let more = repo.join("snapshots").join("d".repeat(40));
    fs::create_dir(&more).unwrap();
    fs::write(more.join("model.safetensors"), safetensors("x")).unwrap();
    assert_eq!(check(&repo, &lock).code, 1);
    fs::remove_dir_all(&more).unwrap();
    // a changed blob fails by its name alone
    let blob = fs::canonicalize(snapshot.join("model.safetensors")).unwrap();
    fs::write(blob, safetensors("x")).unwrap();
    for path in [&repo, &snapshot] {
        assert_eq!(mverify(&[path]).code, 1);
        assert_eq!(check(path, &lock).code, 1);
    }
    assert_eq!(mverify(&[snapshot.join("model.safetensors")]).code, 1);
}

#[test]
fn a_folder_made_by_the_hub_client_is_compared_with_its_notes() {
    let dir = model();
    let digest = mverify_in(dir.path(), &["hash", "part/more.safetensors"], b"").out[..64].to_owned();
    let note = dir.path().join(".cache/huggingface/download/part/more.safetensors.metadata");
    fs::create_dir_all(note.parent().unwrap()).unwrap();
    fs::write(note, format!("{}\n{digest}\n1720000000.5\n", "c".repeat(40))).unwrap();
    let file = dir.path().join("part/more.safetensors");
    for path in [dir.path(), &file] {
        let (run, report) = json(path, &[]);
        assert_eq!(run.code, 0, "{}", run.out);
        assert_eq!(artifact(&report, "part/more.safetensors")["integrity"][0]["status"], "match");
    }
    fs::write(&file, safetensors("x")).unwrap();
    for path in [dir.path(), &file] {
        assert_eq!(mverify(&[path]).code, 1);
    }
}

#[test]
fn names_of_torch_hub_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("hub/checkpoints");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("x");
    fs::write(&file, safetensors("w")).unwrap();
    let start = mverify(&["hash".as_ref(), file.as_os_str()]).out[..8].to_owned();
    let good = folder.join(format!("net-{start}.pth"));
    fs::rename(&file, &good).unwrap();
    let (run, report) = json(&good, &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(report["artifacts"][0]["integrity"][0]["note"].as_str().unwrap().contains("corruption check only"));
    fs::rename(&good, folder.join("net-0123abcd.pth")).unwrap();
    assert_eq!(mverify(&[dir.path()]).code, 1);
}

#[test]
fn what_was_reviewed_does_not_alarm_again_and_what_is_new_does() {
    let (dir, home) = (model(), tempfile::tempdir().unwrap());
    let pickle = |class: &str| [b"\x80\x02c__main__\n", class.as_bytes(), b"\n)\x81."].concat();
    fs::write(dir.path().join("net.pkl"), pickle("Net")).unwrap();
    let path = dir.path().to_str().unwrap();
    let file = home.path().join("reviewed.lock");
    let lock = file.to_str().unwrap();
    assert_eq!(mverify(&[path]).code, 3, "an unvetted class");
    assert_eq!(mverify(&["lock", path, "-o", lock]).code, 0);
    assert!(fs::read_to_string(&file).unwrap().contains(r#""globals":["__main__.Net"]"#));
    // named: reviewed, and told all the same
    let (run, report) = json(dir.path(), &["--lock", lock]);
    assert_eq!(run.code, 0, "{}", run.out);
    let finding = &artifact(&report, "net.pkl")["findings"][0];
    assert_eq!((&finding["rule"], &finding["excuse"]), (&"MV-PKL-004".into(), &"reviewed in reviewed.lock".into()));
    // found beside the files: it excuses nothing
    fs::copy(&file, dir.path().join("mverify.lock")).unwrap();
    assert_eq!(mverify(&[path]).code, 3);
    fs::remove_file(dir.path().join("mverify.lock")).unwrap();
    // another class: what is new is told by its name, what was reviewed is not
    let two = [pickle("Net"), pickle("Other")].concat();
    fs::write(dir.path().join("net.pkl"), &two).unwrap();
    let (run, report) = json(dir.path(), &["--lock", lock]);
    assert_eq!(run.code, 1);
    let findings = artifact(&report, "net.pkl")["findings"].as_array().unwrap().clone();
    let of = |rule: &str| findings.iter().filter(|f| f["rule"] == rule && f["excuse"].is_null()).collect::<Vec<_>>();
    assert_eq!(of("MV-PKL-004").len(), 1, "{findings:?}");
    assert!(of("MV-INT-013").len() == 1 && of("MV-INT-013")[0]["global"] == "__main__.Other", "{findings:?}");
    assert_eq!(of("MV-INT-001").len(), 1, "the content is another one, too");
    let run = mverify(&["lock", path, "-o", lock, "--update"]);
    assert!(run.code == 0 && run.out.contains("new capabilities: net.pkl: global __main__.Other"), "{}", run.out);
    assert_eq!(mverify(&[path, "--lock", lock]).code, 0);
    // a lock from before capabilities were recorded excuses nothing, and says what it will record
    let old: String = fs::read_to_string(&file).unwrap().replace(r#""mverify_lock":2"#, r#""mverify_lock":1"#);
    fs::write(&file, old.replace(r#","globals":["__main__.Net","__main__.Other"]"#, "")).unwrap();
    assert_eq!(mverify(&[path, "--lock", lock]).code, 3);
    assert_eq!(mverify(&["lock", path, "-o", lock, "--check"]).code, 0);
    let run = mverify(&["lock", path, "-o", lock, "--update"]);
    assert!(run.out.contains("capabilities are recorded now"), "{}", run.out);
    // what is not proven stays so: the same class in a pickle that breaks off
    fs::write(dir.path().join("net.pkl"), &two[..two.len() - 1]).unwrap();
    assert_eq!(mverify(&["lock", path, "-o", lock, "--update"]).code, 0);
    assert_eq!(mverify(&[path, "--lock", lock]).code, 3);
    // what is bad is pinned by no lock, and excused by none
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join("net.pkl")).unwrap();
    assert_eq!(mverify(&["lock", path, "-o", lock, "--update"]).code, 1);
    let size = fs::metadata(dir.path().join("net.pkl")).unwrap().len();
    let digest = mverify(&["hash".as_ref(), dir.path().join("net.pkl").as_os_str()]).out[..64].to_owned();
    let line = format!(
        r#"{{"path":"net.pkl","size":{size},"sha256":"{digest}","format":"pickle","role":"loadable","globals":["os.getpid"]}}"#
    );
    fs::write(&file, format!("{{\"mverify_lock\":2}}\n{line}\n")).unwrap();
    let run = mverify(&[dir.path().join("net.pkl").to_str().unwrap(), "--lock", lock]);
    assert!(run.code == 1 && run.out.contains("MV-PKL-001"), "{}", run.out);
}

#[test]
fn templates_and_references_to_code_are_reviewed_too() {
    let (dir, home) = (model(), tempfile::tempdir().unwrap());
    let put = |text: &str| fs::write(dir.path().join("config.json"), text).unwrap();
    put(r#"{"auto_map": {"AutoModel": "modeling_x.X"}, "chat_template": "{{ a }}"}"#);
    let path = dir.path().to_str().unwrap();
    let lock = home.path().join("l");
    let lock = lock.to_str().unwrap();
    assert_eq!(mverify(&["lock", path, "-o", lock]).code, 0);
    assert_eq!(mverify(&[path, "--lock", lock]).code, 0);
    put(r#"{"auto_map": {"AutoModel": "modeling_y.Y"}, "chat_template": "{{ b }}"}"#);
    let (run, report) = json(dir.path(), &["--lock", lock]);
    assert_eq!(run.code, 1);
    let findings = artifact(&report, "config.json")["findings"].as_array().unwrap().clone();
    let new: Vec<_> = findings.iter().filter(|f| f["rule"] == "MV-INT-013").map(|f| f["message"].to_string()).collect();
    assert!(
        new.len() == 2 && new[0].contains("auto_map: modeling_y.Y") && new[1].contains("/chat_template"),
        "{new:?}"
    );
}

#[test]
fn a_lock_knows_which_directory_it_is_of() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let put = |name: &str, tensor: &str| {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), safetensors(tensor)).unwrap();
    };
    put("models/a.safetensors", "a");
    put("models/deep/b.safetensors", "b");
    fs::write(at("README.md"), "# Models\n").unwrap();
    let run = |args: &[&str]| mverify_in(home.path(), args, b"");
    assert_eq!(run(&["lock", "models"]).code, 0);
    assert_eq!(run(&["lock", "models", "--check"]).code, 0);
    assert!(fs::read_to_string(at("mverify.lock")).unwrap().starts_with("{\"mverify_lock\":2,\"root\":\"models\"}\n"));
    let lock = at("mverify.lock").to_str().unwrap().to_owned();
    let below = |directory: &str, args: &[&str]| mverify_in(&at(directory), &[args, &["--lock", &lock]].concat(), b"");
    for (directory, path) in [
        ("", "."),
        ("", "models"),
        ("", "models/deep"),
        ("", "models/deep/b.safetensors"),
        ("models", "."),
        ("models/deep", "."),
        ("models/deep", ".."),
        ("models/deep", "b.safetensors"),
        ("models/deep", "../../"),
    ] {
        let run = below(directory, &[path, "--require=manifest"]);
        assert_eq!(run.code, 0, "{path} from {directory}: {}{}", run.out, run.err);
    }
    assert_eq!(run(&["."]).code, 0, "one that merely lies there says the same");
    // what lies around it, it does not cover; what was put into it, it refuses
    put("other/c.safetensors", "c");
    assert_eq!((run(&["."]).code, run(&[".", "--lock=mverify.lock"]).code), (0, 3));
    assert_eq!(run(&["other/c.safetensors", "--lock=mverify.lock"]).code, 1, "it was named, and is not in the lock");
    fs::remove_dir_all(at("other")).unwrap();
    put("models/deep/c.safetensors", "c");
    for path in [".", "models", "models/deep", "models/deep/c.safetensors"] {
        let run = run(&[path, "--lock=mverify.lock"]);
        assert!(run.code == 1 && run.out.contains("it was added"), "{path}: {}", run.out);
    }
    assert_eq!(run(&["."]).code, 1);
    fs::remove_file(at("models/deep/c.safetensors")).unwrap();
    put("models/deep/b.safetensors", "x");
    for (directory, path) in [("", "."), ("", "models/deep"), ("models/deep", "."), ("models/deep", "b.safetensors")] {
        let run = below(directory, &[path]);
        assert!(run.code == 1 && run.out.contains("it changed"), "{path} from {directory}: {}", run.out);
    }
    fs::remove_file(at("models/deep/b.safetensors")).unwrap();
    for path in [".", "models", "models/deep"] {
        let run = run(&[path, "--lock=mverify.lock"]);
        assert!(run.code != 0 && run.out.contains("it is missing"), "{path}: {}", run.out);
    }
    // the same elsewhere, where the lock was not taken
    put("models/deep/b.safetensors", "b");
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(at("models")).arg(copy.path().join("m")).status().unwrap().success());
    let run = check(&copy.path().join("m"), &lock);
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn the_folder_of_git_is_not_the_model() {
    let dir = model();
    let git = |args: &[&str]| {
        let run = Command::new("git").arg("-C").arg(dir.path()).args(args).output();
        run.is_ok_and(|run| run.status.success())
    };
    if !git(&["init", "-q"]) {
        return eprintln!("skipped: no git here");
    }
    fs::create_dir_all(dir.path().join(".git/hooks")).unwrap();
    let hook = |name: &str| fs::write(dir.path().join(".git/hooks").join(name), "#!/bin/sh\nexit 0\n").unwrap();
    hook("pre-push");
    let run = |args: &[&str]| mverify_in(dir.path(), args, b"");
    assert_eq!(run(&["lock", "."]).code, 0);
    assert!(!fs::read_to_string(dir.path().join("mverify.lock")).unwrap().contains(".git/"));
    hook("post-merge");
    fs::remove_file(dir.path().join(".git/hooks/pre-push")).unwrap();
    assert_eq!(run(&["lock", ".", "--check"]).code, 0);
    assert_eq!((run(&["."]).code, run(&[".", "--lock=mverify.lock"]).code), (0, 0));
    // what is in there is looked at all the same
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join(".git/x.pkl")).unwrap();
    assert_eq!(run(&[".", "--lock=mverify.lock"]).code, 1);
}
