//! Digests that caches and stores keep in names and in notes beside the files.

use super::{Absent, Gathering};
use crate::manifest::expected::{Claim, World};
use crate::manifest::{hub, named};
use crate::report::Trust;
use crate::walk::{Item, or_here};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// How many directories above a file may be the folder that it was downloaded to.
const FOLDERS: usize = 6;

impl Gathering {
    /// Takes what the names of the items say about their content.
    pub(super) fn names(&mut self, items: &[Item]) {
        let mut sources: HashMap<&'static str, usize> = HashMap::new();
        let mut directories: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
        let mut folders: HashMap<PathBuf, bool> = HashMap::new();
        for item in items {
            let Item::File(path, _) = item else { continue };
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let resolved =
                directories.entry(parent.to_owned()).or_insert_with(|| fs::canonicalize(or_here(parent)).ok());
            let Some(resolved) = resolved else { continue };
            let full = resolved.join(name);
            let mut claims: Vec<(&'static str, PathBuf, Claim)> = Vec::new();
            claims.extend(hub::cached(&full).map(|claim| ("name of the hub blob", path.clone(), claim)));
            claims.extend(named::claim(&full).map(|(by, claim)| (by, path.clone(), claim)));
            claims.extend(
                self.note(path, name, &mut folders).map(|(about, claim)| ("note of the hub download", about, claim)),
            );
            for (by, about, claim) in claims {
                let source = *sources.entry(by).or_insert_with(|| self.source(by, Trust::SelfAsserted, World::Named));
                self.claim(source, about, claim, Absent::Ignored);
            }
        }
    }

    /// What the hub's client noted: for a note among the items the file that it is about; for a file whose note was not
    /// met, because only the file was named, the note.
    fn note(&self, path: &Path, name: &OsStr, folders: &mut HashMap<PathBuf, bool>) -> Option<(PathBuf, Claim)> {
        if let Some(noted) = hub::noted(path) {
            return Some(noted);
        }
        let mut below = PathBuf::from(name);
        for folder in path.ancestors().skip(1).take(FOLDERS) {
            let downloaded = match folders.get(folder) {
                Some(downloaded) => *downloaded,
                None => {
                    let downloaded = folder.join(".cache/huggingface/download").is_dir();
                    folders.insert(folder.to_owned(), downloaded);
                    downloaded
                }
            };
            if downloaded {
                let note = hub::note_of(folder, &below);
                if !self.known.contains_key(&note) && note.is_file() {
                    return hub::noted(&note).map(|(_, claim)| (path.to_owned(), claim));
                }
            }
            below = Path::new(folder.file_name()?).join(below);
        }
        None
    }
}
