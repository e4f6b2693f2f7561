//! Argument rules of what is made while loading and used later: `methodcaller`, `attrgetter`, `map` and the other iterators
//! that call, a file system.
//!
//! Making one runs nothing. Threat: a stream that uses it itself. Calling it is calling what is computed, which the machine
//! never takes; going through an iterator calls its function, so that has to be vetted for it.

use super::globals::Kind as Sort;
use super::machine::{Machine, Step};
use super::shape::{Fit, fits, misfit, uncertain};
use super::value::{Kind, NOBODY, Shape, Value};

/// Batches of graphs, and the graphs.
const BATCH: (&str, &str) = ("torch_geometric.data.batch", "Batch");
const GRAPHS: [(&str, &str); 3] = [
    ("torch_geometric.data.data", "Data"),
    ("torch_geometric.data.hetero_data", "HeteroData"),
    ("torch_geometric.data.temporal", "TemporalData"),
];
/// The file systems that a pickle may make: making one opens nothing.
const LOCAL_FILES: [(&str, &str); 2] =
    [("fsspec.implementations.local", "LocalFileSystem"), ("fsspec.implementations.memory", "MemoryFileSystem")];

impl Machine<'_, '_, '_> {
    /// `itemgetter`: keys, indices and slices to look up in what it is given later.
    pub(super) fn plain_items(&self, args: &[Value]) -> Fit {
        let plain = |&item: &Value| match item {
            Value::Const(Kind::Str, ..) => self.text(item).is_some_and(|key| is_plain(&key)),
            Value::Const(..) => true,
            Value::Node(_) => self.is_slice(item),
            _ => false,
        };
        match !args.is_empty() && args.iter().all(plain) {
            true => fits(),
            false => misfit("is called with other than plain keys"),
        }
    }

    fn is_slice(&self, value: Value) -> bool {
        let class =
            self.arena.of(value).filter(|node| node.shape == Shape::Instance && !node.tainted).map(|node| node.class);
        class.and_then(|class| self.names.get(class)).is_some_and(|name| name.name == "slice" && name.is_class())
    }

    /// `attrgetter`: names to look up in what it is given later.
    pub(super) fn attribute_paths(&self, args: &[Value]) -> Fit {
        let plain = |&path: &Value| self.text(path).is_some_and(|path| path.split('.').all(is_plain));
        match !args.is_empty() && args.iter().all(plain) {
            true => fits(),
            false => misfit("is called with other than paths of plain names"),
        }
    }

    /// `methodcaller`: a method to call of what it is given later.
    pub(super) fn method_call(&self, args: &[Value]) -> Fit {
        match args.first() {
            Some(&name) if self.is_plain_name(name) => fits(),
            _ => misfit("is called with other than a plain name"),
        }
    }

    pub(super) fn is_plain_name(&self, value: Value) -> bool {
        self.text(value).is_some_and(|name| is_plain(&name) && !name.contains('.'))
    }

    /// How `methodcaller` with keywords is saved: `partial(methodcaller, name, **keywords)(*arguments)`.
    pub(super) fn method_call_of_partial(&mut self, callee: Value, args: Value) -> Step<Option<Value>> {
        if self.rule_of_instance(callee) != Some("partial-of-vetted") {
            return Ok(None);
        }
        // the arguments it was made with, and the one state it was filled with
        let Some(&[_, state]) = self.arena.parts(callee) else { return Ok(None) };
        let Some(&[Value::Global(id), name, _, _]) = self.arena.parts(state) else { return Ok(None) };
        let named = matches!(self.arena.parts(name), Some(&[name]) if self.is_plain_name(name));
        if !named || self.names.get(id).and_then(|name| name.shape()) != Some("method-call") {
            return Ok(None);
        }
        let all = self.arena.add(Shape::Tuple, NOBODY, true, &[name, args])?;
        self.product(Shape::Instance, id, all).map(Some)
    }

    /// torch_geometric: `DynamicInheritanceGetter()` is called with the class of batches and that of the graphs in them.
    pub(super) fn batch_of(&mut self, callee: Value, args: Value) -> Step<Option<Value>> {
        if self.rule_of_instance(callee) != Some("batch-of") {
            return Ok(None);
        }
        let Some(&[Value::Global(batch), Value::Global(graph)]) = self.arena.parts(args) else { return Ok(None) };
        let is = |id, names: &[(&str, &str)]| {
            self.names.get(id).is_some_and(|name| names.iter().any(|(module, own)| name.is(module, own)))
        };
        if !is(batch, &[BATCH]) || !is(graph, &GRAPHS) {
            return Ok(None);
        }
        self.product(Shape::Instance, graph, args).map(Some)
    }

    /// True for a tuple, list, dict or set, also where a protocol without an opcode for it calls the class.
    pub(super) fn is_plain_container(&self, value: Value) -> bool {
        self.arena.of(value).is_some_and(|node| match node.shape {
            Shape::Tuple | Shape::List | Shape::Dict | Shape::Set | Shape::FrozenSet => true,
            Shape::Instance => self
                .names
                .get(node.class)
                .is_some_and(|name| name.module == "builtins" && matches!(name.name.as_str(), "set" | "frozenset")),
            _ => false,
        })
    }

    /// The argument rule of the class that a value is an instance of.
    pub(super) fn rule_of_instance(&self, value: Value) -> Option<&'static str> {
        let node = self.arena.of(value).filter(|node| node.shape == Shape::Instance)?;
        self.names.get(node.class)?.shape()
    }

    /// `map` and its kind: whatever goes through one calls its function.
    pub(super) fn calls_lazily(&self, id: u32, args: &[Value]) -> Fit {
        let last = self.names.get(id).is_some_and(|name| matches!(name.name.as_str(), "accumulate" | "groupby"));
        let function = match (last, args) {
            (true, [_]) => return fits(),
            (true, &[_, function, ..]) | (false, &[function, _, ..]) => function,
            _ => return misfit("is called without something to go through"),
        };
        if matches!(function, Value::Const(Kind::Nothing, ..)) || self.is_freely_callable(function) {
            return fits();
        }
        let held = match function {
            Value::Node(_) => {
                self.arena.of(function).is_some_and(|node| node.shape == Shape::Attribute && !node.tainted)
            }
            _ => self.vetted_of(function).is_some_and(|vetted| vetted.kind == Sort::Reference),
        };
        match held {
            true => uncertain("calls a function that is only vetted to be named, for whatever goes through it"),
            false => misfit("calls what is not vetted to be called, for whatever goes through it"),
        }
    }

    /// dill: `eval("Ellipsis")`, `eval("range(0, 3)")`.
    pub(super) fn singleton_by_name(&mut self, args: &[Value]) -> Step<Fit> {
        let name = match args {
            &[name] => self.text(name),
            _ => None,
        };
        Ok(match name.as_deref() {
            Some(name @ ("Ellipsis" | "NotImplemented")) => Fit::Fits(Some(self.import("builtins", name)?)),
            Some(text) if is_range(text) => {
                let Value::Global(range) = self.import("builtins", "range")? else {
                    return Ok(uncertain("makes a range"));
                };
                Fit::Fits(Some(self.arena.add(Shape::Instance, range, false, &[])?))
            }
            _ => misfit("evaluates a text that is no singleton's name"),
        })
    }

    /// True if the `__new__` of the class `of` makes instances of `class`: of itself or, as scipy names a record and what is
    /// derived from it, of the class vetted beside it without the ending `Base`.
    pub(super) fn constructs(&self, of: u32, class: Value) -> bool {
        let Value::Global(id) = class else { return false };
        let Some((of_name, name)) = self.names.get(of).zip(self.names.get(id)) else { return false };
        let derived = name.is_class() && of_name.is_class() && name.module == of_name.module;
        id == of || derived && of_name.name.strip_suffix("Base") == Some(&name.name)
    }

    /// fsspec: `class(*arguments, **keywords)`.
    pub(super) fn local_files(&self, args: &[Value]) -> Fit {
        let &[Value::Global(class), arguments, keywords] = args else {
            return misfit("is called with other than a class, arguments and keywords");
        };
        let local =
            self.names.get(class).is_some_and(|name| LOCAL_FILES.iter().any(|(module, own)| name.is(module, own)));
        let plain = |value, shape| {
            self.is_shape(value, shape)
                && self.arena.parts(value).is_some_and(|parts| parts.iter().all(|part| part.is_const()))
        };
        match local && plain(arguments, Shape::Tuple) && plain(keywords, Shape::Dict) {
            true => fits(),
            false => misfit("makes a file system other than the local one"),
        }
    }
}

/// The text of a range of integers.
fn is_range(text: &str) -> bool {
    let Some(bounds) = text.strip_prefix("range(").and_then(|rest| rest.strip_suffix(')')) else { return false };
    let is_int = |bound: &str| {
        let digits = bound.strip_prefix('-').unwrap_or(bound);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    bounds.split(", ").all(is_int)
}

/// A name that reaches nothing private.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('_')
}
