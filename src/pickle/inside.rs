//! Pickles inside pickles: byte strings that another loader may read, on the budget of the scan.

use super::machine::Machine;
use super::shape::Fit;
use super::value::Value;
use super::{constant, stream};
use crate::format::{self, Role};
use crate::rule::pickle as rules;
use crate::source::View;

/// Byte strings shorter than this hold no pickle that does anything.
const MIN_BYTES: usize = 8;

impl Machine<'_, '_, '_> {
    /// Looks for pickles in a byte string that nothing in this stream loads: one that imports what is dangerous, wherever
    /// it begins. The number of places that are tried is bounded per stream, and so is each trial.
    pub(super) fn look_inside(&mut self, data: &[u8]) {
        if data.len() < MIN_BYTES || self.trial {
            return;
        }
        if let Some(at) = stream::hidden(data, &mut self.probes, self.scan) {
            let message =
                format!("a byte string holds a pickle, at its byte {at}, that would import what is dangerous");
            self.report(&rules::EMBEDDED, message);
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
