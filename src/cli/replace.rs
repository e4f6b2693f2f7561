//! Replaces a file, whole or not at all. Nothing else is written over, and no link is followed.

use anyhow::{Context, Result, bail};
use mverify::report::plain;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Names that are tried for the new content, until it takes the place of the old.
const TRIES: u32 = 64;

/// Writes a file anew in its directory and puts it in the place of `path`, which may be there or not.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", plain::path(path));
    let name = path.file_name().with_context(cannot)?;
    for number in 0..TRIES {
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}-{number}.new", std::process::id()));
        let beside = path.with_file_name(beside);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened.with_context(cannot)?,
        };
        let written = file.write_all(bytes).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        return written.with_context(cannot);
    }
    bail!("{}: no name is free for the new content", cannot())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("mine"), "mine").unwrap();
        let taken = format!(".x.{}-0.new", std::process::id());
        #[cfg(unix)]
        std::os::unix::fs::symlink("mine", at(&taken)).unwrap();
        for text in ["one", "two"] {
            replace(&at("x"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("x")).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(at("mine")).unwrap(), "mine");
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, if cfg!(unix) { 3 } else { 2 });
        assert!(replace(&at("no/such"), b"").is_err());
    }
}
