//! Digests and checksum lists against the tools that people have: each must accept what the other writes. A tool that is
//! not installed is named and passed over.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use mverify::digest::{Algorithm, Plan, Pool, pass};
use mverify::manifest::sums::{Checking, Reading, Status, Style, Sums, check, line};
use mverify::source::{FileSource, OpenOptions};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

const NAMES: [&[u8]; 8] =
    [b"plain", b"with space", b" lead", b"new\nline", b"back\\slash", b"return\r", b"sharp#", b"par)en = ("];

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (number, name) in NAMES.iter().enumerate() {
        let bytes: Vec<u8> = (0..number * 70_001).map(|i| (i * 31 + i / 251) as u8).collect();
        std::fs::write(directory.path().join(OsStr::from_bytes(name)), bytes).unwrap();
    }
    directory
}

fn ours(directory: &Path, algorithm: Algorithm, tag: bool, names: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        let path = directory.join(OsStr::from_bytes(name));
        let source = FileSource::open(&path, &OpenOptions::default()).unwrap();
        let plan = Plan { algorithms: vec![algorithm], ..Plan::default() };
        let passed = pass(&source, &plan, &Pool::single(), &()).unwrap();
        line(&mut out, Style { tag, zero: false }, algorithm, &passed.digests.get(algorithm).unwrap(), name);
    }
    out
}

/// What a tool prints when it is run in `directory` with `input`; `None` if there is no such tool.
fn run(directory: &Path, tool: &str, args: &[&OsStr], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(tool)
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("skipped: no {tool} here");
        return None;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{tool}: {output:?}\n{}", String::from_utf8_lossy(input));
    Some(output.stdout)
}

fn accepts(directory: &Path, list: &[u8]) {
    let sums = Sums::parse(list, &Reading::default()).unwrap();
    assert_eq!((sums.lines.len(), sums.malformed.as_slice()), (NAMES.len(), &[][..]));
    let checking =
        Checking { base: directory.to_owned(), open: OpenOptions::default(), ignore_missing: false, stdin: None };
    let summary = check(&sums, &checking, &Pool::new(2).unwrap(), &(), |checked| {
        assert!(matches!(checked.status, Status::Match(_)), "{checked:?}");
        ControlFlow::Continue(())
    });
    assert_eq!(summary.unwrap().matches, NAMES.len() as u64);
}

#[test]
fn tools_and_we_read_each_other() {
    let directory = directory();
    let files: Vec<&OsStr> = NAMES.iter().map(|name| OsStr::from_bytes(name)).collect();
    for (tool, algorithm) in [
        ("sha256sum", Algorithm::Sha256),
        ("sha512sum", Algorithm::Sha512),
        ("b2sum", Algorithm::Blake2b512),
        ("md5sum", Algorithm::Md5),
        ("b3sum", Algorithm::Blake3),
    ] {
        for tag in [false, true] {
            let list = ours(directory.path(), algorithm, tag, &NAMES);
            if run(directory.path(), tool, &[OsStr::new("-c")], &list).is_none() {
                break;
            }
            let dash_tag = OsStr::new("--tag");
            let args: Vec<&OsStr> = tag.then_some(dash_tag).into_iter().chain(files.iter().copied()).collect();
            let theirs = run(directory.path(), tool, &args, b"").unwrap();
            assert_eq!(String::from_utf8_lossy(&theirs), String::from_utf8_lossy(&list), "{tool}");
            accepts(directory.path(), &theirs);
        }
    }
}

#[test]
fn git_names_blobs_as_we_do() {
    let directory = directory();
    for name in [&b"plain"[..], b" lead", b"sharp#"] {
        let args = [OsStr::new("hash-object"), OsStr::new("--no-filters"), OsStr::from_bytes(name)];
        let Some(theirs) = run(directory.path(), "git", &args, b"") else { return };
        let list = ours(directory.path(), Algorithm::Sha1Git, false, &[name]);
        assert!(list.starts_with(theirs.trim_ascii()), "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn python_computes_the_same() {
    let directory = directory();
    let script = "import hashlib\nfor n in ('sha256', 'sha512', 'blake2b', 'md5'):\n    \
                  print(hashlib.new(n, open('sharp#', 'rb').read()).hexdigest())";
    let Some(theirs) = run(directory.path(), "python3", &[OsStr::new("-c"), OsStr::new(script)], b"") else { return };
    let order = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Blake2b512, Algorithm::Md5];
    for (algorithm, theirs) in order.into_iter().zip(theirs.split(|byte| *byte == b'\n')) {
        assert!(ours(directory.path(), algorithm, false, &[b"sharp#"]).starts_with(theirs), "{algorithm}");
    }
}
