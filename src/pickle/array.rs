//! numpy data types, and the raw array bytes that joblib writes between the opcodes of a pickle.
//!
//! After BUILD of a `NumpyArrayWrapper`, joblib reads shape × item size bytes (with padding before them since 1.2) from the
//! file, or a nested pickle where the array holds objects. They are skipped exactly. Threat: raw bytes that `pickle.load`,
//! which knows nothing of wrappers, would run as opcodes. Padding cannot be (no opcode has the code of a padding length);
//! where there is none, a copy of the machine tries.

use super::machine::{Machine, Step, Stop};
use super::value::{Kind, Shape, Value};
use super::{Summary, constant, opcode, stream};
use crate::rule::Severity;
use crate::rule::pickle as rules;
use crate::scan::Scan;

/// What is known of a numpy data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dtype {
    /// Bytes per element; `None` if the type code does not say.
    pub item_bytes: Option<u64>,
    /// True if elements are references to objects.
    pub objects: bool,
}

/// What joblib pads with.
const FILLER: u8 = 0xff;
/// Values that are copied for trials, all of one stream together.
const MAX_FORKED: usize = 1 << 23;
/// Opcodes that a trial runs.
const TRIAL_OPS: u64 = 1 << 12;
/// numpy's flag for types that hold references.
const HOLDS_REFERENCES: i64 = 1;

impl Machine<'_, '_, '_> {
    /// The data type behind a `numpy.dtype` instance: its type code, and the state that BUILD gave it.
    pub(super) fn dtype(&self, value: Value) -> Option<Dtype> {
        let node = self.arena.of(value)?;
        let name = self.names.get(node.class)?;
        if node.shape != Shape::Instance || name.shape() != Some("np-dtype") {
            return None;
        }
        let parts = self.arena.parts(value)?;
        let code = *self.arena.parts(*parts.first()?)?.first()?;
        let mut dtype = by_code(&constant::text(self.bytes, code)?)?;
        if let Some(state) = parts.get(1).and_then(|state| self.arena.parts(*state)) {
            // (version, byte order, subarray, names, fields, item size, alignment, flags …)
            if let Some(size) = state.get(5).and_then(|v| self.int(*v)).and_then(|n| u64::try_from(n).ok()) {
                dtype.item_bytes = Some(size);
            }
            if let Some(flags) = state.get(7).and_then(|v| self.int(*v)) {
                dtype.objects |= flags & HOLDS_REFERENCES != 0;
            }
        }
        Some(dtype)
    }

    /// Steps over the array that follows BUILD of a joblib wrapper; nothing for other objects.
    pub(super) fn raw_array(&mut self, wrapper: Value, class: u32) -> Step {
        if self.names.get(class).and_then(|name| name.shape()) != Some("array-wrapper") {
            return Ok(());
        }
        if self.lexer.inside_frame() {
            return Err(Stop::Raise("an array begins inside a frame".to_owned()));
        }
        let Some((dtype, count, alignment)) = self.wrapped(wrapper) else {
            self.report(&rules::ARRAY_BYTES, "an array of unknown size follows in the stream".to_owned());
            return Err(Stop::Raise("the bytes of an array cannot be located".to_owned()));
        };
        if dtype.objects {
            if let Value::Node(node) = wrapper {
                self.arena.taint(node);
            }
            return self.object_array();
        }
        let size = dtype.item_bytes.and_then(|item| item.checked_mul(count)).and_then(|n| usize::try_from(n).ok());
        let Some(size) = size else {
            self.report(&rules::ARRAY_BYTES, "an array of unknown size follows in the stream".to_owned());
            return Err(Stop::Raise("the bytes of an array cannot be located".to_owned()));
        };
        match alignment {
            Some(alignment) => {
                let padding = self.lexer.skip(1)?.first().copied().unwrap_or(0);
                let filler = self.lexer.skip(usize::from(padding))?;
                if i64::from(padding) > alignment || !filler.iter().all(|&b| b == FILLER) {
                    self.report(&rules::DIVERGENT, "the padding of an array is not what joblib writes".to_owned());
                }
            }
            None if self.opcodes_follow() => {
                let message = "the bytes of an array are opcodes for loaders other than joblib";
                self.report(&rules::DIVERGENT, message.to_owned());
            }
            None => {}
        }
        self.lexer.skip(size)?;
        Ok(())
    }

    /// True if a loader that does not know of the array would go on to import or call what is not vetted.
    fn opcodes_follow(&mut self) -> bool {
        if self.lexer.rest().first().is_none_or(|&code| opcode::operand(code).is_none()) {
            return false;
        }
        self.forked = self.forked.saturating_add(self.held());
        if self.forked > MAX_FORKED {
            self.report(&rules::ARRAY_BYTES, "too many arrays could be opcodes for another loader".to_owned());
            return false;
        }
        let mut quiet = Scan::new(self.scan.settings);
        self.fork(&mut quiet).run(TRIAL_OPS);
        quiet.findings().iter().any(|f| f.severity >= Severity::High && f.global.is_some())
    }

    /// Type, number of elements, and the alignment if padding comes first.
    fn wrapped(&self, wrapper: Value) -> Option<(Dtype, u64, Option<i64>)> {
        let state = *self.arena.parts(wrapper)?.get(1)?;
        if !self.is_shape(state, Shape::Dict) {
            return None;
        }
        let mut dtype = None;
        let mut count = None;
        let mut alignment = None;
        for pair in self.arena.parts(state)?.chunks_exact(2) {
            let &[key, value] = pair else { continue };
            match constant::text(self.bytes, key)?.as_str() {
                "dtype" => dtype = self.dtype(value),
                "shape" => count = self.product_of(value),
                "numpy_array_alignment_bytes" if !matches!(value, Value::Const(Kind::Nothing, ..)) => {
                    alignment = Some(self.int(value)?);
                }
                _ => {}
            }
        }
        Some((dtype?, count?, alignment))
    }

    fn product_of(&self, shape: Value) -> Option<u64> {
        let parts = self.arena.parts(shape)?;
        parts.iter().try_fold(1u64, |product, &n| product.checked_mul(u64::try_from(self.int(n)?).ok()?))
    }

    /// The nested pickle of an array of objects.
    fn object_array(&mut self) -> Step {
        let rest = self.lexer.rest();
        let base = self.base.saturating_add(u64::try_from(self.lexer.pos()).unwrap_or(u64::MAX));
        let Summary { consumed, complete, .. } =
            stream::run(rest, base, self.dialect, self.depth.saturating_add(1), self.scan);
        let consumed = usize::try_from(consumed).unwrap_or(usize::MAX);
        if !complete {
            // it was reported; nothing behind it can be located
            return Err(Stop::Raise("the nested pickle of an array is broken".to_owned()));
        }
        self.lexer.skip(consumed)?;
        Ok(())
    }
}

/// A type code as in `f8`, `<U12` or `O`.
fn by_code(code: &str) -> Option<Dtype> {
    let code = code.trim_start_matches(['<', '>', '=', '|']);
    let mut chars = code.chars();
    let letter = chars.next()?;
    let digits = chars.as_str();
    let number = || digits.parse::<u64>().ok();
    let (item_bytes, objects) = match letter {
        'O' => (Some(8), true),
        'U' => (number().and_then(|n| n.checked_mul(4)), false),
        'b' | 'i' | 'u' | 'f' | 'c' | 'V' | 'S' | 'M' | 'm' => (number(), false),
        '?' => (Some(1), false),
        _ => return None,
    };
    Some(Dtype { item_bytes, objects })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_codes() {
        let size = |code| by_code(code).and_then(|d| d.item_bytes);
        assert_eq!(size("f8"), Some(8));
        assert_eq!(size("<U3"), Some(12));
        assert_eq!(size("V16"), Some(16));
        assert!(by_code("O8").unwrap().objects && by_code("|O").unwrap().objects);
        assert_eq!(by_code("x4"), None);
    }
}
