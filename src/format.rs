//! What a file is, by content and never by name, and the checks of each format.
//!
//! [`examine`] identifies, runs the format's own checks and descends into what is inside, on the scan's budget.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

use crate::finding::Finding;
use crate::rule;
use crate::scan::Scan;
use crate::source::View;

/// What part an artifact plays in a model directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights, pickles, archives: must be proven.
    Loadable,
    /// JSON, YAML, templates that loaders act on.
    Config,
    /// Prose, licences, vocabulary, images.
    Inert,
    /// Scripts, shared objects, executables.
    Code,
    /// None of these.
    Opaque,
}

/// What a file was identified as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Format name used in reports, as in `torch-zip`.
    pub format: &'static str,
    /// Its role.
    pub role: Role,
}

/// Identifies the content of `view`, checks it, and descends into it. `name` is used only to notice a name that lies.
pub fn examine(view: &View<'_>, name: &str, scan: &mut Scan<'_>) -> Identity {
    let _ = (view, name);
    scan.find(Finding::new(&rule::format::UNKNOWN_FORMAT, "the content is of no known format"));
    Identity { format: "unknown", role: Role::Opaque }
}
