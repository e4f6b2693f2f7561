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
            let (repo, file) = text.split_once("--").map_or((None, text), |(repo, file)| (Some(repo), file));
            path(field, file, at, scan);
            if let Some(repo) = repo {
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
        Meaning::Path | Meaning::Inside => path(field, text, at, scan),
        Meaning::Target => target(field.key, text, at, scan),
        Meaning::Class => {
            let (module, class) = text.rsplit_once('.').unwrap_or(("", text));
            if !text.starts_with("sentence_transformers.") || dangerous(text) {
                outside(field, module, class, at, scan);
            }
        }
        Meaning::Module => {
            let usual = matches!(text, "transformers" | "diffusers" | "torch" | "peft");
            let part = ["transformers.", "mlflow."].iter().any(|package| text.starts_with(package));
            if !(usual || part) {
                outside(field, text, "", at, scan);
            }
        }
        Meaning::Needs => needs(text, at, scan),
        Meaning::Template | Meaning::Consent | Meaning::Component | Meaning::Pipeline => {}
    }
}

/// Judges a pair of library and class.
pub fn component(field: &Field, library: &str, class: &str, at: u64, scan: &mut Scan<'_>) {
    if !LIBRARIES.contains(&library) || dangerous(&format!("{library}.{class}")) {
        outside(field, library, class, at, scan);
    }
}

/// Judges the name of a file that holds a pipeline.
pub fn pipeline(field: &Field, file: &str, at: u64, scan: &mut Scan<'_>) {
    path(field, file, at, scan);
    outside(field, file, "", at, scan);
}

/// Notes that the configuration names code of the repository, or of another.
pub fn remote_code(field: &Field, at: u64, scan: &mut Scan<'_>) {
    scan.report(&rules::REMOTE_CODE, at, format!("{}: {} {}", field.key, field.loader, field.does));
}

/// Notes that the configuration agrees to run code of the repository, with the word it says so by.
pub fn consent(word: &str, at: u64, scan: &mut Scan<'_>) {
    // Python takes every string but the empty one for true, also "false"
    if !word.is_empty() {
        scan.capabilities.code("trust_remote_code: true".to_owned());
        scan.report(&rules::REMOTE_CODE, at, "the configuration asks for trust_remote_code");
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
    let rooted = text.starts_with(['/', '\\']) || text.as_bytes().get(1) == Some(&b':');
    if rooted && matches!(field.meaning, Meaning::Inside | Meaning::Pipeline | Meaning::RemoteCode) {
        acts(&rules::PATH_OUT, field, text, at, scan);
    } else if rooted || text.starts_with('~') || text.contains("://") {
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

/// Judges a name that a loader imports and calls, or hands to what does. `what` says where it stands, as in `_target_`.
pub fn target(what: &str, name: &str, at: u64, scan: &mut Scan<'_>) {
    let name = name.trim();
    let open = name.contains("${") && !name.contains("${{");
    // under a common word such as `target` prose may stand
    let named = open || (name.contains('.') && !name.contains(char::is_whitespace));
    if named || what == "_target_" {
        scan.capabilities.code(format!("{what}: {name}"));
    }
    if dangerous(name) {
        let finding = Finding::new(&rules::TARGET, format!("{what} names {}", shown(name)));
        scan.find(finding.at(at).global(shown(name)));
    } else if open {
        scan.report(
            &rules::TARGET_OPEN,
            at,
            format!("{what} is {}, which is put together when it is used", shown(name)),
        );
    } else if named && name.len() > LONGEST_NAME {
        scan.report(&rules::TARGET_OPEN, at, format!("{what} is longer than any name: {}", shown(name)));
    }
}

/// Bytes of a name that is looked up part by part.
const LONGEST_NAME: usize = 256;

/// Modules that are reached through any module that imports them, as in `torch.os.system`.
static REACHED: &[&str] = &[
    "_pickle",
    "builtins",
    "cloudpickle",
    "commands",
    "ctypes",
    "dill",
    "importlib",
    "joblib",
    "marshal",
    "nt",
    "numpy",
    "os",
    "pandas",
    "pickle",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "subprocess",
    "sys",
    "torch",
];

/// True if some way to split the name into module and attribute, as a loader may, gives something dangerous.
pub fn dangerous(name: &str) -> bool {
    if name.len() > LONGEST_NAME {
        return false;
    }
    let ends = |text: &str| text.match_indices('.').map(|(dot, _)| dot).collect::<Vec<_>>();
    let listed = |name: &str, dot: usize| {
        let (module, attribute) = (name.get(..dot), name.get(dot.saturating_add(1)..));
        matches!(module.zip(attribute).map(|(m, a)| globals::lookup(m, a)), Some(Standing::Dangerous(_)))
    };
    let dots = ends(name);
    dots.iter().any(|&dot| listed(name, dot))
        || dots.iter().filter_map(|&dot| name.get(dot.saturating_add(1)..)).any(|rest| {
            let module = rest.split('.').next().unwrap_or(rest);
            REACHED.contains(&module) && ends(rest).into_iter().take(2).any(|dot| listed(rest, dot))
        })
}
