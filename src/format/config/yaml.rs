//! YAML that makes a loader import or call something. It is not parsed: tags and keys are recognised line by line, which
//! is enough for what is looked for and cannot be led astray by anchors or nesting. Linear.

use super::judge::target;
use crate::finding::shown;
use crate::format::jinja;
use crate::rule::format as rules;
use crate::scan::Scan;

/// Python tags of YAML that build plain values.
static PLAIN_TAGS: &[&str] =
    &["tuple", "str", "unicode", "int", "long", "float", "complex", "bool", "none", "list", "dict", "bytes"];

/// Reports what YAML would make a loader import or call.
pub fn yaml(text: &str, scan: &mut Scan<'_>) {
    let mut at = 0u64;
    for line in text.split_inclusive('\n') {
        yaml_line(line, at, scan);
        at = at.saturating_add(u64::try_from(line.len()).unwrap_or(0));
    }
    jinja::check(text, "the YAML text", 0, scan);
}

fn yaml_line(line: &str, at: u64, scan: &mut Scan<'_>) {
    let body = line.trim_start_matches([' ', '-', '\t', '{']);
    if body.starts_with('#') {
        return;
    }
    if let Some(value) = ["_target_:", "\"_target_\":", "'_target_':"].iter().find_map(|key| body.strip_prefix(key)) {
        let name = value.split([',', '}', '#']).next().unwrap_or(value);
        target(name.trim().trim_matches(['"', '\'']), at, scan);
    }
    for tag in ["!!python/", "tag:yaml.org,2002:python/"] {
        for (place, _) in line.match_indices(tag) {
            let rest = line.get(place.saturating_add(tag.len())..).unwrap_or_default();
            let name = rest.split([' ', '\t', '\r', '\n', '>', ',', ']', '}']).next().unwrap_or(rest);
            let at = at.saturating_add(u64::try_from(place).unwrap_or(0));
            if !PLAIN_TAGS.contains(&name) {
                scan.capabilities.code(format!("!!python/{name}"));
            }
            let shown = shown(name);
            if name.starts_with("object/apply:") {
                scan.report(&rules::YAML_CALL, at, format!("the tag !!python/{shown} calls a function"));
            } else if !PLAIN_TAGS.contains(&name) {
                scan.report(&rules::YAML_OBJECT, at, format!("the tag !!python/{shown} imports something"));
            }
        }
    }
}
