//! One file and what is known of it so far: its container is opened once, and an answer is reused for every version
//! it holds for.

use super::archive::Archive;
use super::stop::{Run, Stop};
use super::version::{Era, Version};
use super::{Answer, Loading, legacy, safetensors, skim, zip};
use crate::budget::Limits;
use crate::profile::Profile;
use crate::source::View;

const SCRIPT_IGNORED: &str =
    "torch up to 2.5.1 ignores weights_only for TorchScript and hands the file to torch.jit.load (CVE-2025-32434)";
const TAR_IGNORED: &str = "torch up to 2.5.1 unpacks and unpickles tar files under weights_only too (CVE-2025-32434)";
const SETITEM_TARGET: &str =
    "torch up to 2.9.1 sets items on objects that are no mapping, which corrupts memory (CVE-2026-24747)";
const STORAGE_SIZE: &str =
    "torch up to 2.9.1 does not compare a storage with its record, and reads past it (CVE-2026-24747)";

/// A file under judgement.
pub(super) struct Subject<'a> {
    view: View<'a>,
    /// The name ends with `.safetensors`.
    named_safetensors: bool,
    archive: Option<Run<Archive<'a>>>,
    limits: &'a Limits,
    profile: Option<Profile>,
    /// Answers so far, and the versions they hold for.
    known: Vec<(Era, Answer)>,
}

impl<'a> Subject<'a> {
    /// The framework whose loader is asked about.
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    pub fn new(view: View<'a>, name: &str, limits: &'a Limits, profile: Option<Profile>) -> Self {
        let is_zip = view.head(4).is_ok_and(|head| *head == *b"PK\x03\x04");
        Subject {
            view,
            named_safetensors: name.ends_with(".safetensors"),
            archive: is_zip.then(|| Archive::open(view, limits)),
            limits,
            profile,
            known: Vec::new(),
        }
    }

    /// The answer for one version, with the version named as asked.
    pub fn answer(&mut self, version: Version, asked: &str) -> Answer {
        let mut answer = self.plain(version);
        answer.warnings = self.warnings(version, answer.outcome);
        asked.clone_into(&mut answer.torch);
        answer.profile = self.profile;
        answer
    }

    fn plain(&mut self, version: Version) -> Answer {
        if let Some((_, answer)) = self.known.iter().find(|(era, _)| era.holds(version)) {
            return answer.clone();
        }
        let (era, answer) = self.judge(version);
        self.known.push((era, answer.clone()));
        answer
    }

    /// What later versions refuse and this one does not, where that was a hole.
    fn warnings(&mut self, version: Version, outcome: Loading) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if version < Version::V2_6 && outcome != Loading::Blocked {
            match self.plain(Version::V2_6).rule.as_str() {
                "TorchScript" => warnings.push(SCRIPT_IGNORED),
                "tar" => warnings.push(TAR_IGNORED),
                _ => {}
            }
        }
        if version < Version::V2_10 && outcome == Loading::Loads {
            let fixed = self.plain(Version::V2_10);
            if matches!(fixed.rule.as_str(), "SETITEM" | "SETITEMS") {
                warnings.push(SETITEM_TARGET);
            } else if fixed.reason.starts_with("record size") {
                warnings.push(STORAGE_SIZE);
            }
        }
        warnings
    }

    /// The offending rule where 2.10 refuses an item set on what is no mapping.
    pub fn sets_items_elsewhere(&mut self) -> Option<String> {
        let answer = self.plain(Version::V2_10);
        matches!(answer.rule.as_str(), "SETITEM" | "SETITEMS").then_some(answer.reason)
    }

    /// The last version for which the answer of `version` holds.
    pub fn holds_until(&self, version: Version) -> Version {
        self.known.iter().find(|(era, _)| era.holds(version)).map_or(version, |(era, _)| era.last())
    }

    fn judge(&self, version: Version) -> (Era, Answer) {
        let mut era = Era::new(version).under(self.profile);
        let outcome = self.load(&mut era);
        let mut answer = Answer {
            torch: String::new(),
            profile: None,
            outcome: Loading::Loads,
            rule: String::new(),
            global: None,
            reason: String::new(),
            missing: Vec::new(),
            warnings: Vec::new(),
        };
        match outcome {
            Ok(()) => answer.reason = "every rule of the restricted unpickler is kept".into(),
            Err(Stop::Blocked { rule, global, reason }) => {
                answer.outcome = Loading::Blocked;
                answer.rule = rule.into();
                answer.global = global.map(|name| shown(&name));
                answer.reason = shown(&reason);
                if answer.global.is_some() {
                    answer.missing = skim::missing(&self.view, self.archive.as_ref(), &mut era, self.limits);
                }
            }
            Err(Stop::Corrupt(reason)) => {
                answer.outcome = Loading::Corrupt;
                answer.rule = "malformed".into();
                answer.reason = shown(&reason);
            }
            Err(Stop::Doubt(reason)) => {
                answer.outcome = Loading::Unprovable;
                answer.rule = "not modelled".into();
                answer.reason = shown(&reason);
            }
            Err(Stop::Window) => answer.outcome = Loading::Unprovable,
        }
        (era, answer)
    }

    fn load(&self, era: &mut Era) -> Run<()> {
        if self.named_safetensors && era.since(Version::V2_13) {
            return safetensors::load(&self.view, self.limits);
        }
        match &self.archive {
            Some(Ok(archive)) => zip::load(archive, era, self.limits.max_ops),
            Some(Err(stop)) => Err(stop.clone()),
            None => legacy::load(&self.view, era, self.limits),
        }
    }
}

/// Text from a file, escaped as Python's `repr` does and cut.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(240) {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            // Marks that reorder or hide what is printed.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => shown.push(c),
        }
    }
    if text.chars().nth(240).is_some() {
        shown.push('…');
    }
    shown
}
