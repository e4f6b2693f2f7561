//! Tags of YAML: what a loader imports or calls for them.
//!
//! Source: the constructors of PyYAML 3.13 to 6.0 and ruamel.yaml (`tag:yaml.org,2002:python/…`), and of HyperPyYAML 1.2
//! (`!new:` and others). Linear. Threat: files that run code in loaders that take all tags (CVE-2020-1747, CVE-2020-14343).

use super::judge;
use crate::finding::shown;
use crate::pickle::globals::{self, Standing};
use crate::rule::format as rules;
use crate::scan::Scan;
use std::borrow::Cow;

/// Tags of PyYAML that build plain values.
static PLAIN: &[&str] =
    &["tuple", "str", "unicode", "int", "long", "float", "complex", "bool", "none", "list", "dict", "bytes"];

/// Tags of HyperPyYAML that name something to import; what they name is called, except with `!name:`, which binds arguments
/// to it, and `!module:`.
static HYPER: &[&str] = &["!new:", "!apply:", "!applyref:", "!name:", "!module:"];

/// Judges a tag, with its handle resolved and its escapes decoded. `mapping` if a mapping bears it.
pub fn judge(tag: &str, mapping: bool, at: u64, scan: &mut Scan<'_>) {
    if let Some(name) = tag.strip_prefix("tag:yaml.org,2002:python/") {
        if !PLAIN.contains(&name) {
            scan.capabilities.code(format!("!!python/{name}"));
            python(name, mapping, at, scan);
        }
        return;
    }
    if let Some((hyper, name)) = HYPER.iter().find_map(|hyper| Some((hyper, tag.strip_prefix(hyper)?))) {
        judge::target(hyper.trim_end_matches(':'), &qualified(name), at, scan);
    }
}

fn python(name: &str, mapping: bool, at: u64, scan: &mut Scan<'_>) {
    let called = ["object/apply:", "object/new:"].iter().find_map(|kind| name.strip_prefix(kind));
    let bad = match (called, name.strip_prefix("object:")) {
        // a mapping may set attributes of the result and call its `extend`, so only plain arguments are harmless
        (Some(callee), _) => mapping || !harmless(callee),
        // a class gives an instance without a call, a function is called
        (None, Some(class)) => judge::dangerous(&qualified(class)),
        (None, None) => false,
    };
    let shown = shown(name);
    if bad {
        scan.report(&rules::YAML_CALL, at, format!("the tag !!python/{shown} calls a function"));
    } else {
        scan.report(&rules::YAML_OBJECT, at, format!("the tag !!python/{shown} imports something"));
    }
}

/// True if it may be called with any arguments that are harmless themselves.
fn harmless(callee: &str) -> bool {
    let callee = qualified(callee);
    let (module, name) = callee.rsplit_once('.').unwrap_or_default();
    matches!(globals::lookup(module, name), Standing::Vetted(vetted) if vetted.call && vetted.shape.is_none())
}

/// Both take a name without a module for one of builtins.
fn qualified(name: &str) -> Cow<'_, str> {
    if name.contains('.') { name.into() } else { format!("builtins.{name}").into() }
}
