//! What `torch.load(weights_only=True)` would do with a file, for each torch version asked for.
//!
//! Independent of the verdict: this follows torch, rule by rule, also where torch is careless. One emulator serves all
//! versions; a rule that changed says since when it holds. Facts: the released sources of torch 1.13 to 2.15, and what
//! these versions did with thousands of files. Bound: linear in the pickle; storages are looked at only where their
//! numbers decide (sparse indices), and then up to a cap.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

mod archive;
mod build;
mod call;
mod codec;
mod dtype;
mod legacy;
#[cfg(test)]
mod marks;
mod names;
mod outline;
mod reader;
mod rebuild;
mod safetensors;
mod script;
mod skim;
mod sparse;
mod stop;
mod subject;
mod summary;
mod tar;
mod tensor;
#[cfg(test)]
mod tests;
mod unpickler;
mod value;
mod version;
mod zip;

use crate::finding::Finding;
use crate::rule;
use crate::scan::Settings;
use crate::source::View;
pub use outline::outline;
use subject::Subject;
pub use summary::summary;
pub use version::Version;

/// What torch would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loading {
    /// It loads. A claim.
    Loads,
    /// A global, opcode or rule refuses it. A claim.
    Blocked,
    /// It is malformed: loading fails for another reason. A claim.
    Corrupt,
    /// Honest doubt.
    Unprovable,
}

/// The answer for one torch version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The version as it was asked for.
    pub torch: String,
    /// What torch would do.
    pub outcome: Loading,
    /// The rule that decides, in a few words; empty for a file that loads.
    pub rule: String,
    /// The global that is refused, in torch's terms.
    pub global: Option<String>,
    /// One sentence, in torch's own terms where it refuses.
    pub reason: String,
    /// For a file blocked by a global: every global that would have to be allowed (`add_safe_globals`) for the pickle
    /// to pass, in order of mention. Empty where allowing them would not help: an opcode or a blocked module stands in
    /// the way too. Whether they *should* be allowed is not said here.
    pub missing: Vec<String>,
    /// What is dangerous about loading this file with this version, weights_only or not.
    pub warnings: Vec<&'static str>,
}

impl Loading {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Loading::Loads => "loads",
            Loading::Blocked => "blocked",
            Loading::Corrupt => "corrupt",
            Loading::Unprovable => "unprovable",
        }
    }
}

/// Tricks that an older torch falls for, whichever versions were asked for.
pub fn findings(view: &View<'_>, name: &str, settings: &Settings) -> Vec<Finding> {
    let reason = Subject::new(*view, name, &settings.limits).sets_items_elsewhere();
    reason.map(|reason| Finding::new(&rule::torch::SETITEM_TARGET, reason)).into_iter().collect()
}

/// Answers for each version in `settings` (the newest known where none is named). `name` is the file's name: torch from
/// 2.13 dispatches `.safetensors` by it.
pub fn weights_only(view: &View<'_>, name: &str, settings: &Settings) -> Vec<Answer> {
    let mut subject = Subject::new(*view, name, &settings.limits);
    each_version(settings, |version, asked| match version {
        Some(version) => subject.answer(version, asked),
        None => {
            let known = Version::NEWEST.minor();
            let reason = format!("the rules of this torch version are not known; known are 1.13 to {known}");
            unprovable(asked, "unknown version", reason)
        }
    })
}

/// The answers for a file that could not be read.
pub fn unread(settings: &Settings) -> Vec<Answer> {
    each_version(settings, |_, asked| unprovable(asked, "unread", "the file could not be read".into()))
}

/// The names of the known versions from this one on; `None` if it is not known.
pub fn versions_from(version: &str) -> Option<Vec<&'static str>> {
    let first = Version::resolve(version)?;
    Some(std::iter::successors(Some(first), |version| version.next()).map(Version::name).collect())
}

fn each_version(settings: &Settings, mut answer: impl FnMut(Option<Version>, &str) -> Answer) -> Vec<Answer> {
    let newest = [Version::NEWEST.name().to_owned()];
    let asked = if settings.torch_versions.is_empty() { newest.as_slice() } else { &settings.torch_versions };
    asked.iter().map(|asked| answer(Version::resolve(asked), asked)).collect()
}

fn unprovable(asked: &str, rule: &str, reason: String) -> Answer {
    Answer {
        torch: asked.to_owned(),
        outcome: Loading::Unprovable,
        rule: rule.to_owned(),
        global: None,
        reason,
        missing: Vec::new(),
        warnings: Vec::new(),
    }
}
