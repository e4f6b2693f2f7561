//! Names as Python 2 wrote them, and what Python 3 makes of them.
//!
//! `pickle.load` maps the names of protocols 0 to 2 (`fix_imports`, by CPython's `_compat_pickle`): first the pair, then the
//! module alone.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The maps, one line each: `from.module name -> to.module name`, or `from.module -> to.module`; sorted.
static MAP: &str = include_str!("../../../manifests/globals/generated/python2.txt");

/// The map, read once: what stands before the arrow to what stands behind it.
static INDEX: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| MAP.lines().filter_map(|line| line.split_once(" -> ")).collect());

/// The pair that Python 3 looks up where a stream of protocol 0, 1 or 2 names `module` and `name`; `None`: the same.
pub fn python3_name<'a>(module: &str, name: &'a str) -> Option<(&'static str, &'a str)> {
    // a module name with a space would be taken for a pair, and is in no map
    if module.contains(' ') {
        return None;
    }
    if let Some(pair) = INDEX.get([module, " ", name].concat().as_str()) {
        return pair.split_once(' ');
    }
    INDEX.get(module).map(|to| (*to, name))
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
