//! Where a path leads, and by which links. `std::fs::canonicalize` tells only the first. Bound: as many links as the
//! system itself follows. Whoever changes links meanwhile makes the answer old, not unsafe: it says what to look at, and
//! what is looked at is opened anew.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Links that Linux follows on the way of one path.
const LINKS: usize = 40;

/// The way of a path.
#[derive(Debug)]
pub struct Way {
    /// Where it leads, canonical.
    pub place: PathBuf,
    /// Where the links on it lie, canonical, in their order.
    pub links: Vec<PathBuf>,
}

impl Way {
    /// Follows a path; `None` if it leads nowhere, or too far.
    pub fn along(path: &Path) -> Option<Way> {
        let start = std::fs::canonicalize(if path.has_root() { Path::new("/") } else { Path::new(".") }).ok()?;
        let mut way = Way { place: start, links: Vec::new() };
        let mut ahead: VecDeque<OsString> = path.components().map(|part| part.as_os_str().to_owned()).collect();
        while let Some(part) = ahead.pop_front() {
            match Path::new(&part).components().next() {
                None | Some(Component::CurDir) => {}
                Some(Component::ParentDir) => drop(way.place.pop()),
                Some(Component::Prefix(_) | Component::RootDir) => way.place = PathBuf::from(&part),
                Some(Component::Normal(name)) => {
                    let next = way.place.join(name);
                    if !std::fs::symlink_metadata(&next).ok()?.is_symlink() {
                        way.place = next;
                        continue;
                    }
                    let target = std::fs::read_link(&next).ok()?;
                    way.links.push(next);
                    if way.links.len() > LINKS {
                        return None;
                    }
                    for part in target.components().rev() {
                        ahead.push_front(part.as_os_str().to_owned());
                    }
                }
            }
        }
        Some(way)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn leads_where_the_system_leads() {
        let directory = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(directory.path()).unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "").unwrap();
        symlink("../a/./b", root.join("a/c")).unwrap();
        symlink(root.join("a/c"), root.join("d")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let way = Way::along(&root.join("d/../b/file")).unwrap();
        assert_eq!(way.place, std::fs::canonicalize(root.join("d/../b/file")).unwrap());
        assert_eq!(way.links, [root.join("d"), root.join("a/c")]);
        assert!(Way::along(&root.join("loop")).is_none() && Way::along(&root.join("none")).is_none());
        assert_eq!(Way::along(Path::new(".")).unwrap().place, std::fs::canonicalize(".").unwrap());
    }
}
