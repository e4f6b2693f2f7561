//! What happens to a process whose mapped file is truncated under it. Each case runs in a process of its own, since the
//! failure to be excluded is death by a signal.
#![cfg(all(feature = "mmap", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use mverify::digest::{Algorithm, PassError, Plan, Pool, Watch, pass};
use mverify::source::{FileSource, OpenOptions, mmap};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SIGBUS: i32 = 7;
const FILE: &str = "MVERIFY_TEST_FILE";

/// Runs one test of this file again as a process, with a large file to work on.
fn child(name: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    File::create(&path).unwrap().set_len(100 << 20).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(FILE, path)
        .output()
        .unwrap()
}

fn said(output: &Output, what: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(what)
}

fn file() -> PathBuf {
    std::env::var_os(FILE).map(PathBuf::from).unwrap()
}

fn truncate(path: &Path) {
    File::options().write(true).open(path).unwrap().set_len(5000).unwrap();
}

struct Truncate(PathBuf);
impl Watch for Truncate {
    fn advanced(&self, _: usize, _: u64) {
        truncate(&self.0);
    }
}

#[test]
fn a_mapped_file_that_shrinks_is_a_changed_file() {
    let output = child("child_hashes_while_the_file_shrinks");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout.windows(9).filter(|text| text == b"survived\n").count(), 3, "{output:?}");
}

#[test]
#[ignore = "run by a_mapped_file_that_shrinks_is_a_changed_file"]
fn child_hashes_while_the_file_shrinks() {
    let path = file();
    assert!(mmap::guard());
    for threads in [1, 2, 3] {
        File::options().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
        let source = FileSource::open(&path, &OpenOptions { map: true, ..OpenOptions::default() }).unwrap();
        let plan = Plan { algorithms: vec![Algorithm::Sha256, Algorithm::Blake3], ..Plan::default() };
        let result = pass(&source, &plan, &Pool::new(threads).unwrap(), &Truncate(path.clone()));
        assert!(matches!(result, Err(PassError::Changed)), "{result:?}");
        println!("survived");
    }
}

#[test]
fn a_foreign_sigbus_still_kills() {
    let output = child("child_touches_a_foreign_mapping");
    assert!(said(&output, "before"), "{output:?}");
    assert_eq!(output.status.signal(), Some(SIGBUS), "{output:?}");
}

#[test]
#[ignore = "run by a_foreign_sigbus_still_kills"]
fn child_touches_a_foreign_mapping() {
    let path = file();
    assert!(mmap::guard());
    let _ours = FileSource::open(&path, &OpenOptions { map: true, ..OpenOptions::default() }).unwrap();
    // SAFETY: meant to fail.
    let foreign = unsafe { memmap2::Mmap::map(&File::open(&path).unwrap()) }.unwrap();
    truncate(&path);
    println!("before");
    println!("{}", foreign[50 << 20]);
}

#[test]
fn a_previous_handler_gets_what_is_not_ours() {
    let output = child("child_has_a_handler_of_its_own");
    assert_eq!(output.status.code(), Some(42), "{output:?}");
}

#[test]
#[ignore = "run by a_previous_handler_gets_what_is_not_ours"]
fn child_has_a_handler_of_its_own() {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: allowed in a signal handler.
        unsafe { libc::_exit(42) }
    }
    let path = file();
    // SAFETY: installs a handler that only leaves.
    unsafe { libc::signal(libc::SIGBUS, leave as *const () as usize) };
    assert!(mmap::guard());
    // SAFETY: meant to fail.
    let foreign = unsafe { memmap2::Mmap::map(&File::open(&path).unwrap()) }.unwrap();
    truncate(&path);
    println!("{}", foreign[50 << 20]);
}
