//! Which members of an archive, or layers of a model store, are one file to somebody who unpacks them.
//!
//! Threat: two members under spellings of one path (`a/./b`, or `A` on Windows, or another Unicode form on macOS): which
//! content is there in the end depends on who unpacks, so neither digest speaks for it. Bound: linear in the bytes of the
//! names; 16 bytes for each file and folder, `max_entries` of them at most.

use crate::budget::Spent;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use unicode_normalization::UnicodeNormalization;

/// A hash of a path: no two paths that anybody can find have the same.
type Key = [u8; 16];

/// The paths met so far.
pub(crate) struct Names {
    most: u64,
    met: u64,
    /// Paths without regard to case and Unicode form, and whether each is a folder.
    places: HashMap<Key, bool>,
    /// Paths of files as they are spelled, apart from `.` and doubled slashes.
    files: HashSet<Key>,
}

impl Names {
    pub fn new(most: u64) -> Self {
        Names { most, met: 0, places: HashMap::new(), files: HashSet::new() }
    }

    /// Adds a path and the folders it is in. Returns what is wrong with it beside the paths before.
    pub fn add(&mut self, name: &[u8], folder: bool) -> Result<Option<&'static str>, Spent> {
        let (mut spelled, mut folded) = (blake3::Hasher::new(), blake3::Hasher::new());
        let mut parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).peekable();
        if parts.peek().is_none() {
            return Ok((!folder).then_some("is the folder itself and no file in it"));
        }
        let mut clash = None;
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            spelled.update(part).update(b"/");
            folded.update(&fold(part)).update(b"/");
            let place = key(&folded);
            let is_folder = folder || !last;
            match self.places.get(&place) {
                None if self.met >= self.most => return Err(Spent("max_entries")),
                None => {
                    self.met = self.met.saturating_add(1);
                    self.places.insert(place, is_folder);
                }
                Some(true) if is_folder => {}
                Some(false) if !is_folder => {
                    clash = Some(if self.files.contains(&key(&spelled)) {
                        "stands there twice: which one counts depends on who unpacks it"
                    } else {
                        "and another member are one file where case and Unicode form do not count"
                    });
                }
                Some(_) => clash = Some("needs a folder where another member is a file, or the other way round"),
            }
        }
        if !folder {
            self.files.insert(key(&spelled));
        }
        Ok(clash)
    }
}

fn key(hasher: &blake3::Hasher) -> Key {
    let mut key = Key::default();
    hasher.finalize_xof().fill(&mut key);
    key
}

/// A part of a path without case and Unicode form, roughly as macOS and Windows compare it.
fn fold(part: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(part) {
        Ok(text) if !text.is_ascii() => text.to_lowercase().nfc().collect::<String>().into_bytes().into(),
        _ if part.iter().any(u8::is_ascii_uppercase) => part.to_ascii_lowercase().into(),
        _ => part.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with the last of these paths; those with a slash at the end are folders.
    fn last(paths: &[&str]) -> Option<&'static str> {
        let mut names = Names::new(1000);
        paths.iter().map(|path| names.add(path.as_bytes(), path.ends_with('/')).unwrap()).last().unwrap()
    }

    #[test]
    fn spellings_of_one_path_clash() {
        for twice in [["a", "a"], ["a", "./a"], ["a/b", "a//b"], ["a/b", "a/./b"]] {
            assert!(last(&twice).unwrap().contains("twice"), "{twice:?}");
        }
        for alike in [["a", "A"], ["A/b", "a/b"], ["\u{e9}", "e\u{301}"], ["\u{c9}", "\u{e9}"]] {
            assert!(last(&alike).unwrap().contains("case"), "{alike:?}");
        }
        for kinds in [["a", "a/b"], ["a/b", "a"], ["a/", "a"], ["a", "a/"], ["a", "A/b"]] {
            assert!(last(&kinds).unwrap().contains("folder"), "{kinds:?}");
        }
        assert!(last(&["."]).is_some());
    }

    #[test]
    fn other_paths_do_not() {
        for fine in
            [["a", "b"], ["a/b", "a/c"], ["a/", "a/"], ["a/", "a/b"], ["a/b", "a/"], ["ab", "a/b"], ["./", "./a"]]
        {
            assert_eq!(last(&fine), None, "{fine:?}");
        }
    }

    #[test]
    fn folders_count_as_well() {
        let mut names = Names::new(3);
        assert_eq!(names.add(b"a/b/c", false).unwrap(), None);
        assert!(matches!(names.add(b"a/b/d", false), Err(Spent("max_entries"))));
    }
}
