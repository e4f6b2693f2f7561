//! A second opinion on the lexer: Python's `pickletools` must cut every sample into the same opcodes at the same places.
#![allow(clippy::print_stderr)] // a skipped test says why

use crate::pickle::lexer::Lexer;
use crate::pickle::opcode;
use crate::testing::shared;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prints, per file named on standard input, how many opcodes `genops` yields before STOP or an error, and a checksum
/// over their codes and places.
const SCRIPT: &str = "
import pickletools, struct, sys, zlib
for path in sys.stdin.read().split('\\n'):
    if not path: continue
    data = open(path, 'rb').read()
    n, crc = 0, 0
    try:
        for op, arg, pos in pickletools.genops(data):
            crc = zlib.crc32(struct.pack('<BQ', ord(op.code), pos), crc)
            n += 1
    except Exception:
        pass
    print(n, crc)
";

/// Files larger than this are left to the others.
const MAX_BYTES: u64 = 1 << 20;

fn files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), into);
        } else if entry.metadata().unwrap().len() <= MAX_BYTES && entry.path().to_str().is_some() {
            into.push(entry.path());
        }
    }
}

/// The checksum over the first `n` opcodes; `None` if the lexer sees fewer.
fn ours(bytes: &[u8], n: usize) -> Option<u32> {
    let mut lexer = Lexer::new(bytes);
    let mut crc = crc32fast::Hasher::new();
    for _ in 0..n {
        let op = lexer.next_op().ok()?;
        crc.update(&[op.code]);
        crc.update(&(op.at as u64).to_le_bytes());
    }
    Some(crc.finalize())
}

#[test]
fn pickletools_cuts_every_sample_into_the_same_opcodes() {
    let Some(shared) = shared() else { return };
    let mut paths = Vec::new();
    for folder in ["corpus", "torch"] {
        files(&shared.join(folder), &mut paths);
    }
    let python = Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        eprintln!("skipped: python3 cannot be run");
        return;
    };
    let list: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), paths.len());
    let mut opcodes = 0;
    for (path, line) in paths.iter().zip(lines) {
        let (n, crc) = line.split_once(' ').unwrap();
        let n: usize = n.parse().unwrap();
        opcodes += n;
        assert_eq!(ours(&std::fs::read(path).unwrap(), n), Some(crc.parse().unwrap()), "{}", path.display());
    }
    assert!(opcodes > 100_000, "{opcodes} opcodes in {} files", paths.len());
}

#[test]
fn the_table_agrees_with_pickletools() {
    let script = "import pickletools\nfor op in pickletools.opcodes: print(ord(op.code), op.name, op.proto)";
    let Ok(output) = Command::new("python3").args(["-c", script]).output() else {
        eprintln!("skipped: python3 cannot be run");
        return;
    };
    let mut theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let mut ours: Vec<String> =
        opcode::ALL.iter().map(|op| format!("{} {} {}", op.code, op.name, op.protocol)).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
}
