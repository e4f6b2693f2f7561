//! Which caches of the Hugging Face hub the user means, and so which names of repositories are to be believed.
//!
//! Threat: whoever makes a model can put directories of any name into it, also `models--acme--bert/snapshots`. A name counts
//! where the user named a directory in that repository, a file in it whose cache holds nothing but repositories, or the
//! cache itself. Bound: one look at the directories above each path that was named.

use super::hub;
use crate::walk::or_here;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Entries of a directory that are looked at to tell whether it is a cache.
const ENTRIES: usize = 100_000;
/// What lies in a cache besides repositories and hidden files.
const OTHERS: [&str; 4] = ["blobs", "CACHEDIR.TAG", "version.txt", "version_diffusers_cache.txt"];

/// The caches that the paths of a run name.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    /// Directories of repositories.
    repositories: HashSet<PathBuf>,
    /// Directories that hold them.
    whole: HashSet<PathBuf>,
}

impl Caches {
    /// Those that these paths name.
    pub fn named(roots: &[PathBuf]) -> Caches {
        let mut caches = Caches::default();
        let mut judged: HashSet<PathBuf> = HashSet::new();
        for root in roots {
            let Ok(root) = fs::canonicalize(or_here(root)) else { continue };
            let is_dir = root.is_dir();
            if is_dir && is_cache(&root) {
                caches.whole.insert(root.clone());
            }
            if let Some((repository, _)) = hub::repository(&root)
                && (is_dir || judged.insert(repository.to_owned()))
                && (is_dir || repository.parent().is_some_and(is_cache))
            {
                caches.repositories.insert(repository.to_owned());
            }
        }
        caches
    }

    /// The directory and the id of the repository that a canonical path lies in, where its name is to be believed.
    pub fn repository<'a>(&self, path: &'a Path) -> Option<(&'a Path, String)> {
        path.ancestors().find_map(|directory| {
            let named = self.repositories.contains(directory)
                || directory.parent().is_some_and(|parent| self.whole.contains(parent));
            hub::repository(directory).filter(|(found, _)| named && *found == directory)
        })
    }
}

/// True if a directory holds repositories of a cache and nothing that a cache does not hold.
fn is_cache(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let mut repositories = 0;
    for (count, entry) in entries.enumerate() {
        let Some(name) = entry.ok().and_then(|entry| entry.file_name().into_string().ok()) else { return false };
        let is_repository = hub::repo_of(&name).is_some();
        repositories += usize::from(is_repository);
        if count >= ENTRIES || !(is_repository || name.starts_with('.') || OTHERS.contains(&name.as_str())) {
            return false;
        }
    }
    repositories > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_user_named_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| fs::canonicalize(directory.path()).unwrap().join(name);
        for name in ["cache/models--a--b/snapshots/c", "cache/.locks", "got/bert/models--a--b/snapshots/c"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["cache/models--a--b/snapshots/c/w", "got/bert/models--a--b/snapshots/c/w", "got/bert/w"] {
            fs::write(at(name), "x").unwrap();
        }
        let real = "cache/models--a--b/snapshots/c/w";
        let forged = "got/bert/models--a--b/snapshots/c/w";
        for (root, path, believed) in [
            ("cache", real, true),
            ("cache/models--a--b", real, true),
            ("cache/models--a--b/snapshots/c", real, true),
            (real, real, true),
            ("", real, false),
            ("got", forged, false),
            ("got/bert", forged, false),
            (forged, forged, false),
            ("got/bert/models--a--b", forged, true),
        ] {
            let caches = Caches::named(&[at(root)]);
            assert_eq!(caches.repository(&at(path)).is_some(), believed, "{root}: {path}");
        }
    }
}
