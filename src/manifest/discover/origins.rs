//! Where files come from, held against the sources that a policy allows.

use super::{Gathering, Wanted};
use crate::finding::{Finding, shown};
use crate::manifest::hub;
use crate::manifest::lock::Origin;
use crate::policy::allows;
use crate::rule::integrity as rules;
use crate::walk::Item;
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
                let cached = origin(directory);
                judge(cached.as_ref().or(locked), &wanted.sources)
            });
            if let Some(finding) = finding {
                self.expected.note_unless_inert(item.path(), finding.clone());
            }
        }
    }
}

/// What a directory of a cache belongs to; the commit is empty outside of a snapshot.
fn origin(directory: &Path) -> Option<Origin> {
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    let canonical = fs::canonicalize(directory).ok()?;
    let (root, repo) = hub::repository(&canonical)?;
    let below = canonical.strip_prefix(root.join("snapshots")).ok();
    let commit = below.and_then(|below| below.iter().next()?.to_str()).unwrap_or_default().to_owned();
    Some(Origin { repo, commit })
}

fn judge(origin: Option<&Origin>, sources: &[Vec<String>]) -> Option<Finding> {
    let Some(origin) = origin else {
        let message = "nothing tells where it comes from, and the policy allows only some sources";
        return Some(Finding::new(&rules::SOURCE_UNKNOWN, message));
    };
    let commit = Some(origin.commit.as_str()).filter(|commit| !commit.is_empty());
    let allowed = |list: &Vec<String>| list.iter().any(|pattern| allows(pattern, &origin.repo, commit));
    if sources.iter().all(allowed) {
        return None;
    }
    let at = commit.map(|commit| format!(" at {}", shown(commit))).unwrap_or_default();
    let message = format!("it comes from {}{at}, which the policy does not allow", shown(&origin.repo));
    Some(Finding::new(&rules::SOURCE_NOT_ALLOWED, message))
}
