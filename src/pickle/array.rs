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
    /// True if elements have the size that the state says: text, bytes and records.
    extended: bool,
}

/// Why a state of a data type is not one that numpy writes.
enum Forged {
    /// It is certainly none.
    Certainly(&'static str),
    /// It cannot be followed.
    Perhaps,
}

/// What joblib pads with.
const FILLER: u8 = 0xff;
/// Values that are copied for trials, all of one stream together.
const MAX_FORKED: usize = 1 << 23;
/// Opcodes that a trial runs.
const TRIAL_OPS: u64 = 1 << 12;
/// numpy's flag for types that hold references.
const HOLDS_REFERENCES: i64 = 1;
/// The same, and its flag for arrays that are saved as lists. Types with references have both, the others none.
const REFERENCES: i64 = 3;

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
        let mut dtype = match constant::text(self.bytes, code) {
            Some(code) => by_code(&code)?,
            None if self.is_record_class(code) => Dtype { item_bytes: None, objects: false, extended: true },
            None => return None,
        };
        if let Some(state) = parts.get(1).and_then(|state| self.arena.parts(*state)) {
            // (version, byte order, subarray, names, fields, item size, alignment, flags …)
            // numpy takes the size from there for text, bytes and records only
            if let Some(size) = state.get(5).and_then(|v| self.int(*v)).filter(|_| dtype.extended) {
                dtype.item_bytes = u64::try_from(size).ok();
            }
            if let Some(flags) = state.get(7).and_then(|v| self.int(*v)) {
                dtype.objects |= flags & HOLDS_REFERENCES != 0;
            }
        }
        Some(dtype)
    }

    /// BUILD of a data type. numpy believes the flags and offsets in the state: forged ones make raw bytes pointers to objects,
    /// or place fields outside of the elements.
    pub(super) fn judge_dtype(&mut self, class: u32, built: Value, state: Value) {
        if self.names.get(class).and_then(|name| name.shape()) != Some("np-dtype") {
            return;
        }
        match self.dtype_state(built, state) {
            Ok(()) => {}
            Err(Forged::Certainly(what)) => self.accuse(&rules::MISUSED, class, what),
            Err(Forged::Perhaps) => self.accuse(&rules::UNPROVEN_USE, class, "has a state that cannot be followed"),
        }
    }

    fn dtype_state(&self, built: Value, state: Value) -> Result<(), Forged> {
        let &[args] = self.arena.parts(built).ok_or(Forged::Perhaps)? else {
            return Err(Forged::Certainly("is filled twice"));
        };
        let code = self.arena.parts(args).and_then(<[Value]>::first).copied().ok_or(Forged::Perhaps)?;
        let plain = match constant::text(self.bytes, code) {
            Some(code) => by_code(&code).ok_or(Forged::Perhaps)?,
            // a class stands for a type: of records, or of a number
            None => Dtype { item_bytes: None, objects: self.is_object_class(code), extended: true },
        };
        let Some(&[_, _, base, _, fields, size, _, flags, ..]) = self.arena.parts(state) else {
            return Err(Forged::Perhaps);
        };
        let (size, flags) = (self.int(size).ok_or(Forged::Perhaps)?, self.int(flags).ok_or(Forged::Perhaps)?);
        let mut objects = plain.objects;
        let size = match (u64::try_from(size), plain) {
            (Ok(size), Dtype { extended: true, .. }) => Some(size),
            (Err(_), Dtype { extended: true, item_bytes: Some(_), .. }) => {
                return Err(Forged::Certainly("has a negative size"));
            }
            (Ok(size), Dtype { item_bytes, .. }) if item_bytes.is_some_and(|bytes| bytes != size) => {
                return Err(Forged::Certainly("has another size than its type"));
            }
            (_, Dtype { item_bytes, .. }) => item_bytes,
        };
        if !self.is_none(base) {
            let &[inner, shape] = self.arena.parts(base).ok_or(Forged::Perhaps)? else { return Err(Forged::Perhaps) };
            let inner = self.dtype(inner).ok_or(Forged::Perhaps)?;
            objects |= inner.objects;
            let count = self.product_of(shape).or(self.int(shape).and_then(|n| u64::try_from(n).ok()));
            let whole = inner.item_bytes.zip(count).and_then(|(item, count)| item.checked_mul(count));
            if whole.ok_or(Forged::Perhaps)? != size.ok_or(Forged::Perhaps)? {
                return Err(Forged::Certainly("is a block of another size than its parts"));
            }
        }
        if !self.is_none(fields) {
            if !self.is_shape(fields, Shape::Dict) {
                return Err(Forged::Perhaps);
            }
            for pair in self.arena.parts(fields).ok_or(Forged::Perhaps)?.chunks_exact(2) {
                let field = pair.get(1).and_then(|field| self.arena.parts(*field)).ok_or(Forged::Perhaps)?;
                let &[inner, offset, ..] = field else { return Err(Forged::Perhaps) };
                let inner = self.dtype(inner).ok_or(Forged::Perhaps)?;
                objects |= inner.objects;
                let offset = self.int(offset).ok_or(Forged::Perhaps)?;
                let end = u64::try_from(offset).ok().zip(inner.item_bytes).and_then(|(at, len)| at.checked_add(len));
                if end.is_none_or(|end| size.is_none_or(|size| end > size)) {
                    return Err(Forged::Certainly("has a field outside of its elements"));
                }
            }
        }
        match (flags & REFERENCES, objects) {
            (REFERENCES, true) | (0, false) => Ok(()),
            (_, true) => {
                Err(Forged::Certainly("holds objects and says that it holds none: bytes become pointers to objects"))
            }
            (_, false) => {
                Err(Forged::Certainly("holds no objects and says that it does: bytes become pointers to objects"))
            }
        }
    }

    /// Records are saved as a type that names its class: their size is in the state.
    fn is_record_class(&self, value: Value) -> bool {
        matches!(value, Value::Global(id) if self.names.get(id).is_some_and(|n| {
            matches!(n.module.as_str(), "numpy" | "numpy.rec") && matches!(n.name.as_str(), "record" | "void")
        }))
    }

    fn is_object_class(&self, value: Value) -> bool {
        matches!(value, Value::Global(id) if self.names.get(id).is_some_and(|n| matches!(n.name.as_str(), "object" | "object_" | "object0")))
    }

    fn is_none(&self, value: Value) -> bool {
        matches!(value, Value::Const(Kind::Nothing, ..))
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
        // by chance bytes are some opcodes; what comes after they raise is reached by nobody
        let raises = quiet.findings().iter().filter(|f| f.rule == &rules::MALFORMED).filter_map(|f| f.offset).min();
        let reached = |offset: Option<u64>| raises.is_none_or(|raises| offset.is_some_and(|offset| offset <= raises));
        quiet.findings().iter().any(|f| f.severity >= Severity::High && f.global.is_some() && reached(f.offset))
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
    // a list of types, or the name of one, is no code
    let digits = digits.split_once('[').filter(|_| matches!(letter, 'M' | 'm')).map_or(digits, |(digits, _)| digits);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = || digits.parse::<u64>().ok();
    let (item_bytes, objects) = match letter {
        'O' => (Some(8), true),
        'U' => (number().and_then(|n| n.checked_mul(4)), false),
        'b' | 'i' | 'u' | 'f' | 'c' | 'V' | 'S' | 'M' | 'm' => (number(), false),
        '?' => (Some(1), false),
        _ => return None,
    };
    Some(Dtype { item_bytes, objects, extended: matches!(letter, 'U' | 'S' | 'V') })
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
        assert_eq!(by_code("i8,O"), None);
        assert_eq!(size("M8[ns]"), Some(8));
    }
}
