//! `mverify cas`.

use super::tool::{mverify, mverify_in};
use std::fs;

#[test]
fn every_object_has_its_name() {
    let store = tempfile::tempdir().unwrap();
    for content in ["one", "two", "three"] {
        let out = mverify_in(store.path(), &["hash", "-a", "blake3", "-"], content.as_bytes()).out;
        let folder = store.path().join(&out[..2]).join(&out[2..4]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&out[..64]), content).unwrap();
    }
    let path = store.path().to_str().unwrap();
    let run = mverify(&["cas", path, "--algo", "blake3"]);
    assert_eq!((run.code, run.out.matches(": OK").count()), (0, 3), "{}{}", run.out, run.err);
    assert_eq!(mverify(&["cas", path, "--algo", "sha256"]).code, 1, "other digests");
    assert_eq!(mverify(&["cas", path, "--algo", "md5"]).code, 2);
    fs::write(store.path().join("notes"), "x").unwrap();
    let run = mverify(&["cas", path, "--algo", "blake3"]);
    assert!(run.code == 3 && run.out.contains("not the name of an object"), "{}", run.out);
    fs::remove_file(store.path().join("notes")).unwrap();
    let object = run.out.lines().find_map(|line| line.strip_suffix(": OK")).unwrap();
    fs::write(object, "0ne").unwrap();
    let run = mverify(&["cas", path, "--algo", "blake3", "-q"]);
    assert_eq!((run.code, run.out.matches("FAILED").count()), (1, 1), "{}", run.out);
}
