//! What a value of configuration makes a loader do, and whether that is dangerous.

use super::fields::{Field, LIBRARIES, Meaning};
use crate::finding::{Finding, shown};
use crate::pickle::globals::{self, Standing};
use crate::rule::format as rules;
use crate::scan::Scan;

/// Judges a string under `field`, or inside what stands under it.
pub fn string(field: &Field, text: &str, at: u64, scan: &mut Scan<'_>) {
    match field.meaning {
        Meaning::RemoteCode => {
            scan.capabilities.code(format!("{}: {text}", field.key));
            if let Some((repo, _)) = text.split_once("--") {
                let message = format!("{} names code of another repository, {}", field.key, shown(repo));
                scan.report(&rules::REMOTE_CODE, at, message);
                needs(repo, at, scan);
            }
        }
        Meaning::Kernel => kernel(field, text, at, scan),
        Meaning::FileName => {
            if text.contains(['/', '\\', '\0']) || text == ".." {
                acts(&rules::PATH_OUT, field, text, at, scan);
            }
        }
        Meaning::Path => path(field, text, at, scan),
        Meaning::Target => target(text, at, scan),
        Meaning::Class => {
            let (module, class) = text.rsplit_once('.').unwrap_or(("", text));
            if !text.starts_with("sentence_transformers.") {
                outside(field, module, class, at, scan);
            }
        }
        Meaning::Module => {
            if !matches!(text, "transformers" | "diffusers" | "torch" | "peft") && !text.starts_with("transformers.") {
                outside(field, text, "", at, scan);
            }
        }
        Meaning::Needs => needs(text, at, scan),
        Meaning::Template | Meaning::Consent | Meaning::Component | Meaning::Other => {}
    }
}

/// Judges a pair of library and class.
pub fn component(field: &Field, library: &str, class: &str, at: u64, scan: &mut Scan<'_>) {
    if !LIBRARIES.contains(&library) {
        outside(field, library, class, at, scan);
    }
}

/// Anything but a plain word is looked up on the hub: `org/kernel`, `org/kernel@revision:function`.
fn kernel(field: &Field, text: &str, at: u64, scan: &mut Scan<'_>) {
    // a prefix before | chooses how kernels are wrapped, as in paged|org/kernel
    let name = text.rsplit('|').next().unwrap_or(text);
    if name.contains('/') {
        scan.capabilities.code(format!("{}: {text}", field.key));
        acts(&rules::KERNEL, field, text, at, scan);
    }
}

fn path(field: &Field, text: &str, at: u64, scan: &mut Scan<'_>) {
    if text.split(['/', '\\']).any(|part| part == "..") || text.contains('\0') {
        acts(&rules::PATH_OUT, field, text, at, scan);
        return;
    }
    let drive = text.as_bytes().get(1) == Some(&b':');
    if text.starts_with(['/', '\\', '~']) || drive || text.contains("://") {
        acts(&rules::PATH_ABSOLUTE, field, text, at, scan);
    }
}

/// A class or module that none of the usual libraries has.
fn outside(field: &Field, module: &str, class: &str, at: u64, scan: &mut Scan<'_>) {
    let name = if class.is_empty() { module.to_owned() } else { format!("{module}.{class}") };
    let rule = if dangerous(&name) { &rules::TARGET } else { &rules::CLASS_OUTSIDE };
    scan.capabilities.code(format!("{}: {name}", label(field)));
    let message = format!("{} makes {} act: it {}: {}", label(field), field.loader, field.does, shown(&name));
    scan.find(Finding::new(rule, message).at(at).global(shown(&name)));
}

fn needs(what: &str, at: u64, scan: &mut Scan<'_>) {
    if !what.is_empty() {
        scan.report(&rules::NEEDS, at, format!("it needs {}, which is not proven here", shown(what)));
    }
}

fn acts(rule: &'static crate::rule::Rule, field: &Field, text: &str, at: u64, scan: &mut Scan<'_>) {
    let message = format!("{} is {}: {} {}", label(field), shown(text), field.loader, field.does);
    scan.report(rule, at, message);
}

fn label(field: &Field) -> &'static str {
    if field.key == "*" { "a component" } else { field.key }
}

/// The value of a `_target_`, which Hydra imports and calls.
pub fn target(name: &str, at: u64, scan: &mut Scan<'_>) {
    scan.capabilities.code(format!("_target_: {name}"));
    if dangerous(name) {
        let finding = Finding::new(&rules::TARGET, format!("_target_ names {}", shown(name)));
        scan.find(finding.at(at).global(shown(name)));
    }
}

/// True if some way to split the name into module and attribute, as a loader may, gives something dangerous.
fn dangerous(name: &str) -> bool {
    name.match_indices('.').any(|(dot, _)| {
        let (module, attribute) = (name.get(..dot), name.get(dot.saturating_add(1)..));
        matches!(module.zip(attribute).map(|(m, a)| globals::lookup(m, a)), Some(Standing::Dangerous(_)))
    })
}
