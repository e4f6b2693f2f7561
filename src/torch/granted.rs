//! What a framework's loader puts on torch's list beside it: numpy arrays of numbers, and `argparse.Namespace`.
//!
//! Modelled for what these frameworks write, and as torch 2.15 with numpy 2.4 did it; whatever else is done with such an
//! object is doubt, because numpy's own rules decide there.

use super::names::{self, Known, Lookup};
use super::stop::{Run, blocked, doubt};
use super::unpickler::{Machine, class};
use super::value::{Object, Value};
use crate::profile::{Grant, Profile};

/// A global that a profile grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Granted {
    /// `numpy._core.multiarray._reconstruct`.
    Reconstruct,
    /// `numpy.ndarray`.
    Array,
    /// `numpy.dtype`, which gives an object of a class of its own for each type.
    ElementType,
    /// A class of `numpy.dtypes`.
    ElementClass,
    /// `argparse.Namespace`.
    Namespace,
}

/// An object of such a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// An array.
    Array,
    /// A numpy dtype: its class, and the bytes of an element.
    ElementType(&'static str, u64),
    /// A bag of attributes.
    Namespace,
}

/// Names that `numpy.dtype(…)` is called with, the class of what it gives, and the bytes of an element.
const ELEMENT_TYPES: [(&[u8], &str, u64); 14] = [
    (b"b1", "numpy.dtypes.BoolDType", 1),
    (b"i1", "numpy.dtypes.Int8DType", 1),
    (b"i2", "numpy.dtypes.Int16DType", 2),
    (b"i4", "numpy.dtypes.Int32DType", 4),
    (b"i8", "numpy.dtypes.Int64DType", 8),
    (b"u1", "numpy.dtypes.UInt8DType", 1),
    (b"u2", "numpy.dtypes.UInt16DType", 2),
    (b"u4", "numpy.dtypes.UInt32DType", 4),
    (b"u8", "numpy.dtypes.UInt64DType", 8),
    (b"f2", "numpy.dtypes.Float16DType", 2),
    (b"f4", "numpy.dtypes.Float32DType", 4),
    (b"f8", "numpy.dtypes.Float64DType", 8),
    (b"c8", "numpy.dtypes.Complex64DType", 8),
    (b"O8", "numpy.dtypes.ObjectDType", 8),
];

/// What a profile makes of a global.
pub(super) fn lookup(profile: Profile, name: &str, since: impl FnOnce(super::Version) -> bool) -> Option<Lookup> {
    match profile.grant(name)? {
        Grant::Allowed(first) => since(first).then(|| known(name)).flatten().map(Lookup::Allowed),
        Grant::AllowedOnNumpy1(first) => since(first).then_some(Lookup::Numpy1),
        Grant::Trusted => None,
    }
}

fn known(name: &str) -> Option<Known> {
    Some(Known::Granted(match name {
        "_codecs.encode" => return Some(Known::Encode),
        "numpy._core.multiarray._reconstruct" => Granted::Reconstruct,
        "numpy.ndarray" => Granted::Array,
        "numpy.dtype" => Granted::ElementType,
        "numpy.dtypes.UInt32DType" => Granted::ElementClass,
        "argparse.Namespace" => Granted::Namespace,
        _ => return None,
    }))
}

impl Foreign {
    /// Its Python type, as it is printed.
    pub fn type_name(self) -> &'static str {
        match self {
            Foreign::Array => "numpy.ndarray",
            Foreign::ElementType(class, _) => class,
            Foreign::Namespace => "argparse.Namespace",
        }
    }
    /// True for those that define `__eq__` without `__hash__`.
    pub fn unhashable(self) -> bool {
        !matches!(self, Foreign::ElementType(..))
    }
}

impl Machine<'_, '_, '_> {
    /// Calls a granted class or function.
    pub fn call_granted(&mut self, granted: Granted, args: &[Value]) -> Run<Value> {
        let foreign = match (granted, args) {
            (Granted::Namespace, []) => Foreign::Namespace,
            (Granted::ElementType, [name, Value::Bool(_), Value::Bool(_)]) => {
                let name = self.arena.text(*name);
                let known = ELEMENT_TYPES.iter().find(|(code, ..)| Some(*code) == name);
                let Some((_, class, bytes)) = known else { return Err(doubt("a numpy type that is not modelled")) };
                Foreign::ElementType(class, *bytes)
            }
            (Granted::Reconstruct, [Value::Known(Known::Granted(Granted::Array)), shape, code]) => {
                let code = match (self.arena.text(*code), self.arena.object(*code)) {
                    (Some(text), _) => text,
                    (_, Some(Object::Bytes(Some(bytes)))) => bytes,
                    _ => b"",
                };
                let empty = matches!(self.arena.object(*shape), Some(Object::Tuple(items, _)) if matches!(items.as_slice(), [Value::Int(0)]));
                if code != b"b" || !empty {
                    return Err(doubt("an array made otherwise than numpy writes it"));
                }
                Foreign::Array
            }
            _ => return Err(doubt("a class of numpy or argparse is called otherwise than its library writes it")),
        };
        self.arena.add(Object::Foreign(foreign))
    }

    /// `cls.__new__(cls, *args)` of a granted class.
    pub fn new_granted(&mut self, granted: Granted, args: Value) -> Run<Value> {
        match granted {
            Granted::Namespace => {
                self.iterate(args)?;
                self.arena.add(Object::Foreign(Foreign::Namespace))
            }
            _ => Err(doubt("an object of numpy is made otherwise than numpy writes it")),
        }
    }

    /// BUILD of a granted object. A numpy type is checked by its own class, which is another for every type.
    pub fn build_granted(&mut self, foreign: Foreign, state: Value) -> Run<()> {
        let items = match self.arena.object(state) {
            Some(Object::Tuple(items, _)) => items.clone(),
            _ => Vec::new(),
        };
        let as_written = match foreign {
            Foreign::Namespace => self.arena.is_mapping(state),
            Foreign::ElementType(name, _) => {
                if !matches!(names::lookup(self.era, name), Lookup::Allowed(_)) {
                    let what =
                        "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`";
                    return Err(blocked("BUILD", format!("{what}, but got {}", class(name))));
                }
                matches!(items.as_slice(), [Value::Int(3), order, Value::None, Value::None, Value::None, Value::Int(-1), Value::Int(-1), Value::Int(0)]
                    if matches!(self.arena.text(*order), Some(b"<" | b"|")))
            }
            Foreign::Array => match items.as_slice() {
                [Value::Int(1), shape, element, Value::Bool(_), data] => self.fits(*shape, *element, *data),
                _ => false,
            },
        };
        if as_written {
            Ok(())
        } else {
            Err(doubt(format!("a {} is filled in a way that is not modelled", foreign.type_name())))
        }
    }

    /// True if the bytes are just those of an array of this shape.
    fn fits(&self, shape: Value, element: Value, data: Value) -> bool {
        let (Some(Object::Tuple(shape, _)), Some(Object::Foreign(Foreign::ElementType(_, bytes)))) =
            (self.arena.object(shape), self.arena.object(element))
        else {
            return false;
        };
        let sides = shape.iter().map(|side| match side {
            Value::Int(side) => u64::try_from(*side).ok(),
            _ => None,
        });
        let size = sides.chain([Some(*bytes)]).try_fold(1u64, |size, side| size.checked_mul(side?));
        matches!(self.arena.object(data), Some(Object::Bytes(Some(data))) if u64::try_from(data.len()).ok() == size)
    }

    /// Fails where an object of numpy or argparse goes into something that would ask it for numbers, an order, or items.
    pub fn no_foreign(&mut self, values: &[Value]) -> Run<()> {
        if self.era.profile().is_none() {
            return Ok(());
        }
        let foreign = |value: &Value| matches!(self.arena.object(*value), Some(Object::Foreign(_)));
        for value in values {
            let inside = match self.arena.object(*value) {
                Some(Object::Tuple(items, _) | Object::List(items) | Object::Set(items)) => items.as_slice(),
                _ => &[],
            };
            self.loading.spend(inside.len())?;
            if foreign(value) || inside.iter().any(foreign) {
                return Err(doubt("an object of numpy or argparse is handed to a function of torch or Python"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_allowed_is_modelled() {
        for profile in Profile::ALL {
            for name in profile.globals() {
                let found = lookup(profile, name, |_| true);
                match profile.grant(name) {
                    Some(Grant::Allowed(_)) => assert!(matches!(found, Some(Lookup::Allowed(_))), "{name}"),
                    Some(Grant::AllowedOnNumpy1(_)) => assert!(matches!(found, Some(Lookup::Numpy1)), "{name}"),
                    _ => assert!(found.is_none(), "{name}"),
                }
            }
        }
    }
}
