//! The objects a restricted unpickler makes, by reference into one arena, as Python has them.
//!
//! Bound: one arena slot per object, 16 bytes per reference. Past [`FULL`] slots and references new containers are
//! [`Object::Forgotten`]: their type is still known, their content is not, and asking for it is an honest doubt.

use super::dtype::Dtype;
use super::granted::{Foreign, Granted};
use super::names::{Known, QScheme};
use super::stop::{Run, corrupt, doubt};
use std::ops::Range;

/// Objects and references kept before new containers are forgotten.
const FULL: usize = 4_000_000;

/// An object of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// A Python value: a small one itself, or a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A `str` of the stream itself: start and length.
    Text(u32, u32),
    Known(Known),
    Obj(Id),
}

/// Whether `hash()` works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashing {
    Works,
    Fails(&'static str),
    Unknown,
}

/// The three mappings that may be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    Dict,
    Ordered,
    Counter,
}

/// Where the bytes of a storage come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Made by a constructor or not loaded yet: whatever memory holds.
    Unknown,
    /// An entry of the archive, by its number, and where its bytes lie in the file if they are stored there as they are.
    Record(usize, Option<Range<u64>>),
    /// A range of the file.
    File(Range<u64>),
}

/// Untyped bytes.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub bytes: u64,
    pub resizable: bool,
    pub content: Content,
}

/// How elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Strided,
    SparseCoo,
    /// csr, csc, bsr, bsc: rows compressed (or columns), in blocks.
    Compressed {
        rows: bool,
        blocks: bool,
    },
    Other(&'static str),
}

/// A tensor or parameter.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub parameter: bool,
    pub dtype: Dtype,
    pub layout: Layout,
    pub meta: bool,
    pub sizes: Vec<i64>,
    pub strides: Vec<i64>,
    pub offset: i64,
    pub storage: Option<Id>,
    pub requires_grad: bool,
    /// Names of the Python attributes that were set.
    pub attributes: Vec<Vec<u8>>,
    /// A kind of tensor whose further use is not modelled.
    pub odd: bool,
}

/// An object of the arena.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Text(Box<[u8]>),
    /// An int that does not fit 64 bits: little-endian two's complement.
    Big(Box<[u8]>),
    Bytes(Option<Vec<u8>>),
    /// Length, and the bytes where they are kept.
    ByteArray(u64, Option<Vec<u8>>),
    Complex,
    Tuple(Vec<Value>, Hashing),
    Size(Vec<Value>),
    List(Vec<Value>),
    Mapping(Mapping, Vec<(Value, Value)>),
    Set(Vec<Value>),
    Device,
    Layout(Layout),
    Untyped(Storage),
    /// A typed view of a storage; `None` for one that was never initialised.
    Typed(Option<(Id, Dtype)>),
    Tensor(Box<Tensor>),
    Exception,
    /// An object of a class that a profile grants.
    Foreign(Foreign),
    /// A container whose content was not kept; its Python type.
    Forgotten(Forgotten),
}

/// Types whose content may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    Tuple,
    List,
    Mapping(Mapping),
}

/// All objects of one load.
pub(super) struct Arena<'a> {
    source: &'a [u8],
    objects: Vec<Object>,
    references: usize,
}

/// Room for the objects of a small pickle, made at once.
const EXPECTED: usize = 64;

/// The containers that stand for all forgotten ones of their type: nothing asks them who they are.
const FORGOTTEN: [Forgotten; 5] = [
    Forgotten::Tuple,
    Forgotten::List,
    Forgotten::Mapping(Mapping::Dict),
    Forgotten::Mapping(Mapping::Ordered),
    Forgotten::Mapping(Mapping::Counter),
];

impl<'a> Arena<'a> {
    /// An arena for objects read from `source`.
    pub fn new(source: &'a [u8]) -> Self {
        let mut objects = Vec::with_capacity(EXPECTED);
        objects.extend(FORGOTTEN.map(Object::Forgotten));
        Arena { source, objects, references: 0 }
    }

    /// Adds an object.
    pub fn add(&mut self, object: Object) -> Run<Value> {
        let (held, kind) = match &object {
            Object::Tuple(items, _) => (items.len(), Some(Forgotten::Tuple)),
            Object::List(items) => (items.len(), Some(Forgotten::List)),
            Object::Mapping(kind, items) => (items.len().saturating_mul(2), Some(Forgotten::Mapping(*kind))),
            Object::Size(items) | Object::Set(items) => (items.len(), None),
            Object::Text(bytes) | Object::Big(bytes) => (bytes.len() / 16, None),
            Object::Bytes(Some(bytes)) | Object::ByteArray(_, Some(bytes)) => (bytes.len() / 16, None),
            _ => (0, None),
        };
        if self.full()
            && let Some(at) = FORGOTTEN.iter().position(|f| Some(*f) == kind)
        {
            return Ok(Value::Obj(Id(u32::try_from(at).unwrap_or_default())));
        }
        if self.objects.len() >= FULL.saturating_mul(4) {
            return Err(doubt("the pickle makes more objects than are followed"));
        }
        self.references = self.references.saturating_add(held);
        let id = u32::try_from(self.objects.len()).map_err(|_| doubt("too many objects"))?;
        self.objects.push(object);
        Ok(Value::Obj(Id(id)))
    }

    fn full(&self) -> bool {
        self.objects.len() >= FULL || self.references >= FULL
    }

    /// Room for `n` more references; false once containers are being forgotten.
    pub fn hold(&mut self, n: usize) -> bool {
        self.references = self.references.saturating_add(n);
        !self.full()
    }

    /// The object a value refers to.
    pub fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Obj(id) => self.get(id),
            _ => None,
        }
    }
    /// The object to be changed.
    pub fn object_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Obj(Id(at)) => self.objects.get_mut(usize::try_from(at).ok()?),
            _ => None,
        }
    }
    pub fn get(&self, Id(at): Id) -> Option<&Object> {
        self.objects.get(usize::try_from(at).ok()?)
    }
    pub fn storage(&self, id: Id) -> Option<&Storage> {
        match self.get(id) {
            Some(Object::Untyped(storage)) => Some(storage),
            _ => None,
        }
    }
    pub fn storage_mut(&mut self, id: Id) -> Option<&mut Storage> {
        match self.object_mut(Value::Obj(id)) {
            Some(Object::Untyped(storage)) => Some(storage),
            _ => None,
        }
    }
    /// The bytes of a `str`.
    pub fn text(&self, value: Value) -> Option<&[u8]> {
        match (value, self.object(value)) {
            (Value::Text(start, len), _) => {
                let start = usize::try_from(start).ok()?;
                self.source.get(start..start.checked_add(usize::try_from(len).ok()?)?)
            }
            (_, Some(Object::Text(bytes))) => Some(bytes),
            _ => None,
        }
    }
    pub fn tensor(&self, value: Value) -> Option<&Tensor> {
        match self.object(value) {
            Some(Object::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }
    pub fn tensor_mut(&mut self, value: Value) -> Option<&mut Tensor> {
        match self.object_mut(value) {
            Some(Object::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }
    /// True for an object of type `dict` or a subclass of it.
    pub fn is_mapping(&self, value: Value) -> bool {
        matches!(self.object(value), Some(Object::Mapping(..) | Object::Forgotten(Forgotten::Mapping(_))))
    }

    /// Adds a tuple, noting once whether it can be hashed.
    pub fn tuple(&mut self, items: Vec<Value>) -> Run<Value> {
        let hashing = items.iter().map(|item| self.hashing(*item)).find(|h| *h != Hashing::Works);
        self.add(Object::Tuple(items, hashing.unwrap_or(Hashing::Works)))
    }

    /// Whether `hash(value)` works.
    pub fn hashing(&self, value: Value) -> Hashing {
        match self.object(value) {
            None => Hashing::Works,
            Some(object) => match object {
                Object::Tuple(_, hashing) => *hashing,
                Object::Forgotten(Forgotten::Tuple) => Hashing::Unknown,
                Object::List(_) | Object::Mapping(..) | Object::Set(_) | Object::ByteArray(..) => {
                    Hashing::Fails(self.type_name(value))
                }
                Object::Forgotten(_) => Hashing::Fails(self.type_name(value)),
                Object::Exception => Hashing::Unknown,
                Object::Foreign(foreign) if foreign.unhashable() => Hashing::Fails(foreign.type_name()),
                _ => Hashing::Works,
            },
        }
    }

    /// Fails as Python does for a key that cannot be hashed.
    pub fn must_hash(&self, value: Value) -> Run<()> {
        match self.hashing(value) {
            Hashing::Works => Ok(()),
            Hashing::Fails(name) => Err(corrupt(format!("TypeError: unhashable type: '{name}'"))),
            Hashing::Unknown => Err(doubt("a key whose hash is not modelled")),
        }
    }

    /// The name of a value's type, as Python prints it.
    pub fn type_name(&self, value: Value) -> &'static str {
        match value {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(..) => "str",
            Value::Known(known) => match known {
                Known::Dtype(_) => "torch.dtype",
                Known::QScheme(_) => "torch.qscheme",
                Known::StorageClass(..) => "torch.serialization.StorageType",
                Known::Encode => "builtin_function_or_method",
                Known::GetLayout | Known::Rebuild(_) => "function",
                Known::Tensor => "torch._C._TensorMeta",
                Known::Parameter => "torch.nn.parameter._ParameterMeta",
                Known::TensorClass(..) => "torch.tensortype",
                Known::Granted(Granted::Reconstruct) => "builtin_function_or_method",
                _ => "type",
            },
            Value::Obj(_) => match self.object(value) {
                Some(Object::Text(_)) => "str",
                Some(Object::Big(_)) => "int",
                Some(Object::Bytes(_)) => "bytes",
                Some(Object::ByteArray(..)) => "bytearray",
                Some(Object::Complex) => "complex",
                Some(Object::Tuple(..) | Object::Forgotten(Forgotten::Tuple)) => "tuple",
                Some(Object::Size(_)) => "torch.Size",
                Some(Object::List(_) | Object::Forgotten(Forgotten::List)) => "list",
                Some(Object::Mapping(kind, _) | Object::Forgotten(Forgotten::Mapping(kind))) => match kind {
                    Mapping::Dict => "dict",
                    Mapping::Ordered => "collections.OrderedDict",
                    Mapping::Counter => "collections.Counter",
                },
                Some(Object::Set(_)) => "set",
                Some(Object::Device) => "torch.device",
                Some(Object::Layout(_)) => "torch.layout",
                Some(Object::Untyped(_)) => "torch.storage.UntypedStorage",
                Some(Object::Typed(_)) => "torch.storage.TypedStorage",
                Some(Object::Tensor(tensor)) if tensor.parameter => "torch.nn.parameter.Parameter",
                Some(Object::Tensor(_)) => "torch.Tensor",
                Some(Object::Exception) => "Exception",
                Some(Object::Foreign(foreign)) => foreign.type_name(),
                None => "object",
            },
        }
    }

    /// `bool(value)`.
    pub fn truth(&self, value: Value) -> Run<bool> {
        Ok(match value {
            Value::None => false,
            Value::Bool(truth) => truth,
            Value::Int(number) => number != 0,
            Value::Float(number) => number != 0.0,
            Value::Text(_, len) => len != 0,
            Value::Known(_) => true,
            Value::Obj(_) => match self.object(value) {
                Some(Object::Text(bytes)) => !bytes.is_empty(),
                Some(Object::Bytes(Some(bytes))) => !bytes.is_empty(),
                Some(Object::ByteArray(len, _)) => *len != 0,
                Some(Object::Tuple(items, _) | Object::Size(items) | Object::List(items) | Object::Set(items)) => {
                    !items.is_empty()
                }
                Some(Object::Mapping(_, items)) => !items.is_empty(),
                Some(Object::Untyped(storage)) => storage.bytes != 0,
                Some(Object::Typed(Some((id, dtype)))) => self.storage(*id).is_some_and(|s| s.bytes >= dtype.bytes()),
                Some(Object::Big(_) | Object::Device | Object::Layout(_) | Object::Exception) => true,
                _ => return Err(doubt(format!("the truth of a {} is not modelled", self.type_name(value)))),
            },
        })
    }

    /// A key that can be compared, for the few tables torch looks values up in.
    pub fn key(&self, value: Value) -> Run<Key> {
        self.must_hash(value)?;
        self.key_within(value, 4)
    }

    fn key_within(&self, value: Value, depth: u8) -> Run<Key> {
        Ok(match value {
            Value::None => Key::None,
            Value::Bool(truth) => Key::Int(i64::from(truth)),
            Value::Int(number) => Key::Int(number),
            // A float key equals an int of the same value.
            Value::Float(_) => return Err(doubt("a float as a key is not modelled")),
            Value::Text(..) => Key::Text(self.text(value).unwrap_or_default().into()),
            Value::Known(known) => Key::Known(known),
            Value::Obj(id) => match self.object(value) {
                Some(Object::Text(bytes)) => Key::Text(bytes.clone()),
                Some(Object::Big(bytes)) => Key::Big(bytes.clone()),
                Some(Object::Bytes(Some(bytes))) => Key::Bytes(bytes.clone().into()),
                Some(Object::Tuple(items, _) | Object::Size(items)) if items.len() <= 16 => {
                    match depth.checked_sub(1) {
                        Some(depth) => {
                            Key::Tuple(items.iter().map(|item| self.key_within(*item, depth)).collect::<Run<_>>()?)
                        }
                        None => return Err(doubt("a deeply nested key is not modelled")),
                    }
                }
                Some(Object::Tensor(_) | Object::Untyped(_) | Object::Typed(_)) => Key::Object(id),
                _ => return Err(doubt(format!("a {} as a key is not modelled", self.type_name(value)))),
            },
        })
    }
}

/// A hashable value that compares as Python compares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    None,
    Int(i64),
    Big(Box<[u8]>),
    Text(Box<[u8]>),
    Bytes(Box<[u8]>),
    Known(Known),
    Tuple(Vec<Key>),
    Object(Id),
}

/// What a value prints as where torch formats it into a record name; `None` where the form is not modelled.
pub(super) fn printed(arena: &Arena<'_>, value: Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::None => b"None".to_vec(),
        Value::Bool(true) => b"True".to_vec(),
        Value::Bool(false) => b"False".to_vec(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Known(Known::Dtype(dtype)) => format!("torch.{}", dtype.name()).into_bytes(),
        Value::Known(Known::QScheme(QScheme::TensorAffine)) => b"torch.per_tensor_affine".to_vec(),
        _ => arena.text(value)?.to_vec(),
    })
}
