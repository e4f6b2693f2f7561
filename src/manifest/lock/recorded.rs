//! What files can do, as a lock records it for review.

use crate::capability::{Capabilities, Standing};
use crate::finding::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// Capabilities as a lock records them. Globals that weights_only takes are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// Globals that its pickles name, as `module.qualname`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub globals: BTreeSet<String>,
    /// Templates: where each stands, and the SHA-256 of its text in hex.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub templates: BTreeSet<(String, String)>,
    /// Code that it refers to, as in `auto_map: modeling_x.X`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub code: BTreeSet<String>,
}

impl Recorded {
    /// What a lock records of these.
    pub fn of(found: &Capabilities) -> Recorded {
        let noted = found.globals.iter().filter(|(_, standing)| **standing != Standing::WeightsOnly);
        Recorded {
            globals: noted.map(|(global, _)| global.clone()).collect(),
            templates: found.templates.clone(),
            code: found.code.clone(),
        }
    }

    /// Most files can do nothing: those share one value.
    pub(super) fn shared(self) -> Arc<Recorded> {
        static NOTHING: LazyLock<Arc<Recorded>> = LazyLock::new(Arc::default);
        if self == Recorded::default() { Arc::clone(&NOTHING) } else { Arc::new(self) }
    }

    /// True if a template with this SHA-256 is among them, wherever it stands.
    pub fn knows_template(&self, sha256: &str) -> bool {
        self.templates.iter().any(|(_, known)| known == sha256)
    }

    /// What is not among those recorded before, in words.
    pub fn beyond(&self, before: &Recorded) -> Vec<String> {
        let globals = self.globals.difference(&before.globals).map(|global| format!("global {}", shown(global)));
        let templates = self.templates.iter().filter(|(_, sha256)| !before.knows_template(sha256));
        let templates = templates.map(|(place, sha256)| format!("template {} {sha256}", shown(place)));
        let code = self.code.difference(&before.code).map(|code| format!("code {}", shown(code)));
        globals.chain(templates).chain(code).collect()
    }
}
