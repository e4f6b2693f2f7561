//! Ordinary model directories, locked and then changed in every way there is: each change fails, in the right words.
#![cfg(unix)]

use super::model::{json, safetensors};
use super::tool::{mverify, shared};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A file of a lock, as it is written there.
#[derive(Clone)]
struct Locked {
    path: PathBuf,
    sha256: String,
    loadable: bool,
}

/// A change of a file, with another file of the same directory to swap it with.
struct Change {
    name: &'static str,
    /// What the report says of the file, where it is then.
    words: &'static [&'static str],
    make: fn(&Path, &Path),
    /// Where the file is then.
    at: fn(&Path) -> PathBuf,
}

fn same(path: &Path) -> PathBuf {
    path.to_owned()
}

fn renamed(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from("renamed-");
    name.push(path.file_name().unwrap());
    path.with_file_name(name)
}

const CHANGES: [Change; 6] = [
    Change { name: "one byte flipped", words: &["it changed", "expects the sha256"], make: flip, at: same },
    Change {
        name: "added",
        words: &["it was added", "does not list it"],
        make: |file, _| fs::write(file.with_file_name("added.safetensors"), safetensors("added")).unwrap(),
        at: |file| file.with_file_name("added.safetensors"),
    },
    Change {
        name: "removed",
        words: &["it is missing", "lists it"],
        make: |file, _| fs::remove_file(file).unwrap(),
        at: same,
    },
    Change {
        name: "renamed",
        words: &["it was added or renamed", "lists its content as"],
        make: |file, _| fs::rename(file, renamed(file)).unwrap(),
        at: renamed,
    },
    Change {
        name: "swapped with its twin",
        words: &["it changed", "its content is that of"],
        make: |file, twin| {
            let aside = file.with_file_name("aside");
            fs::rename(file, &aside).unwrap();
            fs::rename(twin, file).unwrap();
            fs::rename(aside, twin).unwrap();
        },
        at: same,
    },
    Change {
        name: "made a symbolic link",
        words: &["became a symbolic link"],
        make: |file, _| {
            // the same content, out of sight of a loader that goes by names
            let aside = file.with_file_name(".aside");
            fs::rename(file, aside).unwrap();
            symlink(".aside", file).unwrap();
        },
        at: same,
    },
];

fn flip(file: &Path, _: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn files(lock: &Path) -> Vec<Locked> {
    let text = fs::read_to_string(lock).unwrap();
    let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|file| file["link"] != true)
        .map(|file| Locked {
            path: file["path"].as_str().unwrap().into(),
            sha256: file["sha256"].as_str().unwrap().to_owned(),
            loadable: file["role"] == "loadable",
        })
        .collect()
}

/// What the report says of the file at this path.
fn reasons(report: &Value, path: &Path) -> String {
    let artifacts = report["artifacts"].as_array().unwrap();
    let found = artifacts.iter().find(|artifact| artifact["path"] == path.to_str().unwrap());
    found.map(|artifact| artifact["reasons"].to_string()).unwrap_or_default()
}

/// Locks the layout, and makes changes to a copy of it. What went wrong comes back.
fn judge(layout: &Path, changes: &[&Change]) -> Vec<String> {
    let name = layout.file_name().unwrap().to_string_lossy().into_owned();
    let home = tempfile::tempdir().unwrap();
    let lock = home.path().join("the.lock");
    let made = mverify(&["lock".as_ref(), layout.as_os_str(), "-o".as_ref(), lock.as_os_str()]);
    if made.code != 0 {
        return vec![format!("{name} cannot be locked: {}", made.err)];
    }
    let files = files(&lock);
    let victim = files.iter().find(|file| file.loadable).cloned().expect("something loadable");
    let twin = files.iter().filter(|file| file.sha256 != victim.sha256).max_by_key(|file| file.loadable).cloned();
    let lock = lock.to_str().unwrap();
    let (run, _) = json(layout, &["--lock", lock]);
    let mut wrong = Vec::new();
    if run.code != 0 {
        wrong.push(format!("{name} as it was locked: exit {}", run.code));
    }
    for change in changes {
        let copy = home.path().join("copy");
        let copied = Command::new("cp").arg("-a").args([layout, &copy]).status().unwrap();
        assert!(copied.success());
        let victim = copy.join(&victim.path);
        let Some(twin) = twin.as_ref().or(files.first()).map(|twin| copy.join(&twin.path)) else { continue };
        if twin == victim && change.name.starts_with("swapped") {
            continue;
        }
        (change.make)(&victim, &twin);
        let (run, report) = json(&copy, &["--lock", lock]);
        let reasons = reasons(&report, &(change.at)(&victim));
        if run.code != 1 || !change.words.iter().all(|words| reasons.contains(words)) {
            wrong.push(format!("{name}, {}: exit {}, {reasons}", change.name, run.code));
        }
        fs::remove_dir_all(&copy).unwrap();
    }
    wrong
}

#[test]
fn every_change_to_an_ordinary_model_fails_in_the_right_words() {
    let archive = shared().join("layouts.tar.gz");
    if !archive.is_file() {
        return eprintln!("skipped: no layouts at {}", archive.display());
    }
    let home = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(home.path()).status().unwrap();
    assert!(unpacked.success());
    let layouts = fs::read_dir(home.path().join("layouts")).unwrap();
    let mut layouts: Vec<PathBuf> = layouts.map(|entry| entry.unwrap().path()).collect();
    layouts.sort();
    assert!(layouts.len() > 20, "{} layouts", layouts.len());
    let (waiting, wrong) = (Mutex::new(layouts), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let (number, layout) = {
                        let mut waiting = waiting.lock().unwrap();
                        let Some(layout) = waiting.pop() else { return };
                        (waiting.len(), layout)
                    };
                    // each takes long enough for two changes to a layout, in turn, unless all were asked for
                    let all = std::env::var_os("MVERIFY_FULL").is_some();
                    let changes: Vec<&Change> = CHANGES
                        .iter()
                        .enumerate()
                        .filter(|(change, _)| all || change % 3 == number % 3)
                        .map(|(_, change)| change)
                        .collect();
                    wrong.lock().unwrap().extend(judge(&layout, &changes));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
