//! Names in a manifest: relative paths with `/`, in one spelling only.
//!
//! Threat: a name that leads out of the model, or two spellings of one path of which the one that is checked is not the
//! one that is loaded.

use super::{Refusal, malformed, two_readings};
use crate::finding::shown;

/// Checks the name of a file below the root.
pub(crate) fn check(name: &str) -> Result<(), Refusal> {
    let bad = |why: &str| Err(two_readings(format!("the name {} {why}", shown(name))));
    if name.is_empty() {
        return bad("is empty");
    }
    if name.contains('\0') {
        return bad("holds a NUL byte");
    }
    if name.contains('\\') {
        return bad("holds a backslash, which some systems take for a separator");
    }
    if name.starts_with('/') {
        return bad("is absolute");
    }
    for part in name.split('/') {
        match part {
            "" => return bad("holds an empty part"),
            "." | ".." => return bad("holds a part that only points elsewhere"),
            _ => {}
        }
    }
    Ok(())
}

/// Splits `path:start:end`, the name of a shard; the path may hold colons itself.
pub(crate) fn shard(name: &str) -> Result<(&str, u64, u64), Refusal> {
    let mut parts = name.rsplitn(3, ':');
    let (end, start, path) = (parts.next(), parts.next(), parts.next());
    let offset = |digits: Option<&str>| {
        // one spelling per number: no sign, no leading zero
        let digits = digits?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if plain { digits.parse::<u64>().ok() } else { None }
    };
    match (path, offset(start), offset(end)) {
        (Some(path), Some(start), Some(end)) => Ok((path, start, end)),
        _ => Err(malformed(format!("{} is not the name of a shard, path:start:end", shown(name)))),
    }
}

/// A path that the signer says to ignore, in the spelling of names; `None` for one that lies outside the model and so
/// ignores nothing. Refuses globs, which the format does not have, and the model as a whole.
pub(crate) fn ignored(path: &str) -> Result<Option<String>, Refusal> {
    let bad = |why: &str| Err(two_readings(format!("the ignored path {} {why}", shown(path))));
    if path.contains(['*', '?', '[']) {
        return bad("holds a wildcard");
    }
    if path.contains(['\0', '\\']) {
        return bad("holds a NUL byte or a backslash");
    }
    if path.starts_with('/') {
        return Ok(None);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Ok(None);
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return bad("covers the whole model");
    }
    Ok(Some(parts.join("/")))
}

/// True if `path` is `name` or a directory above it.
pub(crate) fn covers(path: &str, name: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_name() {
        for name in ["a", "a/b.bin", ".hidden", "é", "a b", "...", "a:0:4", "-", "~"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/../b", "..", ".", "a\\b", "a\0", "\\"] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn shards_split_at_the_last_two_colons() {
        assert_eq!(shard("a:0:4").unwrap(), ("a", 0, 4));
        assert_eq!(shard("a:b:8:10").unwrap(), ("a:b", 8, 10));
        for name in ["a", "a:0", "a:0:", "a::4", "a:00:4", "a:0:+4", "a:0:04", "a:0:99999999999999999999", "a:-1:4"] {
            assert!(shard(name).is_err(), "{name}");
        }
    }

    #[test]
    fn ignored_paths_are_claims_about_the_inside() {
        assert_eq!(ignored("./a//b/").unwrap().as_deref(), Some("a/b"));
        assert_eq!(ignored("x/../a").unwrap().as_deref(), Some("a"));
        assert_eq!(ignored("../a").unwrap(), None);
        assert_eq!(ignored("/a").unwrap(), None);
        for path in [".", "", "./", "a/..", "*.bin", "a?", "[ab]", "a\\b"] {
            assert!(ignored(path).is_err(), "{path}");
        }
        assert!(covers("a", "a") && covers("a", "a/b") && !covers("a", "ab") && !covers("a/b", "a"));
    }
}
