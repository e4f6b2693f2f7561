//! The functions that rebuild tensors (`torch/_utils.py`, `torch/_tensor.py`): arity, types and bounds.

use super::call::arity;
use super::dtype::Dtype;
use super::names::{Known, QScheme, Rebuild};
use super::stop::{Run, corrupt, doubt};
use super::tensor::contiguous;
use super::unpickler::Machine;
use super::value::{Id, Layout, Mapping, Object, Tensor, Value};
use super::version::Version;

impl Machine<'_, '_, '_> {
    /// Calls a rebuild function.
    pub fn rebuild(&mut self, rebuild: Rebuild, args: &[Value]) -> Run<Value> {
        match rebuild {
            Rebuild::Tensor => {
                arity(args, 4, 4, "_rebuild_tensor")?;
                let tensor = self.strided(args, None)?;
                self.add_tensor(tensor)
            }
            Rebuild::TensorV2 => {
                let most = if self.era.since(Version::V2_0) { 7 } else { 6 };
                arity(args, 6, most, "_rebuild_tensor_v2")?;
                let mut tensor = self.strided(args, None)?;
                self.require_grad(&mut tensor, argument(args, 4))?;
                if let Some(metadata) = args.get(6) {
                    self.metadata(&tensor, *metadata)?;
                }
                self.add_tensor(tensor)
            }
            Rebuild::TensorV3 => self.tensor_v3(args),
            Rebuild::Parameter => {
                arity(args, 3, 3, "_rebuild_parameter")?;
                self.parameter(args.get(..2).unwrap_or_default())
            }
            Rebuild::ParameterWithState => {
                arity(args, 4, 4, "_rebuild_parameter_with_state")?;
                let parameter = self.parameter(args.get(..2).unwrap_or_default())?;
                self.set_state(parameter, argument(args, 3))?;
                Ok(parameter)
            }
            Rebuild::Quantized => self.quantized(args),
            Rebuild::Sparse => self.sparse(args),
            Rebuild::SparseCsr => self.sparse_csr(args),
            Rebuild::MetaNoStorage => self.meta(args),
            Rebuild::WrapperSubclass => self.wrapper(args),
            Rebuild::DeviceFromNumpy => {
                arity(args, 4, 4, "_rebuild_device_tensor_from_numpy")?;
                // No allowed global makes a numpy array.
                Err(corrupt("TypeError: expected np.ndarray"))
            }
            Rebuild::DeviceFromCpu => self.moved_from_cpu(args),
            Rebuild::Nested => self.nested(args),
            Rebuild::FromTypeV2 => self.subclassed(args),
            Rebuild::Jagged => self.jagged(args),
        }
    }

    /// `_rebuild_tensor(storage, offset, size, stride)`, the common start.
    fn strided(&mut self, args: &[Value], dtype: Option<Dtype>) -> Run<Tensor> {
        let (storage, held) = self.typed(argument(args, 0))?;
        let mut tensor = Tensor::empty(dtype.unwrap_or(held));
        let quantized = tensor.dtype.quantized();
        self.set(&mut tensor, storage, argument(args, 1), argument(args, 2), argument(args, 3))?;
        if quantized && !self.era.since(Version::V2_15) {
            return Err(doubt("a quantized storage under a plain tensor is not modelled for this version"));
        }
        tensor.odd = quantized;
        Ok(tensor)
    }

    /// A storage that has a dtype and bytes.
    fn typed(&self, value: Value) -> Run<(Id, Dtype)> {
        match self.arena.object(value) {
            Some(Object::Typed(Some((id, dtype)))) => Ok((*id, *dtype)),
            _ => {
                let name = self.arena.type_name(value);
                Err(corrupt(format!("AttributeError: '{name}' object has no attribute 'dtype' or '_untyped_storage'")))
            }
        }
    }

    fn metadata(&mut self, tensor: &Tensor, metadata: Value) -> Run<()> {
        if !self.arena.truth(metadata)? {
            return Ok(());
        }
        if !self.arena.is_mapping(metadata) {
            return Err(corrupt("AssertionError: the tensor's metadata is no dict"));
        }
        for (key, value) in self.entries(metadata)? {
            let key = match (self.arena.text(key), self.arena.object(key)) {
                (Some(text), _) => text.to_vec(),
                (_, Some(Object::Bytes(Some(bytes)))) => bytes.clone(),
                (_, Some(Object::Bytes(None) | Object::ByteArray(..))) => return Err(doubt("an odd metadata key")),
                _ => return Err(corrupt("TypeError: _set_tensor_metadata(): incompatible function arguments")),
            };
            match value {
                Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
                Value::Text(..) => {
                    return Err(corrupt("TypeError: _set_tensor_metadata(): incompatible function arguments"));
                }
                Value::Obj(_) | Value::Known(_) => return Err(doubt("an odd metadata value")),
            }
            if key == b"conj" && !tensor.dtype.complex() {
                return Err(corrupt("RuntimeError: isComplexType INTERNAL ASSERT FAILED: conj on a real tensor"));
            }
        }
        Ok(())
    }

    fn tensor_v3(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 7, 8, "_rebuild_tensor_v3")?;
        let dtype = self.dtype_or_default(argument(args, 6))?;
        let grad = self.flag(argument(args, 4))?;
        if grad && !dtype.differentiable() {
            return Err(corrupt(
                "RuntimeError: Only Tensors of floating point and complex dtype can require gradients",
            ));
        }
        if dtype.quantized() {
            return Err(corrupt("RuntimeError: a quantized tensor has no storage to be set"));
        }
        let mut tensor = self.strided(args, Some(dtype))?;
        if grad {
            return Err(corrupt(
                "RuntimeError: a leaf Variable that requires grad is being used in an in-place operation",
            ));
        }
        tensor.requires_grad = grad;
        if let Some(metadata) = args.get(7) {
            self.metadata(&tensor, *metadata)?;
        }
        self.add_tensor(tensor)
    }

    /// A `dtype=` argument.
    fn dtype_or_default(&self, value: Value) -> Run<Dtype> {
        match value {
            Value::None => Ok(Dtype::FLOAT32),
            Value::Known(Known::Dtype(dtype)) => Ok(dtype),
            _ => Err(corrupt("TypeError: argument 'dtype' must be torch.dtype")),
        }
    }

    /// A `bool` argument with a default.
    fn flag(&self, value: Value) -> Run<bool> {
        match value {
            Value::None => Ok(false),
            Value::Bool(flag) => Ok(flag),
            _ => Err(corrupt("TypeError: argument 'requires_grad' must be bool")),
        }
    }

    fn meta(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 4, 4, "_rebuild_meta_tensor_no_storage")?;
        let dtype = self.dtype_or_default(argument(args, 0))?;
        let sizes = self.ints(argument(args, 1))?;
        let strides = self.ints(argument(args, 2))?;
        let grad = self.flag(argument(args, 3))?;
        if dtype.quantized() {
            return Err(corrupt(
                "NotImplementedError: Could not run 'aten::empty_strided' on the 'QuantizedMeta' backend",
            ));
        }
        if sizes.len() != strides.len() {
            return Err(corrupt("RuntimeError: dimensionality of sizes must match dimensionality of strides"));
        }
        if sizes.iter().any(|size| *size < 0) {
            return Err(corrupt("RuntimeError: Trying to create tensor with negative dimension"));
        }
        let mut tensor = Tensor { sizes, strides, meta: true, ..Tensor::empty(dtype) };
        // Without memory behind it, only the number of items is computed.
        let items = tensor.numel().and_then(|n| i64::try_from(n).ok());
        if items.is_none() {
            let overflow = "RuntimeError: numel: integer multiplication overflow";
            return Err(if self.era.since(Version::V2_15) { corrupt(overflow) } else { doubt(overflow) });
        }
        let huge = |numbers: &[i64]| numbers.iter().any(|n| !(0..1 << 44).contains(n));
        if huge(&tensor.strides) || huge(&tensor.sizes) {
            // Seen to load on 2.15, whatever the strides; overflow was not looked at before.
            if !self.era.since(Version::V2_15) {
                return Err(doubt("a meta tensor of extreme size"));
            }
        }
        if grad && !dtype.differentiable() {
            return Err(corrupt(
                "RuntimeError: Only Tensors of floating point and complex dtype can require gradients",
            ));
        }
        tensor.requires_grad = grad;
        self.add_tensor(tensor)
    }

    fn quantized(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 7, 7, "_rebuild_qtensor")?;
        let params = argument(args, 4);
        let params = match self.arena.object(params) {
            Some(Object::Tuple(items, _) | Object::List(items) | Object::Size(items)) => items.clone(),
            Some(Object::Text(_) | Object::Bytes(_) | Object::ByteArray(..)) => {
                return Err(corrupt("RuntimeError: Can't deserialize quantized tensor with this qscheme"));
            }
            Some(
                Object::Mapping(..) | Object::Tensor(_) | Object::Untyped(_) | Object::Typed(_) | Object::Forgotten(_),
            ) => {
                return Err(doubt("odd parameters of a quantized tensor"));
            }
            _ if self.arena.text(params).is_some() => {
                return Err(corrupt("RuntimeError: Can't deserialize quantized tensor with this qscheme"));
            }
            _ => return Err(corrupt("TypeError: the parameters of a quantized tensor are not subscriptable")),
        };
        let Some(Value::Known(Known::QScheme(scheme))) = params.first() else {
            return Err(match params.first() {
                None => corrupt("IndexError: tuple index out of range"),
                Some(first) if self.arena.tensor(*first).is_some() => doubt("a tensor as qscheme"),
                Some(_) => corrupt("RuntimeError: Can't deserialize quantized tensor with this qscheme"),
            });
        };
        let scheme = *scheme;
        let channels = matches!(scheme, QScheme::ChannelAffine | QScheme::ChannelAffineFloat);
        if !channels && scheme != QScheme::TensorAffine {
            return Err(corrupt("RuntimeError: Can't deserialize quantized tensor with this qscheme"));
        }
        if params.len() != if channels { 4 } else { 3 } {
            return Err(corrupt("ValueError: a wrong number of values to unpack from the quantizer's parameters"));
        }
        let sizes = self.ints(argument(args, 2))?;
        if channels {
            self.per_channel(&params, &sizes)?;
        } else {
            match argument(&params, 1) {
                Value::Int(_) | Value::Float(_) | Value::Bool(_) => {}
                other if self.arena.tensor(other).is_some() => return Err(doubt("a tensor as scale")),
                _ => return Err(corrupt("TypeError: argument 'scale' must be float")),
            }
            self.int(argument(&params, 2))?;
        }
        let (storage, dtype) = match self.arena.object(argument(args, 0)) {
            Some(Object::Typed(Some((id, dtype)))) => (*id, *dtype),
            Some(Object::Tensor(_)) => return Err(doubt("a tensor as the storage of a quantized tensor")),
            _ => return Err(corrupt("AttributeError: the storage of a quantized tensor has no dtype")),
        };
        if !dtype.quantized() {
            return Err(corrupt(
                "RuntimeError: Creation of quantized tensor requires quantized dtype like torch.quint8",
            ));
        }
        if sizes.iter().any(|size| *size < 0) {
            return Err(corrupt("RuntimeError: Trying to create tensor with negative dimension"));
        }
        // A quantized tensor of its own is made before the storage is set.
        let bytes = Tensor { sizes, ..Tensor::empty(dtype) }.numel().and_then(|n| n.checked_mul(dtype.bytes()));
        let bytes = bytes.and_then(|n| i64::try_from(n).ok());
        super::call::available(bytes.ok_or_else(|| corrupt("RuntimeError: numel: integer multiplication overflow"))?)?;
        let mut tensor = Tensor::empty(dtype);
        self.set(&mut tensor, storage, argument(args, 1), argument(args, 2), argument(args, 3))?;
        self.require_grad(&mut tensor, argument(args, 5))?;
        tensor.odd = true;
        self.add_tensor(tensor)
    }

    /// Scales, zero points and axis of a tensor quantized per channel.
    fn per_channel(&mut self, params: &[Value], sizes: &[i64]) -> Run<()> {
        let checked = self.era.since(Version::V2_13);
        let axis = match argument(params, 3) {
            Value::Int(axis) => axis,
            Value::None | Value::Text(..) => return Err(corrupt("TypeError: the axis is no number")),
            _ => return Err(doubt("an odd axis of a quantized tensor")),
        };
        let expected = usize::try_from(axis).ok().and_then(|axis| sizes.get(axis)).copied();
        let mut plain = true;
        for value in [argument(params, 1), argument(params, 2)] {
            let len = match self.arena.object(value) {
                Some(Object::List(items)) => {
                    plain &= items.iter().all(|i| matches!(i, Value::Int(-1000..=1000) | Value::Float(_)));
                    i64::try_from(items.len()).ok()
                }
                Some(Object::Tensor(tensor)) => {
                    plain &= tensor.sizes.len() == 1 && !tensor.odd && !tensor.meta && !tensor.requires_grad;
                    tensor.numel().and_then(|n| i64::try_from(n).ok())
                }
                Some(Object::Forgotten(_)) => return Err(doubt("forgotten scales")),
                _ => return Err(corrupt("AttributeError: scales or zero points have no attribute 'numel'")),
            };
            if len != expected {
                let reason =
                    "ValueError: _rebuild_qtensor: axis out of range, or as many scales as the axis is long are needed";
                return Err(if checked { corrupt(reason) } else { doubt(reason) });
            }
        }
        let both_lists = matches!(
            (self.arena.object(argument(params, 1)), self.arena.object(argument(params, 2))),
            (Some(Object::List(_)), Some(Object::List(_))) | (Some(Object::Tensor(_)), Some(Object::Tensor(_)))
        );
        if !plain || !both_lists {
            return Err(doubt("odd scales or zero points of a quantized tensor"));
        }
        Ok(())
    }

    fn wrapper(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 8, 8, "_rebuild_wrapper_subclass")?;
        match argument(args, 0) {
            Value::Known(Known::Tensor | Known::Parameter) if self.era.since(Version::V2_15) => {
                Err(corrupt("TypeError: the class of a wrapper must define __torch_dispatch__"))
            }
            Value::Known(Known::Tensor | Known::Parameter | Known::Ambient) => {
                Err(doubt("a wrapper subclass is not modelled"))
            }
            Value::Known(_) => Err(corrupt("TypeError: the class of a wrapper does not inherit from Tensor")),
            _ => Err(corrupt("TypeError: cls must be a type")),
        }
    }

    fn moved_from_cpu(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 4, 4, "_rebuild_device_tensor_from_cpu_tensor")?;
        let data = argument(args, 0);
        let Some(tensor) = self.arena.tensor(data) else {
            return match self.arena.object(data) {
                Some(Object::Untyped(_) | Object::Typed(_)) => Err(doubt("a storage in the place of a tensor")),
                _ => Err(corrupt("AttributeError: the data has no attribute 'to'")),
            };
        };
        let mut tensor = tensor.clone();
        let Value::Known(Known::Dtype(dtype)) = argument(args, 1) else {
            return Err(doubt("a tensor is moved without a dtype"));
        };
        if tensor.odd || tensor.requires_grad || tensor.meta || tensor.layout != Layout::Strided || dtype.quantized() {
            return Err(doubt("a tensor of a special kind is moved"));
        }
        tensor.strides = contiguous(&tensor.sizes).unwrap_or_default();
        tensor.dtype = dtype;
        tensor.parameter = false;
        tensor.storage = None;
        self.require_grad(&mut tensor, argument(args, 3))?;
        self.add_tensor(tensor)
    }

    fn subclassed(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 4, 4, "_rebuild_from_type_v2")?;
        let Value::Known(func) = argument(args, 0) else {
            let name = self.arena.type_name(argument(args, 0));
            return match self.arena.object(argument(args, 0)) {
                Some(Object::Exception | Object::Foreign(_)) => Err(doubt("an odd object is called")),
                _ => Err(corrupt(format!("TypeError: '{name}' object is not callable"))),
            };
        };
        if func == Known::Rebuild(Rebuild::FromTypeV2) {
            return Err(doubt("_rebuild_from_type_v2 within itself"));
        }
        let made = self.call(func, argument(args, 2))?;
        let wanted = argument(args, 1);
        let Some(tensor) = self.arena.tensor(made) else {
            return match (self.class_of(made), wanted) {
                (Some(class), Value::Known(wanted)) if class == wanted => match self.arena.truth(argument(args, 3))? {
                    false => Ok(made),
                    true => Err(doubt("the state of an object made by _rebuild_from_type_v2")),
                },
                (Some(_), _) => Err(corrupt("AttributeError: the object has no attribute 'as_subclass'")),
                (None, _) => Err(doubt("_rebuild_from_type_v2 made no tensor")),
            };
        };
        let same = wanted == Value::Known(if tensor.parameter { Known::Parameter } else { Known::Tensor });
        if !same || tensor.odd {
            return Err(match wanted {
                Value::Known(Known::Tensor | Known::Parameter | Known::Ambient) => {
                    doubt("a tensor is turned into another class")
                }
                _ => corrupt("TypeError: as_subclass(): cls must be a type that inherits from Tensor"),
            });
        }
        self.set_state(made, argument(args, 3))?;
        Ok(made)
    }

    /// The class of an object that a plain Python callable made.
    fn class_of(&self, value: Value) -> Option<Known> {
        match self.arena.object(value)? {
            Object::Mapping(Mapping::Ordered, _) => Some(Known::OrderedDict),
            Object::Mapping(Mapping::Counter, _) => Some(Known::Counter),
            Object::Set(_) => Some(Known::Set),
            Object::ByteArray(..) => Some(Known::ByteArray),
            Object::Complex => Some(Known::Complex),
            Object::Size(_) => Some(Known::Size),
            Object::Device => Some(Known::Device),
            _ => None,
        }
    }

    /// A jagged tensor of 2.15 names marks in a form that older versions stumble over.
    fn jagged(&mut self, args: &[Value]) -> Run<Value> {
        let cache = match args {
            [state] if self.arena.is_mapping(*state) => self
                .entries(*state)?
                .into_iter()
                .find(|(key, _)| self.arena.text(*key) == Some(b"_metadata_cache"))
                .map(|(_, cache)| cache),
            _ => None,
        };
        if let Some(cache) = cache.filter(|cache| self.arena.is_mapping(*cache)) {
            for (_, value) in self.entries(cache)? {
                let has = |name: &[u8]| {
                    self.arena.tensor(value).is_some_and(|t| t.attributes.iter().any(|attribute| attribute == name))
                };
                if has(b"_dynamo_dynamic_indices") && !has(b"_dynamo_dynamic_range") {
                    return Err(corrupt("AttributeError: 'Tensor' object has no attribute '_dynamo_dynamic_range'"));
                }
            }
        }
        Err(doubt("a jagged nested tensor is not modelled"))
    }
}

/// The argument at a place that its arity check guarantees.
pub(super) fn argument(args: &[Value], at: usize) -> Value {
    args.get(at).copied().unwrap_or(Value::None)
}
