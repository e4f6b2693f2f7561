//! Pickles inside pickles: byte strings that another loader may read, on the budget of the scan.

use super::machine::Machine;
use super::shape::Fit;
use super::value::Value;
use super::{Dialect, constant, stream};
use crate::format::{self, Role};
use crate::outcome::{Outcome, Verdict};
use crate::rule::Severity;
use crate::rule::pickle as rules;
use crate::scan::Scan;
use crate::source::View;

/// Byte strings that are tried per stream; what is embedded is data and nobody loads it here.
const MAX_TRIED: u32 = 4096;

impl Machine<'_, '_, '_> {
    /// Looks at a byte string that nothing in this stream loads. Each byte is looked at once per level.
    pub(super) fn look_inside(&mut self, data: &[u8]) {
        if data.len() < 4 || self.depth >= self.scan.budget.limits().max_depth || self.tried > MAX_TRIED {
            return;
        }
        if !matches!(data, [0x80, 0..=5, ..] | [b'c' | b'(', ..]) {
            return;
        }
        self.tried = self.tried.saturating_add(1);
        let mut inner = Scan::new(self.scan.settings);
        inner.budget = self.scan.budget.clone();
        let summary = stream::run(data, 0, Dialect::Plain, self.depth.saturating_add(1), &mut inner);
        self.scan.budget = inner.budget.clone();
        if !summary.complete && !summary.executed {
            return;
        }
        let (findings, _) = inner.finish();
        if Outcome::judge(&findings, Severity::High).verdict() == Verdict::Bad {
            let worst = findings.iter().find(|f| f.severity >= Severity::High);
            let what = worst.map_or(String::new(), |f| format!(": {}", f.message));
            self.report(&rules::EMBEDDED, format!("a byte string is itself a pickle{what}"));
        }
    }

    /// `torch.storage._load_from_bytes(data)` is `torch.load` of the data, so the data is a file to check.
    pub(super) fn load_from_bytes(&mut self, args: &[Value]) -> Fit {
        let &[data] = args else {
            return Fit::Misfit("is called with other than one argument".to_owned());
        };
        let stream = self.bytes;
        let owned;
        let bytes = match constant::bytes(stream, data) {
            Some(bytes) => bytes,
            // protocols below 3 write bytes as _codecs.encode(text, "latin1")
            None => match self.encoded(data) {
                Some(bytes) => {
                    owned = bytes;
                    &owned
                }
                None => return Fit::Misfit("loads bytes that are computed while loading".to_owned()),
            },
        };
        if self.depth >= self.scan.budget.limits().max_depth || self.scan.enter("_load_from_bytes").is_err() {
            return Fit::Uncertain("loads bytes inside bytes inside bytes, and so on".to_owned());
        }
        let identity = format::examine(&View::new(&bytes), "", self.scan);
        self.scan.leave();
        match identity.role {
            Role::Loadable => Fit::Fits(None),
            _ => Fit::Uncertain("loads bytes that are no torch file".to_owned()),
        }
    }

    fn encoded(&self, value: Value) -> Option<Vec<u8>> {
        let node = self.arena.of(value)?;
        if self.names.get(node.class)?.shape() != Some("latin1-encode") {
            return None;
        }
        let args = *self.arena.parts(value)?.first()?;
        constant::latin1(self.bytes, *self.arena.parts(args)?.first()?)
    }
}
