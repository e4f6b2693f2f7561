//! What changed between two models: files, tensors, archive members, configuration, templates, what loading can do, and
//! who vouches for it. Nothing is loaded.
//!
//! Both sides were verified before ([`Side`]), so equal content is told by its SHA-256 and not looked at again. What differs
//! is opened a second time and compared part by part. Bound: linear in what differs; memory is the artifacts of both sides
//! and the names that differ. Threat: files that keep two looks apart (a second look must find size and times of the first),
//! and parts that cannot be compared passing for equal: each of those is named, and the result is not complete.

mod contents;
mod fields;
mod lines;
mod matching;
mod members;
mod pair;
mod tensors;
pub mod text;
pub mod v1;
mod values;
mod vouching;

use crate::Verifier;
use crate::digest::{Algorithm, Digest, Watch};
use crate::manifest::hub;
use crate::manifest::lock::Origin;
use crate::report::Artifact;
use crate::source::Reach;
use crate::walk;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use v1::{CountsV1, DiffV1, NotComparedV1, SideV1};

/// One of two models.
#[derive(Debug)]
pub struct Side {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// What is compared: that path or, for a repository in a hub cache, the snapshot that it stands for.
    pub root: PathBuf,
    /// The revision that it is a snapshot of.
    origin: Option<Origin>,
    /// The path names a file, not a directory.
    single: bool,
    reach: Reach,
    /// What files were before they were looked into.
    stamps: HashMap<PathBuf, Option<Stamp>>,
    /// The files, sorted by path.
    files: Vec<Known>,
}

/// Length, times and place of a file.
type Stamp = (u64, Option<SystemTime>, [i128; 2]);

/// A file that was looked into.
#[derive(Debug)]
struct Known {
    /// Its path below the root; its name where a file was named.
    below: PathBuf,
    artifact: Artifact,
    stamp: Option<Stamp>,
}

impl Side {
    /// A model, as a path to a file, to a directory, or to a repository in a Hugging Face cache.
    ///
    /// # Errors
    /// In words, where there is nothing, or several snapshots and none of them is named.
    pub fn of(path: &Path) -> Result<Side, String> {
        let (root, origin) = match hub::snapshot(path)? {
            Some(snapshot) => (snapshot.root, Some(snapshot.origin)),
            None => (path.to_owned(), None),
        };
        let reach = walk::reach(&root).map_err(|error| crate::error::plain_words(&error))?;
        let single = matches!(reach, Reach::Anywhere);
        let stamps = walk::walk(&root).iter().map(|item| (item.path().to_owned(), stamp(item.path()))).collect();
        Ok(Side { path: path.to_owned(), root, origin, single, reach, stamps, files: Vec::new() })
    }

    /// Takes what verifying a file below the root gave. Every file must be given, with its tensors
    /// ([`outlines`](crate::verifier::Builder::outlines)) and its SHA-256.
    pub fn push(&mut self, artifact: Artifact) {
        let below = artifact.path.strip_prefix(&self.root).ok().filter(|below| !below.as_os_str().is_empty());
        let below = below.or_else(|| artifact.path.file_name().map(Path::new)).unwrap_or(&artifact.path).to_owned();
        let stamp = self.stamps.remove(&artifact.path).flatten();
        self.files.push(Known { below, artifact, stamp });
    }
}

impl Known {
    fn sha256(&self) -> Option<Digest> {
        self.artifact.digests.get(Algorithm::Sha256)
    }
}

/// Compares two models. Progress of the second look goes to `watch`; where that stops the run, the result is not complete.
///
/// # Errors
/// In words, where one is a file and the other a directory.
pub fn compare(mut old: Side, mut new: Side, verifier: &Verifier, watch: &dyn Watch) -> Result<DiffV1, String> {
    if old.single != new.single {
        return Err("one of them is a file and the other a directory".to_owned());
    }
    for side in [&mut old, &mut new] {
        side.files.sort_by(|a, b| a.below.cmp(&b.below));
    }
    let pairs = pair::pairs(&old, &new);
    let mut not_compared: Vec<NotComparedV1> = Vec::new();
    for (side, files) in [("old", &old.files), ("new", &new.files)] {
        for known in files.iter().filter(|known| known.sha256().is_none()) {
            let why = known.artifact.reasons().next().unwrap_or("it could not be read").to_owned();
            not_compared.push(NotComparedV1::of(side, &known.below, "the file", 1, why));
        }
    }
    let (moved, stopped) = tensors::compare(&old, &new, &pairs, verifier, watch, &mut not_compared);
    let files = pair::files(&old, &new, &pairs, verifier, &moved.members, &mut not_compared);
    let vouching = vouching::compare(&old, &new, &pairs);
    not_compared.sort_by(|a, b| (&a.path, a.side, &a.what, &a.why).cmp(&(&b.path, b.side, &b.what, &b.why)));
    let tensors = moved.tensors;
    Ok(DiffV1 {
        schema: v1::SCHEMA,
        changed: !(files.is_empty() && tensors.is_empty() && vouching.is_empty()),
        complete: not_compared.is_empty() && !stopped,
        old: SideV1::of(&old),
        new: SideV1::of(&new),
        summary: CountsV1::of(&pairs),
        files,
        tensors,
        vouching,
        not_compared,
    })
}

#[cfg(unix)]
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(path).ok()?;
    let inode = i128::from(meta.dev()) << 64 | i128::from(meta.ino());
    let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    Some((meta.len(), meta.modified().ok(), [inode, changed]))
}

#[cfg(not(unix))]
fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.len(), meta.modified().ok(), [0; 2]))
}
