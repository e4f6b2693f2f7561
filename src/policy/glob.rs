//! Patterns of paths: `*` for any characters of one name, `**` for any names.
//!
//! A pattern is relative to the directory of its policy, unless it begins with `/` or with `**`, which matches anywhere.
//! What it matches it covers with everything beneath. Bound: names of the path times names of the pattern, each pair
//! compared in linear time for each star. Threat: whoever ships a model names what is in it, so there is nothing to
//! escape with: links are resolved before, a file that is one counts as itself and as
//! what it leads to, and `..` is no name.

use crate::manifest::hub;
use crate::walk::or_here;
use serde::{Deserialize, Deserializer, de};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    /// What it is relative to; the working directory where that is not known.
    base: Option<PathBuf>,
}

impl Glob {
    /// Reads a pattern. `Err` says in words what is wrong with it.
    pub fn parse(text: &str) -> Result<Glob, &'static str> {
        let names = text.strip_prefix('/').unwrap_or(text);
        if names.is_empty() {
            return Err("expected a path or a pattern, as in \"models/**\"");
        }
        for name in names.split('/') {
            match name {
                "" => return Err("expected names between single slashes"),
                "." | ".." => return Err("expected a path without `.` and `..`"),
                "**" => {}
                name if name.contains("**") => return Err("`**` stands alone between slashes"),
                _ => {}
            }
        }
        Ok(Glob { text: text.to_owned(), base: None })
    }
    /// Says which directory it is relative to.
    pub(super) fn relative_to(&mut self, base: &Path) {
        self.base = Some(base.to_owned());
    }
    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// True if it matches a path or a directory above it. The path is one of [`resolved`].
    pub fn covers(&self, path: &Path) -> bool {
        if let Some(pattern) = self.text.strip_prefix('/') {
            return walk(pattern, path);
        }
        if self.text.starts_with("**") {
            return walk(&self.text, path);
        }
        let base = self.base.clone().or_else(|| fs::canonicalize(".").ok());
        base.and_then(|base| path.strip_prefix(base).ok().map(Path::to_owned))
            .is_some_and(|path| walk(&self.text, &path))
    }
    /// True if it matches a name relative to something else than its policy, or a directory above it.
    pub fn covers_name(&self, name: &Path) -> bool {
        walk(self.text.trim_start_matches('/'), name)
    }
}

/// A path as patterns are held against it: links and `..` in it are resolved, but for its last name.
pub fn resolved(path: &Path) -> PathBuf {
    let whole = || fs::canonicalize(path).ok();
    let parent = || {
        let (directory, name) = (path.parent()?, path.file_name()?);
        Some(fs::canonicalize(or_here(directory)).ok()?.join(name))
    };
    parent().or_else(whole).or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
}

/// All paths that rules are held against for one file: as [`resolved`], and where a link leads to. Links of a repository of
/// the hub into its own store are that file and no other.
pub fn spellings(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![resolved(path)];
    all.extend(target(path).filter(|target| !all.contains(target)));
    all
}

/// Where a link to a file leads, unless it stays in its repository of the hub.
pub fn target(path: &Path) -> Option<PathBuf> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_symlink)?;
    let target = fs::canonicalize(path).ok()?;
    let repository = |path: &Path| hub::repository(path).map(|(directory, _)| directory.to_owned());
    let own = repository(&resolved(path));
    let shared = own.as_deref().and_then(Path::parent).map(|cache| cache.join("blobs"));
    let inside = own.is_some() && own == repository(&target) || shared.is_some_and(|shared| target.starts_with(shared));
    (!inside).then_some(target)
}

/// Walks the names of a path through all states of a pattern at once; true as soon as the pattern is at its end.
fn walk(pattern: &str, path: &Path) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    // a state is the number of names of the pattern that are behind it
    let mut states = vec![false; pattern.len() + 1];
    enter(&pattern, &mut states, 0);
    let done = |states: &[bool]| states.last() == Some(&true);
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        if done(&states) {
            return true;
        }
        let name = name.to_string_lossy();
        let mut next = vec![false; states.len()];
        for (state, expected) in pattern.iter().enumerate() {
            match *expected {
                _ if states.get(state) != Some(&true) => {}
                "**" => enter(&pattern, &mut next, state),
                expected if matches(expected, &name) => enter(&pattern, &mut next, state + 1),
                _ => {}
            }
        }
        states = next;
    }
    done(&states)
}

/// Enters a state, and those behind any `**` that follows, which may stand for nothing.
fn enter(pattern: &[&str], states: &mut [bool], from: usize) {
    for (state, reached) in states.iter_mut().enumerate().skip(from) {
        *reached = true;
        if pattern.get(state) != Some(&"**") {
            return;
        }
    }
}

/// Matches a name without `/`, in time linear in both for each star.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((end, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(end)
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Glob::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(pattern: &str, path: &str) -> bool {
        let mut glob = Glob::parse(pattern).unwrap();
        glob.relative_to(Path::new("/p"));
        glob.covers(Path::new(path))
    }

    #[test]
    fn what_patterns_cover() {
        for (pattern, path) in [
            ("models", "/p/models/a/b"),
            ("models/**", "/p/models"),
            ("models/**", "/p/models/a/b"),
            ("models/*.pt", "/p/models/x.pt"),
            ("models/**/x.pt", "/p/models/x.pt"),
            ("models/**/x.pt", "/p/models/a/b/x.pt"),
            ("**", "/anywhere"),
            ("**/bert", "/q/r/bert/model.bin"),
            ("/q/*", "/q/r/s"),
            ("*/**/*/z", "/p/a/b/c/d/z"),
        ] {
            assert!(covers(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("models", "/models"),
            ("models", "/p/model"),
            ("models/*.pt", "/p/models/a/x.pt"),
            ("models/*", "/p/models"),
            ("/p", "/q/p"),
            ("**/bert", "/q/bertie"),
            ("a/**/b", "/p/a"),
        ] {
            assert!(!covers(pattern, path), "{pattern} {path}");
        }
        for pattern in ["", "/", "a//b", "a/", "../a", "a/./b", "a**", "a/**b"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    /// The plain definition: any split of the names among the patterns.
    fn plain(pattern: &[&str], names: &[String]) -> bool {
        match (pattern.split_first(), names.split_first()) {
            (None, _) => true,
            (Some((&"**", rest)), None) => plain(rest, names),
            (Some((&"**", rest)), Some((_, fewer))) => plain(rest, names) || plain(pattern, fewer),
            (Some((name, rest)), Some((first, fewer))) => matches(name, first) && plain(rest, fewer),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn states_are_as_good_as_trying_everything(
            pattern in prop::collection::vec(prop::sample::select(vec!["**", "*", "a", "b*", "*c", "a*b*c"]), 1..6),
            names in prop::collection::vec("[abc]{1,3}", 0..6),
        ) {
            let path: PathBuf = names.iter().collect();
            let glob = Glob::parse(&pattern.join("/")).unwrap();
            prop_assert_eq!(glob.covers_name(&path), plain(&pattern, &names), "{:?} {:?}", pattern, names);
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,40}", path in ".{0,40}") {
            if let Ok(glob) = Glob::parse(&text) {
                glob.covers(Path::new(&path));
                glob.covers_name(Path::new(&path));
            }
        }

        #[test]
        fn names_match_as_a_plain_search_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) if plain(rest, text) => true,
                    (Some((b'*', _)), Some((_, fewer))) => plain(pattern, fewer),
                    (Some((a, rest)), Some((b, fewer))) => a == b && plain(rest, fewer),
                    _ => false,
                }
            }
            prop_assert_eq!(matches(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
