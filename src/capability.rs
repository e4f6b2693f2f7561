//! What a file can do to whoever loads it: the globals its pickles name, the templates it carries, and the code that its
//! configuration refers to. Gathered while it is scanned, wherever in the file it stands; a lock records it for review,
//! and `mverify diff` tells what is new.
//!
//! Bound: [`MOST`] entries of each kind; what does not fit is told by [`Capabilities::cut`]. Threat: names and texts are the
//! file's own, so they are only compared, and escaped where they are shown.

use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of each kind that are kept.
const MOST: usize = 1 << 16;

/// What is known of a global that a pickle names. The order is that of alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// On the list of `torch.load(weights_only=True)` of the newest torch, and vetted.
    WeightsOnly,
    /// Vetted, or vouched for by the user.
    Vetted,
    /// Unknown.
    Unvetted,
    /// Dangerous.
    Dangerous,
}

/// Everything of this kind in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Globals, as `module.qualname`.
    pub globals: BTreeMap<String, Standing>,
    /// Templates: where each stands, as in `/chat_template` or `member!/chat_template`, and the SHA-256 of its text in hex.
    pub templates: BTreeSet<(String, String)>,
    /// Code that configuration refers to, as in `auto_map: modeling_x.X`.
    pub code: BTreeSet<String>,
    /// There was more than is kept.
    pub cut: bool,
}

impl Capabilities {
    /// Notes a global.
    pub fn global(&mut self, name: String, standing: Standing) {
        if self.room(self.globals.len()) {
            let worst = self.globals.entry(name).or_insert(standing);
            *worst = standing.max(*worst);
        }
    }
    /// Notes a template, if the text is one.
    pub fn template(&mut self, place: String, text: &str) {
        if crate::format::jinja::is_template(text.as_bytes()) && self.room(self.templates.len()) {
            self.templates.insert((place, Digest::sha256([text.as_bytes()]).to_string()));
        }
    }
    /// Notes a reference to code.
    pub fn code(&mut self, reference: String) {
        if self.room(self.code.len()) {
            self.code.insert(reference);
        }
    }
    /// Takes another one in.
    pub fn merge(&mut self, other: Capabilities) {
        other.globals.into_iter().for_each(|(name, standing)| self.global(name, standing));
        other.code.into_iter().for_each(|reference| self.code(reference));
        for template in other.templates {
            if self.room(self.templates.len()) {
                self.templates.insert(template);
            }
        }
        self.cut |= other.cut;
    }
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.globals.is_empty() && self.templates.is_empty() && self.code.is_empty()
    }

    fn room(&mut self, taken: usize) -> bool {
        self.cut |= taken >= MOST;
        taken < MOST
    }
}

impl Standing {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Standing::WeightsOnly => "weights_only",
            Standing::Vetted => "vetted",
            Standing::Unvetted => "unvetted",
            Standing::Dangerous => "dangerous",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::examine;

    #[test]
    fn they_are_found_wherever_they_stand() {
        let globals = |bytes: &[u8]| examine(bytes, "x").capabilities.globals.into_iter().collect::<Vec<_>>();
        assert_eq!(globals(b"\x80\x02cos\ngetpid\n."), [("os.getpid".to_owned(), Standing::Dangerous)]);
        let ordered = b"\x80\x02ccollections\nOrderedDict\n.\x80\x02cmine\nNet\n.".as_slice();
        let expected = [("collections.OrderedDict", Standing::WeightsOnly), ("mine.Net", Standing::Unvetted)];
        assert_eq!(globals(ordered), expected.map(|(name, standing)| (name.to_owned(), standing)));
        let config = br#"{"auto_map": {"AutoModel": "modeling_x.X"}, "chat_template": "{{ m }}", "prompt": "plain"}"#;
        let found = examine(config, "config.json").capabilities;
        assert_eq!(found.code.into_iter().collect::<Vec<_>>(), ["auto_map: modeling_x.X"]);
        assert_eq!(found.templates.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), ["/chat_template"]);
    }

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let mut found = Capabilities::default();
        (0..=MOST).for_each(|n| found.code(n.to_string()));
        assert!(found.cut && found.code.len() == MOST);
    }
}
