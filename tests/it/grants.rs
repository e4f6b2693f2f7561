//! Every way in which a directory could grant itself trust. None works: what merely lies there can fail a file, and is
//! never worth more than a match that anybody could have written.
#![cfg(unix)]

use super::model::{json, safetensors};
use super::tool::{fixture, mverify, mverify_in};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// A file that asks for trust, put in by whoever made the directory. False where a tool for it is absent.
type Way = fn(&Path) -> bool;

fn hash(dir: &Path, algorithm: &str) -> String {
    mverify_in(dir, &["hash", "-a", algorithm, "model.bin"], b"").out
}

const LAX: &str = "fail-on = \"critical\"\ntrusted-globals = [\"os.getpid\", \"posix.getpid\"]\nformats = [\"*\"]\n";

fn lock(dir: &Path) {
    let sha256 = &hash(dir, "sha256")[..64];
    let size = fs::metadata(dir.join("model.bin")).unwrap().len();
    let text = format!(
        "{{\"mverify_lock\":1}}\n{{\"path\":\"model.bin\",\"size\":{size},\"sha256\":\"{sha256}\",\"format\":\"text\",\
         \"role\":\"inert\",\"signed_by\":\"security@acme.example\"}}\n"
    );
    fs::write(dir.join("mverify.lock"), text).unwrap();
}

const WAYS: [(&str, Way); 15] = [
    ("a checksum list", |dir| fs::write(dir.join("SHA256SUMS"), hash(dir, "sha256")).is_ok()),
    ("a list of another algorithm", |dir| fs::write(dir.join("B3SUMS"), hash(dir, "blake3")).is_ok()),
    ("a sidecar", |dir| fs::write(dir.join("model.bin.sha256"), hash(dir, "sha256")).is_ok()),
    ("a lock that says it is signed and inert", |dir| {
        lock(dir);
        true
    }),
    ("a link to a lock elsewhere", |dir| {
        lock(dir);
        fs::rename(dir.join("mverify.lock"), dir.join("../elsewhere.lock")).unwrap();
        symlink("../elsewhere.lock", dir.join("mverify.lock")).is_ok()
    }),
    ("a policy", |dir| fs::write(dir.join("mverify.toml"), LAX).is_ok()),
    ("a hidden policy", |dir| fs::write(dir.join(".mverify.toml"), LAX).is_ok()),
    ("a policy in a parent", |dir| fs::write(dir.join("../mverify.toml"), LAX).is_ok()),
    ("a policy in a child", |dir| {
        fs::create_dir(dir.join("config")).unwrap();
        fs::write(dir.join("config/mverify.toml"), LAX).is_ok()
    }),
    ("a folder like the user's configuration", |dir| {
        fs::create_dir_all(dir.join(".config/mverify")).unwrap();
        fs::write(dir.join(".config/mverify/mverify.toml"), LAX).is_ok()
    }),
    // the user's own configuration, which is trusted, reached by a link of the directory
    ("a link to the user's policy", |dir| {
        let folder = dir.join("no-such-directory/mverify");
        fs::create_dir_all(&folder).unwrap();
        fs::write(dir.join("../lax.toml"), LAX).unwrap();
        fs::remove_dir_all(dir.join("no-such-directory")).unwrap();
        symlink("../lax.toml", dir.join("mverify.toml")).is_ok()
    }),
    ("an index that places its tensors", |dir| {
        fs::write(dir.join("model.bin.index.json"), r#"{"weight_map":{"a":"model.bin"}}"#).is_ok()
    }),
    ("a note of a hub download", |dir| {
        let note = dir.join(".cache/huggingface/download/model.bin.metadata");
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        fs::write(note, format!("{}\n{}\n1.5\n", "c".repeat(40), &hash(dir, "sha256")[..64])).is_ok()
    }),
    ("git, which tracks it", |dir| {
        let git = |args: &[&str]| {
            let run = Command::new("git").current_dir(dir).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
            run.is_ok_and(|run| run.status.success())
        };
        git(&["init", "-q"]) && git(&["add", "."])
    }),
    ("a signature by a key that lies beside it", |dir| {
        let keys = dir.join("../keys");
        fs::create_dir(&keys).unwrap();
        let made = mverify_in(&keys, &["keygen"], b"");
        let key = fs::read_dir(&keys).unwrap().flatten().map(|entry| entry.path());
        let key = key.filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE"))).last();
        let Some(key) = key.filter(|_| made.code == 0) else { return false };
        let args = ["sign".as_ref(), dir.as_os_str(), "--key".as_ref(), key.as_os_str(), "--even-if-bad".as_ref()];
        let signed = mverify(&args);
        assert_eq!(signed.code, 0, "{}", signed.err);
        true
    }),
];

/// A directory with this as its model, in a directory of its own.
fn home(model: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("model");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("model.bin"), model).unwrap();
    (home, dir)
}

#[test]
fn no_way_makes_a_bad_file_good() {
    let bad = fs::read(fixture("pickle/os_getpid.pkl")).unwrap();
    for (name, way) in WAYS {
        let (_home, dir) = home(&bad);
        if !way(&dir) {
            eprintln!("skipped: {name}");
            continue;
        }
        // the directory, from inside of it, and the file alone
        let inside = |args: &[&str]| mverify_in(&dir, args, b"");
        let file = dir.join("model.bin");
        for run in [mverify(&[&dir]), inside(&["model.bin"]), mverify(&[&file])] {
            assert_eq!(run.code, 1, "{name}: {}{}", run.out, run.err);
            assert!(run.out.contains("os.getpid"), "{name}: {}", run.out);
        }
        let (_, report) = json(&dir, &[]);
        let artifacts = report["artifacts"].to_string();
        assert!(
            !artifacts.contains("\"pinned\"") && !artifacts.contains("\"trust\":\"signed\""),
            "{name}: {artifacts}"
        );
    }
}

#[test]
fn no_way_proves_where_a_good_file_comes_from() {
    for (name, way) in WAYS {
        let (_home, dir) = home(&safetensors("a"));
        if !way(&dir) {
            eprintln!("skipped: {name}");
            continue;
        }
        let proofs = ["--require=manifest", "--require=signature"];
        for run in [
            mverify(&[dir.as_os_str(), proofs[0].as_ref(), proofs[1].as_ref()]),
            mverify_in(&dir, &["model.bin", proofs[0], proofs[1]], b""),
        ] {
            // a lock that tells of a signature which is not there fails the file besides
            let code = if run.out.contains("INT-012") { 1 } else { 3 };
            assert_eq!(run.code, code, "{name}: {}{}", run.out, run.err);
            for lacks in ["no signature by a trusted signer covers it", "no trusted or pinned expectation covers it"] {
                assert!(run.out.contains(lacks), "{name}: {}", run.out);
            }
        }
        // nor does it undo what the user demands
        let strict = dir.join("../strict.toml");
        fs::write(&strict, "formats = [\"gguf\"]\nsources = [\"acme/*\"]\n").unwrap();
        let run = mverify(&[dir.as_os_str(), "--config".as_ref(), strict.as_os_str()]);
        assert!(run.code == 1 && run.out.contains("POL-001"), "{name}: {}", run.out);
    }
}
