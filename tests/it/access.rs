//! `--strict-perms`: what others can write to.

use super::tool::{fixture, mverify};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_others_can_write_to_fails_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (inner, path) = (directory.path().join("m"), directory.path().join("m/weights.pt"));
    fs::create_dir(&inner).unwrap();
    fs::copy(fixture("weights.pt"), &path).unwrap();
    let set = |at: &std::path::Path, mode| fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
    let run = |command: &str| mverify(&[command.as_ref(), directory.path().as_os_str(), "--strict-perms".as_ref()]);
    set(&inner, 0o755);
    set(&path, 0o644);
    assert_eq!(run("check").code, 0, "{}", run("check").out);
    set(&path, 0o646);
    assert_eq!(mverify(&[directory.path()]).code, 0, "only when asked");
    for command in ["check", "scan"] {
        let found = run(command);
        assert!(found.code == 1 && found.out.contains("by everybody (mode 0646)"), "{}", found.out);
    }
    set(&path, 0o644);
    set(&inner, 0o775);
    let found = run("check");
    assert!(
        found.code == 1 && found.out.contains("the directory it lies in can be written to by its group"),
        "{}",
        found.out
    );
}
