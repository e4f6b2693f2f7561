//! Names as Python 2 wrote them, and what Python 3 makes of them.
//!
//! `pickle.load` maps the names of protocols 0 to 2 (`fix_imports`, by CPython's `_compat_pickle`): first the pair, then the
//! module alone.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The maps, one line each: `from.module name -> to.module name`, or `from.module -> to.module`; sorted.
static MAP: &str = include_str!("../../../manifests/globals/generated/python2.txt");

/// What became of one module.
#[derive(Default)]
struct Moved {
    /// Its new name, for all that is not named apart.
    whole: Option<&'static str>,
    /// Names that went elsewhere, with the pairs that they are now.
    names: HashMap<&'static str, (&'static str, &'static str)>,
}

/// The map, read once.
static INDEX: LazyLock<HashMap<&str, Moved>> = LazyLock::new(|| {
    let mut index: HashMap<&str, Moved> = HashMap::new();
    for (from, to) in MAP.lines().filter_map(|line| line.split_once(" -> ")) {
        match (from.split_once(' '), to.split_once(' ')) {
            (Some((module, name)), Some(to)) => drop(index.entry(module).or_default().names.insert(name, to)),
            _ => index.entry(from).or_default().whole = Some(to),
        }
    }
    index
});

/// The pair that Python 3 looks up where a stream of protocol 0, 1 or 2 names `module` and `name`; `None`: the same.
pub fn python3_name<'a>(module: &str, name: &'a str) -> Option<(&'static str, &'a str)> {
    let moved = INDEX.get(module)?;
    moved.names.get(name).copied().or_else(|| moved.whole.map(|to| (to, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_outrank_modules() {
        assert_eq!(python3_name("__builtin__", "xrange"), Some(("builtins", "range")));
        assert_eq!(python3_name("__builtin__", "set"), Some(("builtins", "set")));
        assert_eq!(python3_name("copy_reg", "_reconstructor"), Some(("copyreg", "_reconstructor")));
        assert_eq!(python3_name("commands", "getoutput"), Some(("subprocess", "getoutput")));
        assert_eq!(python3_name("builtins", "set"), None);
    }

    #[test]
    fn every_line_is_a_mapping() {
        for line in MAP.lines().filter(|line| !line.starts_with('#')) {
            let (from, to) = line.split_once(" -> ").unwrap();
            assert_eq!(from.contains(' '), to.contains(' '), "{line}");
        }
        assert!(MAP.lines().count() > 140);
    }
}
