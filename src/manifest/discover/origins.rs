//! Where files come from, held against the sources that a policy allows.

use super::{Gathering, Wanted};
use crate::finding::{Finding, shown};
use crate::manifest::caches::Caches;
use crate::manifest::lock::Origin;
use crate::policy::allows;
use crate::rule::integrity as rules;
use crate::walk::{Item, or_here};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

impl Gathering {
    /// Notes every item that comes from elsewhere than the policy allows, or nobody knows where from: a cache of the hub
    /// says it by its directories, a lock that the user named by its head.
    pub(super) fn origins(&mut self, items: &[Item], wanted: &Wanted) {
        let locked = wanted.locks.iter().find_map(|named| named.lock.origin.as_ref());
        let mut directories: HashMap<PathBuf, Option<Finding>> = HashMap::new();
        for item in items {
            let directory = item.path().parent().unwrap_or(Path::new(""));
            let finding = directories.entry(directory.to_owned()).or_insert_with(|| {
                let mut origins = origins(directory, self.expected.caches());
                if origins.is_empty() {
                    origins.extend(locked.cloned());
                }
                judge(&origins, &wanted.sources)
            });
            if let Some(finding) = finding {
                self.expected.note_unless_inert(item.path(), finding.clone());
            }
        }
    }
}

/// What a directory of a cache belongs to: one revision below a snapshot, else each of which there is a snapshot, whose
/// links lead to it; with an empty commit where there is none.
fn origins(directory: &Path, caches: &Caches) -> Vec<Origin> {
    let Ok(canonical) = fs::canonicalize(or_here(directory)) else { return Vec::new() };
    let Some((root, repo)) = caches.repository(&canonical) else { return Vec::new() };
    let snapshots = root.join("snapshots");
    let origin = |commit: String| Origin { repo: repo.clone(), commit };
    if let Some(commit) = canonical.strip_prefix(&snapshots).ok().and_then(|below| below.iter().next()) {
        return vec![origin(commit.to_string_lossy().into_owned())];
    }
    let entries = fs::read_dir(&snapshots).into_iter().flatten().filter_map(|entry| entry.ok());
    let mut commits: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    commits.sort();
    if commits.is_empty() {
        commits.push(String::new());
    }
    commits.into_iter().map(origin).collect()
}

fn judge(origins: &[Origin], sources: &[Vec<String>]) -> Option<Finding> {
    if origins.is_empty() {
        let message = "nothing tells where it comes from, and the policy allows only some sources";
        return Some(Finding::new(&rules::SOURCE_UNKNOWN, message));
    }
    let commit = |origin: &Origin| Some(origin.commit.clone()).filter(|commit| !commit.is_empty());
    let allowed = |origin: &&Origin| {
        let of = |list: &Vec<String>| list.iter().any(|source| allows(source, &origin.repo, commit(origin).as_deref()));
        sources.iter().all(of)
    };
    let other = origins.iter().find(|origin| !allowed(origin))?;
    let at = commit(other).map(|commit| format!(" at {}", shown(&commit))).unwrap_or_default();
    let message = format!("it comes from {}{at}, which the policy does not allow", shown(&other.repo));
    Some(Finding::new(&rules::SOURCE_NOT_ALLOWED, message))
}
