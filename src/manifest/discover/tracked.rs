//! What git recorded about the files of its working tree.

use super::{Absent, Gathering, LARGEST, path_of, read};
use crate::digest::Digest;
use crate::manifest::expected::{Claim, Claimed, World};
use crate::manifest::git;
use crate::report::Trust;
use crate::walk::{Item, or_here};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The number of an index as a source, and the blobs it names by path.
type Tree = (usize, HashMap<Vec<u8>, Digest>);

/// Directories above a file that may be the root of its working tree.
const ABOVE: usize = 32;
/// Largest file that leads to git's folder, in bytes.
const LINE: u64 = 4096;

impl Gathering {
    /// Takes what the indexes of git say about items. Only weights are held against them: text is often converted on its
    /// way into the working tree, and edited there.
    pub(super) fn tracked(&mut self, items: &[Item]) {
        // by directory: its canonical path, and the root of its working tree
        let mut directories: HashMap<PathBuf, Option<(PathBuf, PathBuf)>> = HashMap::new();
        let mut trees: HashMap<PathBuf, Option<Tree>> = HashMap::new();
        for item in items {
            let Item::File(path, _) = item else { continue };
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let resolved = directories.entry(parent.to_owned()).or_insert_with(|| {
                let directory = fs::canonicalize(or_here(parent)).ok()?;
                // what lies in git's own folder is tracked by nothing
                if directory.iter().any(|part| part == ".git") {
                    return None;
                }
                let root = directory.ancestors().take(ABOVE).find(|above| index_of(above).is_some())?;
                Some((directory.clone(), root.to_owned()))
            });
            let Some((directory, root)) = resolved else { continue };
            let full = directory.join(name);
            if !trees.contains_key(root) {
                let tracked = index_of(root).and_then(|index| self.read(&index, LARGEST));
                let tracked = tracked.and_then(|bytes| git::index(&bytes));
                let tree = tracked.map(|tracked| {
                    (self.source("git index", Trust::SelfAsserted, World::Named), tracked.into_iter().collect())
                });
                trees.insert(root.clone(), tree);
            }
            let Some(Some((source, tracked))) = trees.get(root) else { continue };
            let Ok(below) = full.strip_prefix(&*root) else { continue };
            if let Some(blob) = tracked.get(below.as_os_str().as_encoded_bytes()) {
                let claim = Claim { if_loadable: true, ..Claim::digest(Claimed::Git(*blob)) };
                self.claim(*source, path.clone(), claim, Absent::Ignored);
            }
        }
    }
}

/// The index of a working tree: in its folder `.git` or, for submodules and linked working trees, in the folder that a file
/// of this name leads to (gitrepository-layout).
fn index_of(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    let folder = if git.is_file() {
        let text = read(&git, LINE)?;
        let path = path_of(text.trim_ascii_end().strip_prefix(b"gitdir: ")?)?;
        root.join(path)
    } else {
        git
    };
    Some(folder.join("index")).filter(|index| index.is_file())
}
