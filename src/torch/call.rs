//! REDUCE and NEWOBJ: what calling an allowed class or function gives, for the plain Python ones.

use super::codec;
use super::names::Known;
use super::stop::{Run, blocked, corrupt, doubt};
use super::unpickler::{Machine, class};
use super::value::{Content, Forgotten, Layout, Mapping, Object, Storage, Value};
use super::version::Version;

/// Largest buffer a constructor may ask for that is sure to be there.
const AVAILABLE: i64 = 1 << 32;
/// Smallest buffer that no machine has.
const IMPOSSIBLE: i64 = 1 << 47;

/// Fails unless between `least` and `most` arguments were given.
pub(super) fn arity(args: &[Value], least: usize, most: usize, name: &str) -> Run<()> {
    if args.len() < least || args.len() > most {
        return Err(corrupt(format!("TypeError: {name}() does not take {} arguments", args.len())));
    }
    Ok(())
}

impl Machine<'_, '_, '_> {
    /// `func(*args)` under the check of REDUCE.
    pub fn reduce(&mut self, func: Value, args: Value) -> Run<Value> {
        let Value::Known(known) = func else {
            let name = self.arena.type_name(func);
            return Err(blocked("REDUCE", format!("Trying to call reduce for unrecognized function (a {name})")));
        };
        self.call(known, args)
    }

    /// `func(*args)` without a check.
    pub fn call(&mut self, func: Known, args: Value) -> Run<Value> {
        let args = self.iterate(args)?;
        if let Known::Granted(granted) = func {
            return self.call_granted(granted, &args);
        }
        self.no_foreign(&args)?;
        match func {
            Known::OrderedDict => self.mapping(Mapping::Ordered, &args),
            Known::Counter => self.mapping(Mapping::Counter, &args),
            Known::Set => {
                arity(&args, 0, 1, "set")?;
                let items = match args.first() {
                    Some(items) => self.iterate_any_order(*items)?,
                    None => Vec::new(),
                };
                for item in &items {
                    self.arena.must_hash(*item)?;
                }
                self.arena.add(Object::Set(items))
            }
            Known::ByteArray => self.bytearray(&args),
            Known::Complex => self.complex(&args),
            Known::Size => self.size(&args),
            Known::Device => self.device(&args),
            Known::Encode => codec::encode(self, &args),
            Known::GetLayout => self.layout(&args),
            Known::Tensor => self.legacy_tensor(super::dtype::Dtype::FLOAT32, &args),
            Known::TensorClass(dtype, false, false) => self.legacy_tensor(dtype, &args),
            Known::TensorClass(..) => Err(doubt("a tensor class for a GPU or for sparse tensors is called")),
            Known::Parameter => self.parameter(&args),
            Known::UntypedStorage => self.untyped_storage(&args),
            Known::TypedStorage => self.typed_storage(super::dtype::Dtype::FLOAT32, &args),
            Known::StorageClass(dtype, cuda) if !self.era.since(Version::V2_2) => {
                if cuda {
                    return Err(doubt("a storage on a GPU is made"));
                }
                self.typed_storage(dtype, &args)
            }
            Known::StorageClass(..) | Known::Dtype(_) | Known::QScheme(_) => {
                let name = self.arena.type_name(Value::Known(func));
                Err(corrupt(format!("TypeError: '{name}' object is not callable")))
            }
            Known::Rebuild(rebuild) => self.rebuild(rebuild, &args),
            Known::Exception(true) => self.arena.add(Object::Exception),
            Known::Exception(false) | Known::Ambient | Known::Granted(_) => {
                Err(doubt("a class that is not modelled is called"))
            }
        }
    }

    /// `cls.__new__(cls, *args)` under the check of NEWOBJ.
    pub fn new_object(&mut self, cls: Value, args: Value) -> Run<Value> {
        let refused = |name: &str| {
            let what = "Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals`";
            blocked("NEWOBJ", format!("{what} but got {name}"))
        };
        let Value::Known(known) = cls else { return Err(refused(&class(self.arena.type_name(cls)))) };
        if known == Known::Parameter {
            let args = self.iterate(args)?;
            return self.parameter(&args);
        }
        if let Known::Granted(granted) = known {
            return self.new_granted(granted, args);
        }
        if !self.era.since(Version::V2_6) {
            return Err(refused("a class that only torch 2.6 and later allow"));
        }
        match known {
            Known::OrderedDict | Known::Counter | Known::Set | Known::ByteArray | Known::TypedStorage => {
                self.iterate_any_order(args)?;
                self.arena.add(match known {
                    Known::OrderedDict => Object::Mapping(Mapping::Ordered, Vec::new()),
                    Known::Counter => Object::Mapping(Mapping::Counter, Vec::new()),
                    Known::Set => Object::Set(Vec::new()),
                    Known::ByteArray => Object::ByteArray(0, Some(Vec::new())),
                    _ => Object::Typed(None),
                })
            }
            Known::Complex
            | Known::Size
            | Known::Device
            | Known::UntypedStorage
            | Known::Tensor
            | Known::TensorClass(..) => self.call(known, args),
            Known::Exception(_) => self.arena.add(Object::Exception),
            Known::Ambient => Err(doubt("an object of a class that is not modelled is made")),
            _ => {
                let name = self.arena.type_name(cls);
                Err(corrupt(format!("TypeError: __new__(X): X is not a type object ({name})")))
            }
        }
    }

    /// The items of an iterable whose order does not matter.
    fn iterate_any_order(&mut self, value: Value) -> Run<Vec<Value>> {
        if let Some(Object::Set(items)) = self.arena.object(value) {
            let items = items.clone();
            self.loading.spend(items.len())?;
            return Ok(items);
        }
        self.iterate(value)
    }

    fn mapping(&mut self, kind: Mapping, args: &[Value]) -> Run<Value> {
        let name = if kind == Mapping::Ordered { "OrderedDict" } else { "Counter" };
        arity(args, 0, 1, name)?;
        let mut pairs = Vec::new();
        match args.first() {
            None => {}
            Some(Value::None) if kind == Mapping::Counter => {}
            Some(source) => match self.arena.object(*source) {
                Some(Object::Mapping(_, held)) => {
                    pairs = held.clone();
                    self.loading.spend(pairs.len())?;
                }
                Some(Object::Forgotten(Forgotten::Mapping(_))) => {
                    return self
                        .arena
                        .add(Object::Mapping(kind, pairs))
                        .and_then(|_| Err(doubt("a forgotten mapping is copied")));
                }
                _ => {
                    for item in self.iterate_any_order(*source)? {
                        let (key, value) = match kind {
                            Mapping::Counter => (item, Value::Int(1)),
                            _ => self.pair(item)?,
                        };
                        self.arena.must_hash(key)?;
                        pairs.push((key, value));
                    }
                }
            },
        }
        self.arena.add(Object::Mapping(kind, pairs))
    }

    /// The two items of a dict update element.
    pub fn pair(&mut self, item: Value) -> Run<(Value, Value)> {
        match self.iterate_any_order(item)?.as_slice() {
            // A set of two gives them in an order nobody knows.
            [_, _] if matches!(self.arena.object(item), Some(Object::Set(_))) => {
                Err(doubt("a set of two as a dictionary item"))
            }
            [key, value] => Ok((*key, *value)),
            items => Err(corrupt(format!(
                "ValueError: dictionary update sequence element has length {}; 2 is required",
                items.len()
            ))),
        }
    }

    fn bytearray(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 0, 3, "bytearray")?;
        let Some(source) = args.first().copied() else {
            return self.arena.add(Object::ByteArray(0, Some(Vec::new())));
        };
        let is_text = self.arena.text(source).is_some();
        if args.len() > 1 && !is_text {
            return Err(corrupt("TypeError: encoding or errors without a string argument"));
        }
        if is_text {
            return match args {
                [_] => Err(corrupt("TypeError: string argument without an encoding")),
                _ => match codec::encode_bytes(self, args)? {
                    Some(bytes) => self.arena.add(Object::ByteArray(len_u64(&bytes), Some(bytes))),
                    None => Err(doubt("a bytearray made with a codec that is not modelled")),
                },
            };
        }
        match source {
            Value::Bool(truth) => self.zeroed(i64::from(truth)),
            Value::Int(len) => self.zeroed(len),
            Value::None | Value::Float(_) | Value::Known(_) | Value::Text(..) => {
                Err(corrupt("TypeError: cannot convert to bytearray"))
            }
            Value::Obj(_) => match self.arena.object(source) {
                Some(Object::Bytes(Some(bytes)) | Object::ByteArray(_, Some(bytes))) => {
                    let bytes = bytes.clone();
                    self.loading.spend(bytes.len() / 16)?;
                    self.arena.add(Object::ByteArray(len_u64(&bytes), Some(bytes)))
                }
                Some(Object::ByteArray(len, None)) => {
                    let len = *len;
                    self.arena.add(Object::ByteArray(len, None))
                }
                Some(Object::Bytes(None)) => Err(doubt("bytes that are not known")),
                Some(Object::Big(_)) => Err(corrupt("OverflowError: cannot fit 'int' into an index-sized integer")),
                _ => {
                    let mut bytes = Vec::new();
                    for item in self.iterate_any_order(source)? {
                        bytes.push(match item {
                            Value::Bool(truth) => u8::from(truth),
                            Value::Int(byte) => {
                                u8::try_from(byte).map_err(|_| corrupt("ValueError: byte must be in range(0, 256)"))?
                            }
                            Value::Obj(_) if self.arena.tensor(item).is_some() => {
                                return Err(doubt("a tensor as a byte"));
                            }
                            _ => return Err(corrupt("TypeError: object cannot be interpreted as an integer")),
                        });
                    }
                    self.arena.add(Object::ByteArray(len_u64(&bytes), Some(bytes)))
                }
            },
        }
    }

    fn zeroed(&mut self, len: i64) -> Run<Value> {
        let bytes = u64::try_from(len).map_err(|_| corrupt("ValueError: negative count"))?;
        available(len)?;
        self.arena.add(Object::ByteArray(bytes, (len <= 4096).then(|| vec![0; usize::try_from(len).unwrap_or(0)])))
    }

    fn complex(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 0, 2, "complex")?;
        if let [text] = args
            && let Some(text) = self.arena.text(*text)
        {
            return match is_complex(text) {
                Some(true) => self.arena.add(Object::Complex),
                Some(false) => Err(corrupt("ValueError: complex() arg is a malformed string")),
                None => Err(doubt("the text of a complex number is not modelled")),
            };
        }
        for arg in args {
            match arg {
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
                Value::Obj(_) => match self.arena.object(*arg) {
                    Some(Object::Complex) => {}
                    Some(Object::Big(bytes)) if bytes.len() <= 120 => {}
                    Some(Object::Big(bytes)) if bytes.len() > 130 => {
                        return Err(corrupt("OverflowError: int too large to convert to float"));
                    }
                    Some(Object::Big(_) | Object::Tensor(_)) => {
                        return Err(doubt("a complex number of an odd argument"));
                    }
                    _ => return Err(corrupt("TypeError: complex() argument must be a string or a number")),
                },
                _ => return Err(corrupt("TypeError: complex() argument must be a string or a number")),
            }
        }
        self.arena.add(Object::Complex)
    }

    fn size(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 0, 1, "torch.Size")?;
        let items = match args.first() {
            Some(items) => self.iterate(*items)?,
            None => Vec::new(),
        };
        let mut sizes = Vec::with_capacity(items.len());
        for item in items {
            sizes.push(match item {
                Value::Int(_) => item,
                Value::Bool(truth) => Value::Int(i64::from(truth)),
                Value::Obj(_) => match self.arena.object(item) {
                    Some(Object::Big(_) | Object::Tensor(_)) => return Err(doubt("an odd number in a torch.Size")),
                    _ => return Err(self.not_a_size(item)),
                },
                _ => return Err(self.not_a_size(item)),
            });
        }
        self.arena.add(Object::Size(sizes))
    }

    fn not_a_size(&self, item: Value) -> super::stop::Stop {
        let name = self.arena.type_name(item);
        corrupt(format!("TypeError: torch.Size() takes an iterable of 'int' (found '{name}')"))
    }

    fn device(&mut self, args: &[Value]) -> Run<Value> {
        let text = |machine: &Self, value: Value| match (machine.arena.text(value), machine.arena.object(value)) {
            (Some(text), _) => Some(text.to_vec()),
            (_, Some(Object::Bytes(Some(bytes)))) => Some(bytes.clone()),
            _ => None,
        };
        match args {
            [Value::Int(index)] => {
                // Which device a bare number means depends on the version and on what is built in.
                if *index < 0 {
                    return Err(corrupt("RuntimeError: Device index must not be negative"));
                }
                if !(self.era.since(Version::V2_15) && *index < 128) {
                    return Err(doubt("a device given as a number"));
                }
            }
            [one] => match text(self, *one) {
                Some(name) => self.device_name(&name, true)?,
                None if matches!(self.arena.object(*one), Some(Object::Device)) => {}
                None => return Err(corrupt("TypeError: device() received an invalid combination of arguments")),
            },
            [name, index] => {
                let Some(name) = text(self, *name) else {
                    return Err(corrupt("TypeError: device(): argument 'type' must be str"));
                };
                match index {
                    Value::None => {}
                    Value::Int(0..=127) => {}
                    Value::Int(i64::MIN..=-1) => {
                        return Err(corrupt("RuntimeError: Device index must not be negative"));
                    }
                    Value::Int(_) => return Err(doubt("a device index above 127")),
                    Value::Obj(_) if self.arena.tensor(*index).is_some() => {
                        return Err(doubt("a tensor as device index"));
                    }
                    _ => return Err(corrupt("TypeError: device(): argument 'index' must be int")),
                }
                self.device_name(&name, *index == Value::None)?;
            }
            _ => return Err(corrupt("TypeError: device() received an invalid combination of arguments")),
        }
        self.arena.add(Object::Device)
    }

    fn device_name(&mut self, text: &[u8], with_index: bool) -> Run<()> {
        let bad = || {
            corrupt(format!("RuntimeError: Invalid device string: '{}'", String::from_utf8_lossy(text).escape_debug()))
        };
        let (name, index) = match text.iter().position(|b| *b == b':').and_then(|at| text.split_at_checked(at)) {
            Some((name, index)) => (name, index.strip_prefix(b":")),
            None => (text, None),
        };
        match name {
            b"cpu" | b"cuda" | b"xpu" | b"mkldnn" | b"opengl" | b"opencl" | b"ideep" | b"hip" | b"fpga" | b"xla"
            | b"vulkan" | b"mps" | b"meta" | b"hpu" | b"privateuseone" | b"ve" | b"lazy" | b"ipu" => {}
            b"maia" | b"mtia" | b"ort" => {
                if !(name == b"mtia" && self.era.since(Version::V2_2)
                    || name == b"maia" && self.era.since(Version::V2_4))
                {
                    return Err(doubt("a device that some versions do not know"));
                }
            }
            _ => {
                return Err(corrupt(
                    "RuntimeError: Expected one of cpu, cuda, ipu, xpu, … device type at start of device string",
                ));
            }
        }
        let Some(index) = index else { return Ok(()) };
        if !with_index {
            return Err(corrupt(
                "RuntimeError: type (string) must not include an index because index was passed explicitly",
            ));
        }
        match index {
            [b'0'] => Ok(()),
            [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
                if rest.len() <= 1 {
                    Ok(())
                } else {
                    Err(doubt("a device index above 99"))
                }
            }
            _ => Err(bad()),
        }
    }

    fn layout(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 1, 1, "_get_layout")?;
        let Some(name) = args.first() else { return Err(corrupt("TypeError: _get_layout() missing an argument")) };
        self.arena.must_hash(*name)?;
        let Some(text) = self.arena.text(*name) else {
            return Err(corrupt("KeyError: not the name of a layout"));
        };
        let compressed = |rows, blocks| Layout::Compressed { rows, blocks };
        let layout = match text {
            b"torch.strided" => Layout::Strided,
            b"torch.sparse_coo" => Layout::SparseCoo,
            b"torch.sparse_csr" => compressed(true, false),
            b"torch.sparse_csc" => compressed(false, false),
            b"torch.sparse_bsr" => compressed(true, true),
            b"torch.sparse_bsc" => compressed(false, true),
            b"torch._mkldnn" => Layout::Other("torch._mkldnn"),
            b"torch.jagged" => {
                if !self.era.since(Version::V2_4) {
                    return Err(doubt("the layout torch.jagged on an older torch"));
                }
                Layout::Other("torch.jagged")
            }
            _ => return Err(corrupt("KeyError: not the name of a layout")),
        };
        self.arena.add(Object::Layout(layout))
    }

    fn untyped_storage(&mut self, args: &[Value]) -> Run<Value> {
        let bytes = match args {
            [] => 0,
            [Value::Int(bytes)] => {
                available(*bytes)?;
                u64::try_from(*bytes).map_err(|_| corrupt("RuntimeError: a storage of negative size"))?
            }
            [sequence] => self.byte_items(*sequence, "UntypedStorage")?,
            _ => return Err(corrupt("TypeError: torch.UntypedStorage() received an invalid combination of arguments")),
        };
        self.arena.add(Object::Untyped(Storage { bytes, resizable: true, content: Content::Unknown }))
    }

    /// How many numbers a list or tuple holds; anything but plain small ints is a doubt.
    fn byte_items(&mut self, sequence: Value, name: &str) -> Run<u64> {
        match self.arena.object(sequence) {
            Some(Object::List(items) | Object::Tuple(items, _))
                if items.iter().all(|i| matches!(i, Value::Int(0..=100))) =>
            {
                Ok(u64::try_from(items.len()).unwrap_or(u64::MAX))
            }
            Some(
                Object::List(_)
                | Object::Tuple(..)
                | Object::Size(_)
                | Object::Forgotten(_)
                | Object::Bytes(_)
                | Object::ByteArray(..)
                | Object::Tensor(_)
                | Object::Untyped(_)
                | Object::Typed(_)
                | Object::Text(_)
                | Object::Exception
                | Object::Foreign(_)
                | Object::Big(_),
            ) => Err(doubt(format!("a {name} of an odd argument"))),
            None if matches!(sequence, Value::Text(_, 0) | Value::Bool(_)) => {
                Err(doubt(format!("a {name} of an odd argument")))
            }
            _ => Err(corrupt(format!("TypeError: {name}(): argument type not recognized"))),
        }
    }

    fn typed_storage(&mut self, dtype: super::dtype::Dtype, args: &[Value]) -> Run<Value> {
        let items = match args {
            [] => 0,
            [Value::Int(items)] => {
                available(items.saturating_mul(i64::try_from(dtype.bytes()).unwrap_or(1)))?;
                u64::try_from(*items).map_err(|_| corrupt("RuntimeError: a storage of negative size"))?
            }
            [sequence] => self.byte_items(*sequence, "TypedStorage")?,
            _ => return Err(corrupt("RuntimeError: Too many positional arguments")),
        };
        let bytes = items.saturating_mul(dtype.bytes());
        let storage = self.arena.add(Object::Untyped(Storage { bytes, resizable: true, content: Content::Unknown }))?;
        let Value::Obj(id) = storage else { return Err(doubt("no storage")) };
        self.arena.add(Object::Typed(Some((id, dtype))))
    }
}

/// Whether so many bytes can be had.
pub(super) fn available(bytes: i64) -> Run<()> {
    match bytes {
        i64::MIN..=AVAILABLE => Ok(()),
        IMPOSSIBLE.. => Err(corrupt("MemoryError: more memory is asked for than there is")),
        _ => Err(doubt("so much memory is asked for that the machine decides")),
    }
}

pub(super) fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Whether Python's `complex()` takes a text; `None` for forms that are not modelled.
fn is_complex(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n', '\r']);
    if text.is_empty() {
        return Some(false);
    }
    if text.bytes().any(|b| matches!(b, b'_' | b'(' | b')') || !b.is_ascii()) {
        return None;
    }
    let plain = |s: &str| {
        s.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
            && s.parse::<f64>().is_ok()
    };
    if plain(text) {
        return Some(true);
    }
    let Some(imaginary) = text.strip_suffix(['j', 'J']) else {
        return if text.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) {
            None
        } else {
            Some(false)
        };
    };
    if matches!(imaginary, "" | "+" | "-") || plain(imaginary) {
        return Some(true);
    }
    // The sign that starts the imaginary part: the last one that does not belong to an exponent.
    let bytes = imaginary.as_bytes();
    let at = (1..bytes.len()).rev().find(|at| {
        matches!(bytes.get(*at), Some(b'+' | b'-'))
            && !matches!(at.checked_sub(1).and_then(|i| bytes.get(i)), Some(b'e' | b'E'))
    })?;
    let (real, imaginary) = imaginary.split_at_checked(at)?;
    Some(plain(real) && (plain(imaginary) || matches!(imaginary, "+" | "-")))
}
