//! Runs the binary in a directory of its own.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run gave.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// Runs `mverify ARGS` here, without any configuration of the user who runs the tests.
pub fn mverify<A: AsRef<OsStr>>(args: &[A]) -> Run {
    mverify_in(Path::new(env!("CARGO_MANIFEST_DIR")), args, b"")
}

/// Runs `mverify ARGS` in a directory, with standard input.
pub fn mverify_in<A: AsRef<OsStr>>(directory: &Path, args: &[A], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mverify"))
        .args(args)
        .current_dir(directory)
        .env_remove("CLICOLOR_FORCE")
        .env("XDG_CONFIG_HOME", directory.join("no-such-directory"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // the process may end without reading what it is given
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().expect("killed by a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The data that lie beside the project, which need not be there.
pub fn shared() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("MVERIFY_SHARED").map_or(beside, PathBuf::from)
}

/// A Python that has this module: the one that is named, that of `tests/install-tools`, or the system's. `None`, with a
/// word why, where none has it.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin/python");
    let named = std::env::var_os("MVERIFY_PYTHON").map(PathBuf::from);
    let mut candidates = named.into_iter().chain([installed, PathBuf::from("python3")]);
    let has = |python: &PathBuf| {
        let import = Command::new(python).arg("-c").arg(format!("import {module}")).output();
        import.is_ok_and(|run| run.status.success())
    };
    let found = candidates.find(has);
    if found.is_none() {
        skip(&format!("no python here has {module} (tests/install-tools)"));
    }
    found
}

/// Says why a test does not run for want of what `tests/install-tools` brings; where `MVERIFY_REQUIRE_REFERENCE` is set, as
/// in CI, it must be there.
pub fn skip(why: &str) {
    assert!(std::env::var_os("MVERIFY_REQUIRE_REFERENCE").is_none(), "{why}");
    eprintln!("skipped: {why}");
}
