//! Placing a tensor on a storage: argument types, bounds and overflow, as `Tensor.set_` and the constructors check them.

use super::call::{arity, available};
use super::dtype::Dtype;
use super::stop::{Run, corrupt, doubt};
use super::unpickler::Machine;
use super::value::{Forgotten, Id, Layout, Object, Tensor, Value};
use super::version::Version;
use std::ops::Range;

/// `set_()` with arguments of a wrong type.
fn mismatch() -> super::stop::Stop {
    corrupt("TypeError: set_() received an invalid combination of arguments")
}

impl Tensor {
    /// An empty strided tensor.
    pub fn empty(dtype: Dtype) -> Tensor {
        Tensor {
            parameter: false,
            dtype,
            layout: Layout::Strided,
            meta: false,
            sizes: vec![0],
            strides: vec![1],
            offset: 0,
            storage: None,
            requires_grad: false,
            attributes: Vec::new(),
            odd: false,
        }
    }

    /// The bytes of its storage that it uses, from the first to the last; `None` where that is not modelled.
    pub fn extent(&self) -> Option<Range<u64>> {
        if self.layout != Layout::Strided || self.meta || self.odd || self.dtype.per_byte() > 1 {
            return None;
        }
        let start = u64::try_from(self.offset).ok()?.checked_mul(self.dtype.bytes())?;
        let end = needed(&self.sizes, &self.strides, self.offset, self.dtype.bytes())?;
        Some(start..end.max(start))
    }

    /// Number of elements; `None` on overflow.
    pub fn numel(&self) -> Option<u64> {
        numel(&self.sizes)
    }

    /// True if the elements lie one after the other in their natural order.
    pub fn contiguous(&self) -> bool {
        contiguous(&self.sizes).is_some_and(|natural| {
            natural.iter().zip(&self.strides).zip(&self.sizes).all(|((a, b), size)| *size == 1 || a == b)
        })
    }
}

fn numel(sizes: &[i64]) -> Option<u64> {
    sizes.iter().try_fold(1u64, |product, size| product.checked_mul(u64::try_from(*size).ok()?))
}

/// The strides of a contiguous tensor.
pub(super) fn contiguous(sizes: &[i64]) -> Option<Vec<i64>> {
    let mut strides = Vec::with_capacity(sizes.len());
    let mut next = 1i64;
    for size in sizes.iter().rev() {
        strides.push(next);
        next = next.checked_mul((*size).max(1))?;
    }
    strides.reverse();
    Some(strides)
}

/// Bytes a placement needs, counted in wrapping-free 64 bits; `None` on overflow.
fn needed(sizes: &[i64], strides: &[i64], offset: i64, item: u64) -> Option<u64> {
    if sizes.contains(&0) {
        return Some(0);
    }
    let mut items = u64::try_from(offset).ok()?.checked_add(1)?;
    for (size, stride) in sizes.iter().zip(strides) {
        let steps = u64::try_from(size.checked_sub(1)?).ok()?;
        if steps > 0 {
            items = items.checked_add(u64::try_from(*stride).ok()?.checked_mul(steps)?)?;
        }
    }
    items.checked_mul(item).filter(|bytes| i64::try_from(*bytes).is_ok())
}

impl Machine<'_, '_, '_> {
    /// A list of ints as torch's argument parser takes it: the first must not be a bool, the others may.
    pub fn ints(&self, value: Value) -> Run<Vec<i64>> {
        let Some(Object::Tuple(items, _) | Object::Size(items) | Object::List(items)) = self.arena.object(value) else {
            return Err(match self.arena.object(value) {
                Some(Object::Forgotten(Forgotten::Tuple | Forgotten::List)) => doubt("a forgotten list of sizes"),
                _ => mismatch(),
            });
        };
        let first_is_bool = matches!(items.first(), Some(Value::Bool(_)));
        if first_is_bool {
            return Err(mismatch());
        }
        items
            .iter()
            .map(|item| match item {
                Value::Int(number) => Ok(*number),
                Value::Bool(truth) => Ok(i64::from(*truth)),
                Value::Obj(_) if self.arena.tensor(*item).is_some() => Err(doubt("a tensor as a size")),
                _ => Err(mismatch()),
            })
            .collect()
    }

    /// An int argument: no bool.
    pub fn int(&self, value: Value) -> Run<i64> {
        match value {
            Value::Int(number) => Ok(number),
            Value::Obj(_) if self.arena.tensor(value).is_some() => Err(doubt("a tensor as an int")),
            Value::Obj(_) if matches!(self.arena.object(value), Some(Object::Big(_))) => {
                Err(corrupt("ValueError: Overflow when unpacking long long"))
            }
            _ => Err(corrupt("TypeError: an argument must be int")),
        }
    }

    /// `tensor.set_(storage, offset, size, stride)`.
    pub fn set(&mut self, tensor: &mut Tensor, storage: Id, offset: Value, size: Value, stride: Value) -> Run<()> {
        let offset = self.int(offset)?;
        let sizes = self.ints(size)?;
        let mut strides = self.ints(stride)?;
        if offset < 0 {
            return Err(corrupt(format!("RuntimeError: Tensor: invalid storage offset {offset}")));
        }
        if strides.is_empty() && tensor.dtype.quantized() && !sizes.is_empty() {
            let reason = "RuntimeError: dimensionality of sizes must match dimensionality of strides";
            return Err(if self.era.since(Version::V2_15) { corrupt(reason) } else { doubt(reason) });
        }
        if strides.is_empty() {
            strides = contiguous(&sizes).ok_or_else(|| corrupt("RuntimeError: Stride calculation overflowed"))?;
        }
        if sizes.len() != strides.len() {
            return Err(corrupt(format!(
                "RuntimeError: unequal size length ({}) and stride length ({})",
                sizes.len(),
                strides.len()
            )));
        }
        let Some(count) = numel(&sizes) else {
            let overflow = "RuntimeError: numel: integer multiplication overflow";
            return Err(if self.era.since(Version::V2_15) { corrupt(overflow) } else { doubt(overflow) });
        };
        tensor.storage = Some(storage);
        tensor.offset = offset;
        let unchanged = tensor.sizes == sizes && tensor.strides == strides;
        // A negative stride passes the parser; with a single step it is never taken and then becomes a positive one.
        let negative = strides.iter().any(|stride| *stride < 0);
        let item = tensor.dtype.bytes();
        let bytes = needed(&sizes, &strides, offset, item).ok_or_else(|| {
            corrupt(format!(
                "RuntimeError: Storage size calculation overflowed with sizes={sizes:?} and strides={strides:?}"
            ))
        });
        if negative && count != 0 {
            bytes.clone()?;
        }
        tensor.sizes = sizes;
        tensor.strides = strides;
        if unchanged {
            return Ok(());
        }
        let bytes = bytes?;
        if count == 0 {
            return Ok(());
        }
        let Some(held) = self.arena.storage_mut(storage) else { return Err(doubt("a storage that is not there")) };
        if tensor.dtype.quantized() {
            // Checked by another function, which never resizes; when it learned to check is not known.
            if bytes.div_ceil(tensor.dtype.per_byte()) > held.bytes {
                let reason = "RuntimeError: setStorage: the tensor is out of bounds for its storage";
                return Err(if self.era.since(Version::V2_15) { corrupt(reason) } else { doubt(reason) });
            }
            return Ok(());
        }
        if bytes > held.bytes {
            if !held.resizable {
                return Err(corrupt("RuntimeError: Trying to resize storage that is not resizable"));
            }
            available(i64::try_from(bytes).unwrap_or(i64::MAX))?;
            held.bytes = bytes;
        }
        Ok(())
    }

    /// `tensor.set_(*state)`.
    pub fn set_from(&mut self, target: Value, state: &[Value]) -> Run<()> {
        let Some(tensor) = self.arena.tensor(target) else { return Err(doubt("set_ on what is no tensor")) };
        let mut tensor = tensor.clone();
        if tensor.odd || tensor.meta || tensor.layout != Layout::Strided || tensor.requires_grad {
            return Err(doubt("set_ on a tensor of a special kind"));
        }
        match state {
            [] => {
                tensor.sizes = vec![0];
                tensor.strides = vec![1];
            }
            [storage, offset, size, stride] => {
                let storage = self.storage_argument(*storage, tensor.dtype)?;
                self.set(&mut tensor, storage, *offset, *size, *stride)?;
            }
            [one] => match self.arena.object(*one) {
                Some(Object::Typed(_) | Object::Untyped(_)) => {
                    let id = self.storage_argument(*one, tensor.dtype)?;
                    let bytes = self.arena.storage(id).map_or(0, |s| s.bytes);
                    let items = i64::try_from(bytes.checked_div(tensor.dtype.bytes()).unwrap_or(0)).unwrap_or(i64::MAX);
                    tensor.storage = Some(id);
                    tensor.offset = 0;
                    tensor.sizes = vec![items];
                    tensor.strides = vec![1];
                }
                Some(Object::Tensor(_)) => return Err(doubt("set_ with a tensor is not modelled")),
                _ => return Err(mismatch()),
            },
            [_, _, ..] if state.len() > 4 => return Err(mismatch()),
            [first, ..] => {
                return Err(match self.arena.object(*first) {
                    Some(Object::Typed(_) | Object::Untyped(_) | Object::Tensor(_)) => {
                        doubt("set_ with an odd number of arguments")
                    }
                    _ => mismatch(),
                });
            }
        }
        if let Some(slot) = self.arena.tensor_mut(target) {
            *slot = tensor;
        }
        Ok(())
    }

    /// A storage argument of a tensor of `dtype`.
    pub fn storage_argument(&self, value: Value, dtype: Dtype) -> Run<Id> {
        match (value, self.arena.object(value)) {
            (Value::Obj(id), Some(Object::Untyped(_))) => Ok(id),
            (_, Some(Object::Typed(Some((id, held))))) if *held == dtype => Ok(*id),
            (_, Some(Object::Typed(Some(_)))) => Err(corrupt("TypeError: Expected a Storage of another type")),
            (_, Some(Object::Typed(None))) => Err(corrupt("AttributeError: the storage was never initialised")),
            (_, Some(Object::Tensor(_))) => Err(doubt("set_ with a tensor is not modelled")),
            _ => Err(mismatch()),
        }
    }

    /// `tensor.requires_grad = value` on a fresh leaf.
    pub fn require_grad(&self, tensor: &mut Tensor, value: Value) -> Run<()> {
        let Value::Bool(wanted) = value else {
            return Err(corrupt("RuntimeError: requires_grad must be a bool"));
        };
        if wanted && !tensor.dtype.differentiable() {
            return Err(corrupt(
                "RuntimeError: only Tensors of floating point and complex dtype can require gradients",
            ));
        }
        tensor.requires_grad = wanted;
        Ok(())
    }

    /// Adds a tensor.
    pub fn add_tensor(&mut self, tensor: Tensor) -> Run<Value> {
        self.arena.add(Object::Tensor(Box::new(tensor)))
    }

    /// `torch.FloatTensor(*args)` and its like.
    pub fn legacy_tensor(&mut self, dtype: Dtype, args: &[Value]) -> Run<Value> {
        let mut tensor = Tensor::empty(dtype);
        let sizes = match args {
            [] => return self.add_tensor(tensor),
            [Value::Int(_), ..] => {
                let mut sizes = Vec::with_capacity(args.len());
                for (at, arg) in args.iter().enumerate() {
                    sizes.push(match arg {
                        Value::Int(size) => *size,
                        Value::Bool(truth) if at > 0 => i64::from(*truth),
                        Value::Obj(_) if self.arena.tensor(*arg).is_some() => return Err(doubt("a tensor as a size")),
                        _ => return Err(corrupt("TypeError: new(): argument 'size' failed to unpack")),
                    });
                }
                sizes
            }
            [one] => match self.arena.object(*one) {
                Some(Object::Size(items)) if items.iter().all(|i| matches!(i, Value::Int(_))) => self.ints(*one)?,
                Some(Object::List(items) | Object::Tuple(items, _))
                    if items.iter().all(|i| matches!(i, Value::Int(-100..=100) | Value::Bool(_) | Value::Float(_)))
                        && (dtype == Dtype::FLOAT32 || items.iter().all(|i| matches!(i, Value::Int(0..=100)))) =>
                {
                    vec![i64::try_from(items.len()).unwrap_or(i64::MAX)]
                }
                Some(
                    Object::Size(_)
                    | Object::List(_)
                    | Object::Tuple(..)
                    | Object::Forgotten(Forgotten::List | Forgotten::Tuple)
                    | Object::ByteArray(..)
                    | Object::Tensor(_)
                    | Object::Untyped(_)
                    | Object::Typed(_)
                    | Object::Exception,
                ) => return Err(doubt("a tensor made of an odd argument")),
                _ => return Err(corrupt("TypeError: new(): data must be a sequence")),
            },
            [first, ..] => {
                return Err(match self.arena.object(*first) {
                    Some(Object::Tensor(_) | Object::Untyped(_) | Object::Typed(_) | Object::Exception) => {
                        doubt("a tensor made of several odd arguments")
                    }
                    _ => corrupt("TypeError: new() received an invalid combination of arguments"),
                });
            }
        };
        if sizes.iter().any(|size| *size < 0) {
            return Err(corrupt("RuntimeError: Trying to create tensor with negative dimension"));
        }
        let bytes = numel(&sizes).and_then(|n| n.checked_mul(dtype.bytes())).and_then(|n| i64::try_from(n).ok());
        available(bytes.ok_or_else(|| corrupt("RuntimeError: numel: integer multiplication overflow"))?)?;
        tensor.strides = contiguous(&sizes).unwrap_or_default();
        tensor.sizes = sizes;
        self.add_tensor(tensor)
    }

    /// `torch.nn.Parameter(*args)`.
    pub fn parameter(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 0, 2, "Parameter.__new__")?;
        let data = args.first().copied().unwrap_or(Value::None);
        let mut tensor = match self.arena.tensor(data) {
            Some(tensor) => tensor.clone(),
            None if data == Value::None => Tensor::empty(Dtype::FLOAT32),
            None => {
                let name = self.arena.type_name(data);
                return Err(corrupt(format!("AttributeError: '{name}' object has no attribute 'detach'")));
            }
        };
        if tensor.odd {
            return Err(doubt("a parameter made of a tensor of a special kind"));
        }
        let Value::Bool(wanted) = args.get(1).copied().unwrap_or(Value::Bool(true)) else {
            return Err(corrupt("TypeError: _make_subclass(): argument 'require_grad' must be bool"));
        };
        if wanted && !tensor.dtype.differentiable() {
            return Err(corrupt(
                "RuntimeError: Only Tensors of floating point and complex dtype can require gradients",
            ));
        }
        tensor.parameter = true;
        tensor.requires_grad = wanted;
        tensor.attributes.clear();
        self.add_tensor(tensor)
    }
}
