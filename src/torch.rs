//! What `torch.load(weights_only=True)` would do with a file, for each torch version asked for.
//!
//! Independent of the verdict: this follows torch, rule by rule, also where torch is careless.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

use crate::scan::Settings;
use crate::source::View;

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

/// Answers for each version in `settings` (the newest known where none is named). `name` is the file's name: torch from
/// 2.13 dispatches `.safetensors` by it.
pub fn weights_only(view: &View<'_>, name: &str, settings: &Settings) -> Vec<Answer> {
    let _ = (view, name, settings);
    Vec::new()
}
