//! BUILD: filling an object with its state, and setting attributes.

use super::names::Known;
use super::rebuild::argument;
use super::stop::{Run, blocked, corrupt, doubt};
use super::unpickler::{Machine, class};
use super::value::{Forgotten, Mapping, Object, Value};
use super::version::Version;

/// Attributes of tensors that are computed or checked when set, besides those of two leading underscores. Any other
/// name, a method's too, is simply stored on the object.
const SPECIAL: &[&[u8]] = &[
    b"H",
    b"T",
    b"mH",
    b"mT",
    b"data",
    b"device",
    b"dtype",
    b"grad",
    b"grad_dtype",
    b"grad_fn",
    b"imag",
    b"is_cpu",
    b"is_cuda",
    b"is_ipu",
    b"is_leaf",
    b"is_maia",
    b"is_meta",
    b"is_mkldnn",
    b"is_mps",
    b"is_mtia",
    b"is_nested",
    b"is_quantized",
    b"is_sparse",
    b"is_sparse_csr",
    b"is_vulkan",
    b"is_xla",
    b"is_xpu",
    b"itemsize",
    b"layout",
    b"name",
    b"names",
    b"nbytes",
    b"ndim",
    b"output_nr",
    b"real",
    b"requires_grad",
    b"retains_grad",
    b"shape",
    b"volatile",
    b"_backward_hooks",
    b"_base",
    b"_cdata",
    b"_grad",
    b"_grad_fn",
    b"_has_symbolic_sizes_strides",
    b"_post_accumulate_grad_hooks",
    b"_python_dispatch",
    b"_version",
    b"_is_param",
];

impl Machine<'_, '_, '_> {
    /// BUILD.
    pub fn build(&mut self, instance: Value, state: Value) -> Run<()> {
        let refused = |name: &str| {
            let what = "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`";
            Err(blocked("BUILD", format!("{what}, but got {}", class(name))))
        };
        let name = self.arena.type_name(instance);
        if !matches!(self.arena.object(instance), Some(Object::Foreign(_))) {
            self.no_foreign(&[state])?;
        }
        let kind = match self.arena.object(instance) {
            Some(Object::Tensor(tensor)) if tensor.parameter => Some(Known::Parameter),
            Some(Object::Tensor(_)) => {
                let state = self.iterate(state)?;
                return self.set_from(instance, &state);
            }
            Some(Object::Mapping(Mapping::Ordered, _) | Object::Forgotten(Forgotten::Mapping(Mapping::Ordered))) => {
                return self.update(state);
            }
            Some(Object::Mapping(Mapping::Counter, _) | Object::Forgotten(Forgotten::Mapping(Mapping::Counter))) => {
                Some(Known::Counter)
            }
            Some(Object::Set(_)) => Some(Known::Set),
            Some(Object::ByteArray(..)) => Some(Known::ByteArray),
            Some(Object::Complex) => Some(Known::Complex),
            Some(Object::Size(_)) => Some(Known::Size),
            Some(Object::Device) => Some(Known::Device),
            Some(Object::Untyped(_)) => Some(Known::UntypedStorage),
            Some(Object::Typed(_)) => Some(Known::TypedStorage),
            Some(Object::Foreign(foreign)) => return self.build_granted(*foreign, state),
            Some(Object::Exception) => return Err(doubt("the state of an exception")),
            _ => None,
        };
        if kind == Some(Known::Parameter) {
            return self.set_parameter(instance, state);
        }
        let Some(kind) = kind else { return refused(name) };
        if !self.era.since(Version::V2_6) {
            return refused(name);
        }
        // Tuples of two hold a __dict__ and slots.
        let (state, slots) = match self.arena.object(state) {
            Some(Object::Tuple(items, _) | Object::Size(items)) if items.len() == 2 => {
                (argument(items, 0), argument(items, 1))
            }
            Some(Object::Forgotten(Forgotten::Tuple)) => return Err(doubt("a forgotten state")),
            _ => (state, Value::None),
        };
        let has_dict = matches!(kind, Known::Counter | Known::TypedStorage | Known::UntypedStorage);
        if self.arena.truth(state)? {
            if !has_dict {
                return Err(corrupt(format!("AttributeError: '{name}' object has no attribute '__dict__'")));
            }
            self.update(state)?;
            if kind != Known::Counter {
                // Two names decide what the storage is.
                let plain = self.arena.is_mapping(state)
                    && self.entries(state)?.iter().all(|(key, _)| {
                        let key = self.arena.text(*key);
                        key.is_some_and(|key| !matches!(key, b"dtype" | b"_untyped_storage" | b"_cdata"))
                    });
                if !plain {
                    return Err(doubt("the state of a storage is changed"));
                }
            }
        }
        if self.arena.truth(slots)? {
            if !self.arena.is_mapping(slots) {
                return Err(corrupt("AttributeError: the slots of a state have no attribute 'items'"));
            }
            for (key, _) in self.entries(slots)? {
                let Some(key) = self.arena.text(key) else {
                    return Err(corrupt("TypeError: attribute name must be string"));
                };
                if !has_dict {
                    return Err(corrupt(format!(
                        "AttributeError: '{name}' object has no such attribute, or it is read-only"
                    )));
                }
                if key.starts_with(b"__") || kind != Known::Counter {
                    return Err(doubt("a special attribute is set"));
                }
            }
        }
        Ok(())
    }

    /// `__dict__.update(state)`.
    fn update(&mut self, state: Value) -> Run<()> {
        if self.arena.is_mapping(state) {
            return Ok(());
        }
        for item in self.iterate(state)? {
            let (key, _) = self.pair(item)?;
            self.arena.must_hash(key)?;
        }
        Ok(())
    }

    /// `Tensor.__setstate__` of a parameter.
    fn set_parameter(&mut self, parameter: Value, state: Value) -> Run<()> {
        if matches!(self.arena.object(state), Some(Object::Set(_))) {
            return Err(doubt("a set as the state of a parameter"));
        }
        let items = self.iterate(state)?;
        match items.as_slice() {
            [_, _, _, _] => self.set_from(parameter, &items),
            [_, _, _, _, _] => Err(doubt("a parameter's state of five is not modelled")),
            [grad, _, _] => {
                let Some(tensor) = self.arena.tensor(parameter) else { return Err(doubt("no parameter")) };
                let mut tensor = tensor.clone();
                self.require_grad(&mut tensor, *grad)?;
                if let Some(slot) = self.arena.tensor_mut(parameter) {
                    *slot = tensor;
                }
                Ok(())
            }
            _ => Err(corrupt("ValueError: a wrong number of values to unpack (expected 3)")),
        }
    }

    /// `torch._utils._set_obj_state(tensor, state)`.
    pub fn set_state(&mut self, tensor: Value, state: Value) -> Run<()> {
        let parts = match self.arena.object(state) {
            Some(Object::Tuple(items, _) | Object::Size(items)) => match items.as_slice() {
                [dict, slots] => vec![*dict, *slots],
                _ => return Err(corrupt("RuntimeError: Invalid serialized state")),
            },
            Some(Object::Forgotten(Forgotten::Tuple)) => return Err(doubt("a forgotten state")),
            _ => vec![state],
        };
        for part in parts {
            if !self.arena.truth(part)? {
                continue;
            }
            if !self.arena.is_mapping(part) {
                return Err(corrupt("AttributeError: the state has no attribute 'items'"));
            }
            for (key, _) in self.entries(part)? {
                let Some(key) = self.arena.text(key).map(<[u8]>::to_vec) else {
                    return Err(corrupt("TypeError: attribute name must be string"));
                };
                if key.starts_with(b"__") || SPECIAL.contains(&key.as_slice()) {
                    return Err(doubt("a special attribute of a tensor is set"));
                }
                if let Some(tensor) = self.arena.tensor_mut(tensor)
                    && tensor.attributes.len() < 64
                {
                    tensor.attributes.push(key);
                }
            }
        }
        Ok(())
    }
}
