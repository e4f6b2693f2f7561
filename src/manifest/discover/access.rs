//! Who besides the user can change what is checked: permissions and owners of the files and of the directories above them,
//! up to the path that was named. Asked for with `--strict-perms`; one `stat` per file and per directory.
//!
//! Threat: another user of the machine swaps a file, or a whole directory, between the check and the load.

use super::Gathering;
use crate::finding::Finding;
#[cfg(unix)]
use crate::rule::tree as rules;
use crate::walk::Item;
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Who may own and write what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user who may own files besides root, as the system numbers users.
    pub owner: u32,
}

impl Gathering {
    /// Notes files and directories that others can write to, or own. What is wrong with a directory is noted at the first
    /// file met in it.
    pub(super) fn access(&mut self, roots: &[PathBuf], items: &[Item], access: Access) {
        let named: HashSet<&Path> = roots.iter().map(PathBuf::as_path).collect();
        let mut directories: HashSet<PathBuf> = HashSet::new();
        for item in items {
            let Item::File(path, _) = item else { continue };
            self.entry(path, path, access);
            let mut at = path.as_path();
            while !named.contains(at) {
                let Some(parent) = at.parent() else { break };
                if !directories.insert(parent.to_owned()) {
                    break;
                }
                self.entry(path, parent, access);
                at = parent;
            }
        }
    }

    fn entry(&mut self, file: &Path, entry: &Path, access: Access) {
        // a file that cannot be looked up cannot be opened either, which is reported then
        let Ok(metadata) = fs::metadata(entry) else { return };
        let what = if file == entry { "it" } else { "the directory it lies in" };
        for (rule, why) in objections(&metadata, access) {
            self.expected.note(file, Finding::new(rule, format!("{what} {why}")));
        }
    }
}

#[cfg(unix)]
fn objections(metadata: &Metadata, access: Access) -> Vec<(&'static crate::rule::Rule, String)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let mode = metadata.mode();
    // in a directory with the sticky bit everybody can add files, and only replace their own
    let sticky = metadata.is_dir() && mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
        found.push((&rules::WRITABLE, format!("can be written to by {who} (mode {:04o})", mode & 0o7777)));
    }
    let uid = metadata.uid();
    if uid != access.owner && uid != 0 {
        found.push((&rules::FOREIGN, format!("belongs to user {uid}, neither to you ({}) nor to root", access.owner)));
    }
    found
}

#[cfg(not(unix))]
fn objections(_: &Metadata, _: Access) -> Vec<(&'static crate::rule::Rule, String)> {
    Vec::new()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn writers_and_owners_are_objected_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights.pt");
        fs::write(&path, "x").unwrap();
        let uid = fs::metadata(&path).unwrap().uid();
        let ids = |mode: u32, of: &Path, owner: u32| {
            fs::set_permissions(of, fs::Permissions::from_mode(mode)).unwrap();
            let found = objections(&fs::metadata(of).unwrap(), Access { owner });
            found.into_iter().map(|(rule, _)| rule.id).collect::<Vec<_>>()
        };
        assert!(ids(0o644, &path, uid).is_empty());
        assert_eq!(ids(0o666, &path, uid), [rules::WRITABLE.id]);
        assert_eq!(ids(0o664, &path, uid), [rules::WRITABLE.id]);
        assert!(ids(0o1777, directory.path(), uid).is_empty());
        assert_eq!(ids(0o777, directory.path(), uid), [rules::WRITABLE.id]);
        ids(0o700, directory.path(), uid);
        if uid != 0 {
            assert_eq!(ids(0o644, &path, uid + 1), [rules::FOREIGN.id]);
        }
    }
}
