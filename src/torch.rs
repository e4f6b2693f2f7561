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
mod granted;
mod legacy;
mod lookup;
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
use crate::profile::Profile;
use crate::rule;
use crate::scan::Settings;
use crate::source::View;
pub use outline::outline;
use subject::Subject;
pub use version::Version;

/// True if the newest torch lets `weights_only=True` name this global, given as `module.qualname`.
pub fn allows(global: &str) -> bool {
    let mut era = version::Era::new(Version::NEWEST);
    matches!(names::lookup(&mut era, global), names::Lookup::Allowed(_))
}

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
    /// The framework whose loader calls torch; `None` for a bare `torch.load`.
    pub profile: Option<Profile>,
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

impl Answer {
    /// What was asked, as in `torch 2.15 under accelerate`.
    pub fn asked(&self) -> String {
        match self.profile {
            Some(profile) => format!("torch {} under {}", self.torch, profile.name()),
            None => format!("torch {}", self.torch),
        }
    }
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

/// One file that any number of questions can be asked about: what was read for one answer is kept for the next.
pub struct Oracle<'a> {
    settings: &'a Settings,
    /// One for each profile asked for.
    subjects: Vec<Subject<'a>>,
}

impl<'a> Oracle<'a> {
    /// `name` is the file's name: torch from 2.13 dispatches `.safetensors` by it.
    pub fn new(view: &View<'a>, name: &str, settings: &'a Settings) -> Self {
        let subject = |profile| Subject::new(*view, name, &settings.limits, profile);
        Oracle { settings, subjects: each_profile(settings).map(subject).collect() }
    }

    /// Answers for each profile and each version in the settings (the newest known where none is named).
    pub fn weights_only(&mut self) -> Vec<Answer> {
        let answers = self.subjects.iter_mut().map(|subject| {
            each_version(self.settings, |version, asked| match version {
                Some(version) => subject.answer(version, asked),
                None => {
                    let known = Version::NEWEST.minor();
                    let reason = format!("the rules of this torch version are not known; known are 1.13 to {known}");
                    Answer { profile: subject.profile(), ..unprovable(asked, "unknown version", reason) }
                }
            })
        });
        answers.flatten().collect()
    }

    /// Tricks that an older torch falls for, whichever versions were asked for.
    pub fn findings(&mut self) -> Vec<Finding> {
        let reason = self.subjects.iter_mut().find_map(Subject::sets_items_elsewhere);
        reason.map(|reason| Finding::new(&rule::torch::SETITEM_TARGET, reason)).into_iter().collect()
    }

    /// A sentence about every known torch version: "loads with weights_only=True on torch >= 2.6; on older torch it is
    /// refused because …". One for each profile that was asked for. Costs one reading of the pickle per distinct set of
    /// rules it touches, most often one to three.
    pub fn summary(&mut self) -> String {
        self.subjects.iter_mut().map(summary::summary).collect::<Vec<_>>().join("; ")
    }
}

/// The answers of an [`Oracle`] that is asked only once.
pub fn weights_only(view: &View<'_>, name: &str, settings: &Settings) -> Vec<Answer> {
    Oracle::new(view, name, settings).weights_only()
}

/// The profiles asked for; the bare loader where there is none.
fn each_profile(settings: &Settings) -> impl Iterator<Item = Option<Profile>> {
    let bare = settings.profiles.is_empty().then_some(None);
    bare.into_iter().chain(settings.profiles.iter().copied().map(Some))
}

/// The answers for a file that could not be read.
pub fn unread(settings: &Settings) -> Vec<Answer> {
    let unread = |profile| {
        let reason = "the file could not be read";
        each_version(settings, |_, asked| Answer { profile, ..unprovable(asked, "unread", reason.into()) })
    };
    each_profile(settings).flat_map(unread).collect()
}

/// The names of the known versions from this one on; `None` if it is not known.
pub fn versions_from(version: &str) -> Option<Vec<&'static str>> {
    let first = Version::resolve(version)?;
    Some(std::iter::successors(Some(first), |version| version.next()).map(Version::name).collect())
}

/// True if it looks like a version, known or not.
pub(crate) fn is_version(version: &str) -> bool {
    version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit())
}

fn each_version(settings: &Settings, mut answer: impl FnMut(Option<Version>, &str) -> Answer) -> Vec<Answer> {
    let newest = [Version::NEWEST.name().to_owned()];
    let asked = if settings.torch_versions.is_empty() { newest.as_slice() } else { &settings.torch_versions };
    asked.iter().map(|asked| answer(Version::resolve(asked), asked)).collect()
}

fn unprovable(asked: &str, rule: &str, reason: String) -> Answer {
    Answer {
        torch: asked.to_owned(),
        profile: None,
        outcome: Loading::Unprovable,
        rule: rule.to_owned(),
        global: None,
        reason,
        missing: Vec::new(),
        warnings: Vec::new(),
    }
}
