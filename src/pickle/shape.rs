//! Argument rules: what a call of a vetted global must look like, for those that are harmless only in some shapes.
//!
//! The names are those of [`SHAPES`](super::globals::SHAPES). A rule sees the arguments as far as the arena kept them;
//! what it cannot see it calls uncertain, never fitting.

use super::globals::{self, Standing};
use super::machine::{Machine, Step};
use super::names::Name;
use super::value::{Kind, NOBODY, Shape, Value};
use super::{constant, globals::Vetted};

/// What an argument rule says of a call.
pub(super) enum Fit {
    /// The call is vetted; the value is its result where that is known better than "a new object".
    Fits(Option<Value>),
    /// The arguments cannot be followed, though nothing in them is known to be dangerous.
    Uncertain(String),
    /// The arguments are those of an attack, or of nothing that is ever saved.
    Misfit(String),
}

pub(super) fn fits() -> Fit {
    Fit::Fits(None)
}
pub(super) fn uncertain(why: &str) -> Fit {
    Fit::Uncertain(why.to_owned())
}
pub(super) fn misfit(why: &str) -> Fit {
    Fit::Misfit(why.to_owned())
}

impl Machine<'_, '_, '_> {
    /// Asks the argument rule of global `id`, if it has one.
    pub(super) fn fit(&mut self, id: u32, args: Value, depth: u32) -> Step<Fit> {
        let Some(shape) = self.names.get(id).and_then(|name| name.shape()) else {
            return Ok(fits());
        };
        let Some(args) = self.arena.parts(args).map(<[Value]>::to_vec) else {
            return Ok(uncertain("is called with arguments that cannot be followed"));
        };
        Ok(match shape {
            "latin1-encode" => self.latin1_encode(&args),
            "const-getattr" => return self.const_getattr(&args),
            "partial-of-vetted" => match args.first() {
                Some(&callee) if self.may_wrap(callee, args.get(1)) => fits(),
                Some(&callee) if self.is_unjudged(callee) => uncertain("wraps an unvetted callable"),
                _ => misfit("wraps a callable that is not vetted to be called"),
            },
            "callable-args" => self.callable_args(&args),
            "reconstructor" => return self.reconstructor(&args),
            "np-reconstruct" => return self.np_reconstruct(&args),
            "array-of-numpy" => return self.array_of_numpy(&args, depth),
            "builtin-by-name" => return self.builtin_by_name(&args),
            "np-scalar" => self.np_scalar(&args),
            "np-dtype" => self.np_dtype(&args),
            "load-from-bytes" => self.load_from_bytes(&args),
            "rebuild-tensor" => self.rebuild_tensor(&args),
            "rebuild-from-type" => return self.rebuild_from_type(&args, depth),
            "type-of-none" => self.type_of_none(&args),
            "one-argument" => match args.len() {
                1 => fits(),
                _ => misfit("is called with more or fewer than one argument"),
            },
            "newobj" => return self.newobj(&args),
            "opens-a-file" => misfit("is constructed, which opens a file"),
            // what counts is the state that BUILD gives it
            "distribution" => fits(),
            "array-file" => uncertain("stands for an array in another file, which was not looked at"),
            "array-wrapper" => fits(),
            "default-factory" => match args.first() {
                None | Some(Value::Const(Kind::Nothing, ..)) => fits(),
                Some(&factory) if self.is_freely_callable(factory) || self.is_partial_of_callable(factory) => fits(),
                Some(&factory) if self.is_unvetted(factory) => uncertain("makes its defaults by an unvetted callable"),
                Some(_) => misfit("makes its defaults by a callable that is not vetted to be called"),
            },
            "plain-items" => self.plain_items(&args),
            "attribute-paths" => self.attribute_paths(&args),
            "method-call" => self.method_call(&args),
            "calls-lazily" => self.calls_lazily(id, &args),
            "singleton-by-name" => return self.singleton_by_name(&args),
            "plain-containers" => {
                let plain =
                    |&arg: &Value| matches!(arg, Value::Const(Kind::Nothing, ..)) || self.is_plain_container(arg);
                match args.iter().all(plain) {
                    true => fits(),
                    false => misfit("is called with other than plain containers"),
                }
            }
            "batch-of" => match args.is_empty() {
                true => fits(),
                false => misfit("is called with arguments, and takes none"),
            },
            "local-files" => self.local_files(&args),
            "unproven" => Fit::Uncertain(match self.names.get(id).and_then(|name| name.vetted()) {
                Some(vetted) => format!("is not proven harmless: {}", vetted.why),
                None => return Ok(uncertain("is not vetted")),
            }),
            "sized" => self.sized(&args),
            "import-by-name" => return self.import_by_name(&args),
            "none-first" => match args.first() {
                None | Some(Value::Const(Kind::Nothing, ..)) => fits(),
                Some(_) => misfit("is called with something to read from"),
            },
            "type-union" => self
                .applies(&args, |name| name.name == "or_" && matches!(name.module.as_str(), "operator" | "_operator")),
            "typing-alias" => self.applies(&args, |name| matches!(name.module.as_str(), "typing" | "collections.abc")),
            // a rule that the tables name and nobody wrote: a test finds it first
            _ => uncertain("has an argument rule that is not known"),
        })
    }

    /// True for what `partial` may hold: whatever is vetted without a shape, since holding it calls nothing, `defaultdict`
    /// with the factory `first`, a vetted method, `methodcaller` of the name `first`, `map` and the like, and `__new__` of the
    /// class `first`.
    pub(super) fn may_wrap(&self, callee: Value, first: Option<&Value>) -> bool {
        if let Some(node) = self.arena.of(callee).filter(|node| node.shape == Shape::Attribute) {
            return match node.class {
                NOBODY => !node.tainted,
                class => first.is_none_or(|&first| self.constructs(class, first)),
            };
        }
        self.vetted_of(callee).is_some_and(|vetted| match vetted.shape {
            Some("default-factory") => first.is_none_or(|&factory| self.is_freely_callable(factory)),
            Some("method-call") => first.is_none_or(|&name| self.is_plain_name(name)),
            Some("calls-lazily") => true,
            shape => shape.is_none(),
        })
    }

    /// True for a `partial`, as it was made, of what may be called; one that was refilled may hold anything vetted.
    fn is_partial_of_callable(&self, value: Value) -> bool {
        if self.rule_of_instance(value) != Some("partial-of-vetted") {
            return false;
        }
        // its arguments, and the state that BUILD gave it, which begins with the same callable
        let parts = self.arena.parts(value).unwrap_or_default();
        parts.iter().all(|&part| {
            let callee = self.arena.parts(part).and_then(<[Value]>::first).copied();
            callee.is_some_and(|callee| {
                self.is_freely_callable(callee)
                    || self.vetted_of(callee).is_some_and(|vetted| vetted.shape == Some("default-factory"))
            })
        })
    }

    /// dill: `array = function(*arguments); array.__setstate__(state)`, then attributes.
    fn array_of_numpy(&mut self, args: &[Value], depth: u32) -> Step<Fit> {
        let &[function, inner, state, ref rest @ ..] = args else {
            return Ok(misfit("is called with too few arguments"));
        };
        if rest.len() > 1 || self.vetted_of(function).and_then(|vetted| vetted.shape) != Some("np-reconstruct") {
            return Ok(misfit("is called with something other than numpy's own function"));
        }
        let array = self.call_nested(function, inner, depth.saturating_add(1))?;
        self.build(array, state)?;
        if let Some(&attributes) = rest.first() {
            self.build(array, attributes)?;
        }
        Ok(Fit::Fits(Some(array)))
    }

    /// dill: a type out of its own list, by name; those that are no plain built-ins make code.
    fn builtin_by_name(&mut self, args: &[Value]) -> Step<Fit> {
        let &[name] = args else {
            return Ok(misfit("is called with other than one argument"));
        };
        let Some(name) = self.text(name) else {
            return Ok(misfit("finds a type whose name is computed while loading"));
        };
        if name == "PartialType" {
            return Ok(Fit::Fits(Some(self.import("functools", "partial")?)));
        }
        if matches!(name.as_str(), "NoneType" | "NotImplementedType" | "EllipsisType" | "ellipsis") {
            return Ok(fits());
        }
        match globals::lookup("builtins", &name) {
            Standing::Vetted(vetted) if vetted.kind == globals::Kind::Class => {
                Ok(Fit::Fits(Some(self.import("builtins", &name)?)))
            }
            _ => Ok(misfit("finds a type that is not vetted")),
        }
    }

    /// numpy's constructors of random state: a bit generator (named, made by a class, or built before), then only what
    /// makes one from its name.
    fn callable_args(&self, args: &[Value]) -> Fit {
        let harmless = |(at, &value): (usize, &Value)| match value {
            Value::Const(..) => true,
            Value::Node(id) => {
                at == 0 && self.arena.node(id).is_some_and(|node| matches!(node.shape, Shape::Instance | Shape::Result))
            }
            Value::Global(id) => self
                .names
                .get(id)
                .is_some_and(|name| name.freely_callable() || name.is("numpy.random._pickle", "__bit_generator_ctor")),
            Value::Unknown | Value::Absent => false,
        };
        match args.iter().enumerate().all(harmless) {
            true => fits(),
            false => misfit("is called with a callable that is not vetted to be called"),
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<String> {
        constant::text(self.bytes, value)
    }
    pub(super) fn int(&self, value: Value) -> Option<i64> {
        constant::int(self.bytes, value)
    }
    pub(super) fn vetted_of(&self, value: Value) -> Option<Vetted> {
        match value {
            Value::Global(id) => self.names.get(id).and_then(|name| name.vetted()),
            _ => None,
        }
    }
    fn is_unvetted(&self, value: Value) -> bool {
        matches!(value, Value::Global(id)
            if self.names.get(id).is_some_and(|n| matches!(n.standing, Standing::Unvetted)))
    }
    /// True for what nobody vetted and nobody knows to be dangerous: a global of a package that is not known, or an attribute
    /// that was looked up and reported.
    pub(super) fn is_unjudged(&self, value: Value) -> bool {
        let attribute = self.arena.of(value).filter(|node| node.shape == Shape::Attribute && node.class == NOBODY);
        self.is_unvetted(value) || attribute.is_some_and(|node| node.tainted)
    }
    /// True for a global that is a vetted class.
    pub(super) fn is_vetted_class(&self, value: Value) -> bool {
        self.vetted_of(value).is_some_and(|v| v.kind == globals::Kind::Class)
    }

    fn latin1_encode(&self, args: &[Value]) -> Fit {
        match args {
            [Value::Const(Kind::Str, ..), codec] => match self.text(*codec).as_deref() {
                Some("latin1" | "latin-1" | "latin_1") => fits(),
                _ => misfit("is called with a codec other than latin1"),
            },
            _ => misfit("is called with something other than a string and latin1"),
        }
    }

    fn const_getattr(&mut self, args: &[Value]) -> Step<Fit> {
        let &[object, attribute] = args else {
            return Ok(misfit("is called with other than two arguments"));
        };
        let Some(attribute) = self.text(attribute) else {
            return Ok(misfit("looks up an attribute whose name is computed while loading"));
        };
        if let (Value::Global(class), "__new__") = (object, attribute.as_str())
            && (self.is_vetted_class(object) || self.is_unvetted(object))
        {
            // see `constructor`; tainted, so that nothing else takes it
            return Ok(Fit::Fits(Some(self.arena.add(Shape::Attribute, class, true, &[])?)));
        }
        if attribute.starts_with('_') && attribute.ends_with('_') || attribute.contains('.') {
            return Ok(misfit("looks up a private attribute"));
        }
        if let Some((module, class)) = self.plain_class(object) {
            let fit = matches!(globals::lookup(module, &format!("{class}.{attribute}")), Standing::Vetted(_));
            let value = self.arena.add(Shape::Attribute, NOBODY, !fit, &[])?;
            return Ok(if fit {
                Fit::Fits(Some(value))
            } else {
                uncertain("looks up an attribute that is not vetted")
            });
        }
        let (class, of_class) = match object {
            Value::Global(id) => (id, true),
            Value::Node(node) => match self.arena.node(node) {
                Some(node) if node.shape == Shape::Instance => (node.class, false),
                _ => return Ok(misfit("looks up an attribute of what is no instance of a vetted class")),
            },
            _ => return Ok(misfit("looks up an attribute of what is no vetted class")),
        };
        let Some(name) = self.names.get(class) else { return Ok(uncertain("looks up an unknown attribute")) };
        let (module, qualified) = (name.module.clone(), format!("{}.{attribute}", name.name));
        let owner = name.vetted();
        let listed = globals::lookup(&module, &qualified);
        if of_class && !matches!(listed, Standing::Covered) && !owner.is_some_and(|v| v.members) {
            // protocols below 4 write nested classes this way
            return Ok(Fit::Fits(Some(self.import(&module, &qualified)?)));
        }
        let fit = match (owner, listed) {
            (_, Standing::Vetted(_)) => true,
            (Some(owner), _) if owner.members && of_class && !attribute.starts_with('_') => true,
            (_, Standing::Dangerous(_)) => return Ok(misfit("looks up an attribute that is dangerous")),
            _ => false,
        };
        let value = self.arena.add(Shape::Attribute, NOBODY, !fit, &[])?;
        Ok(if fit { Fit::Fits(Some(value)) } else { uncertain("looks up an attribute that is not vetted") })
    }

    /// The class of what no global names: a constant, a plain container, or what one of numpy's constructors returned.
    fn plain_class(&self, value: Value) -> Option<(&'static str, &'static str)> {
        let built_in = match value {
            Value::Const(Kind::Str, ..) => "str",
            Value::Const(Kind::Bytes, ..) => "bytes",
            Value::Const(Kind::Int, ..) => "int",
            Value::Const(Kind::Float, ..) => "float",
            Value::Const(..) | Value::Global(_) | Value::Unknown | Value::Absent => return None,
            Value::Node(node) => match self.arena.node(node)?.shape {
                Shape::Tuple => "tuple",
                Shape::List => "list",
                Shape::Dict => "dict",
                Shape::Set => "set",
                Shape::Result => {
                    let name = self.names.get(self.arena.node(node)?.class)?;
                    return match (name.module.as_str(), name.name.as_str()) {
                        ("numpy.random._pickle", "__randomstate_ctor") => Some(("numpy.random.mtrand", "RandomState")),
                        ("numpy.random._pickle", "__generator_ctor") => Some(("numpy.random._generator", "Generator")),
                        _ => None,
                    };
                }
                _ => return None,
            },
        };
        Some(("builtins", built_in))
    }

    /// What protocols 2 and 3 write for NEWOBJ_EX: `partial(class.__new__, class, *args, **keywords)()`. The class, its
    /// arguments and the keywords, if `callee` is such a partial.
    pub(super) fn constructor(&mut self, callee: Value, args: Value) -> Step<Option<(Value, Value, Value)>> {
        let partial = self.rule_of_instance(callee);
        if partial != Some("partial-of-vetted") || !self.arena.parts(args).is_some_and(<[Value]>::is_empty) {
            return Ok(None);
        }
        let Some(&[_, state]) = self.arena.parts(callee) else { return Ok(None) };
        let Some(&[method, inner, keywords, _]) = self.arena.parts(state) else { return Ok(None) };
        let inner = self.arena.parts(inner).map(<[Value]>::to_vec).unwrap_or_default();
        let Some((&class, rest)) = inner.split_first() else { return Ok(None) };
        let of = self.arena.of(method).filter(|node| node.shape == Shape::Attribute).map(|node| node.class);
        if of.is_none_or(|of| !self.constructs(of, class)) {
            return Ok(None);
        }
        let args = self.arena.add(Shape::Tuple, NOBODY, self.any_tainted(rest), rest)?;
        Ok(Some((class, args, keywords)))
    }

    /// The state of a distribution of scipy holds the source of its argument parser, which `__setstate__` runs: it has to be
    /// scipy's own text, with the names of the distribution's parameters in it. No attribute may stand for the methods that run
    /// it, and what is added to and compared there is a number.
    pub(super) fn distribution_state(&self, state: Value) -> Result<(), &'static str> {
        let pairs = self.arena.parts(state).filter(|_| self.is_shape(state, Shape::Dict));
        let mut found = false;
        for pair in pairs.ok_or("is filled with a state that cannot be followed")?.chunks_exact(2) {
            let &[key, value] = pair else { continue };
            let key = self.text(key).ok_or("is filled with a state that cannot be followed")?;
            let fits = match key.as_str() {
                "_parse_arg_template" => {
                    found = true;
                    self.text(value).is_some_and(|template| is_argument_template(&template))
                }
                "numargs" | "moment_type" => value.is_const(),
                // the one private name that scipy keeps there, a text
                "__doc__" => value.is_const(),
                key => !key.starts_with("_attach") && !key.starts_with("__"),
            };
            if !fits {
                return Err("is filled with source that scipy did not write");
            }
        }
        // without it the class's own is looked for, and there is none
        if found { Ok(()) } else { Err("is filled without the source that scipy writes") }
    }

    fn reconstructor(&mut self, args: &[Value]) -> Step<Fit> {
        let &[class, base, state] = args else {
            return Ok(misfit("is called with other than three arguments"));
        };
        let Value::Global(base_id) = base else {
            return Ok(misfit("is called with a base class that is computed while loading"));
        };
        // `base.__new__(class, state)` and `base.__init__(object, state)`
        let fit =
            |name: &Name| name.module == "builtins" && name.is_class() || name.is_class() && name.freely_callable();
        if !self.names.get(base_id).is_some_and(fit) {
            return Ok(misfit("is called with a base class that is no built-in"));
        }
        let nothing = self.arena.add(Shape::Tuple, NOBODY, self.tainted(state), &[])?;
        Ok(Fit::Fits(Some(self.construct(class, nothing)?)))
    }

    fn newobj(&mut self, args: &[Value]) -> Step<Fit> {
        let Some((&class, rest)) = args.split_first() else {
            return Ok(misfit("is called without a class"));
        };
        let args = self.arena.add(Shape::Tuple, NOBODY, self.any_tainted(rest), rest)?;
        Ok(Fit::Fits(Some(self.construct(class, args)?)))
    }

    fn np_reconstruct(&mut self, args: &[Value]) -> Step<Fit> {
        let &[class, _, _] = args else {
            return Ok(misfit("is called with other than three arguments"));
        };
        let nothing = self.arena.add(Shape::Tuple, NOBODY, false, &[])?;
        Ok(Fit::Fits(Some(self.construct(class, nothing)?)))
    }

    fn np_scalar(&self, args: &[Value]) -> Fit {
        let &[dtype, _] = args else {
            return misfit("is called with other than two arguments");
        };
        match self.dtype(dtype) {
            Some(dtype) if dtype.objects => misfit("makes a scalar of objects"),
            Some(_) => fits(),
            None => uncertain("is called with a data type that cannot be followed"),
        }
    }

    fn np_dtype(&self, args: &[Value]) -> Fit {
        match args.first() {
            Some(&code) if self.text(code).is_some() || self.vetted_of(code).is_some() => fits(),
            _ => uncertain("is called with a type that cannot be followed"),
        }
    }

    fn rebuild_from_type(&mut self, args: &[Value], depth: u32) -> Step<Fit> {
        let &[function, class, inner, ..] = args else {
            return Ok(misfit("is called with too few arguments"));
        };
        if !self.is_vetted_class(class) {
            let unlisted = |name: &Name| matches!(name.standing, Standing::Unvetted | Standing::Covered);
            return Ok(if matches!(class, Value::Global(id) if self.names.get(id).is_some_and(unlisted)) {
                uncertain("rebuilds a tensor of an unvetted class")
            } else {
                misfit("rebuilds a tensor of what is no vetted class")
            });
        }
        self.call_nested(function, inner, depth.saturating_add(1))?;
        Ok(fits())
    }

    fn type_of_none(&self, args: &[Value]) -> Fit {
        match args {
            [Value::Const(Kind::Nothing, ..)] => fits(),
            [Value::Global(id)]
                if self
                    .names
                    .get(*id)
                    .is_some_and(|n| n.is("builtins", "NotImplemented") || n.is("builtins", "Ellipsis")) =>
            {
                fits()
            }
            [_] => misfit("asks for the type of an object"),
            _ => misfit("makes a new class while loading"),
        }
    }

    /// `getattr(import_module(module), name)`, with constant names.
    fn import_by_name(&mut self, args: &[Value]) -> Step<Fit> {
        let &[module, name] = args else {
            return Ok(misfit("is called with other than two arguments"));
        };
        let (Some(module), Some(name)) = (self.text(module), self.text(name)) else {
            return Ok(misfit("imports a name that is computed while loading"));
        };
        Ok(Fit::Fits(Some(self.import(&module, &name)?)))
    }

    /// Two arguments, of which the first is a vetted global that `fits`: it is applied to the second, and runs nothing.
    fn applies(&self, args: &[Value], first: impl Fn(&Name) -> bool) -> Fit {
        let &[Value::Global(id), _] = args else {
            return misfit("is called with other than a type and its parameters");
        };
        match self.names.get(id) {
            Some(name) if name.vetted().is_some() && first(name) => fits(),
            _ => misfit("is called with other than a type and its parameters"),
        }
    }

    fn sized(&self, args: &[Value]) -> Fit {
        let limit = self.scan.budget.limits().max_decompressed_bytes;
        let small = |&value: &Value| match value {
            Value::Const(Kind::Int, ..) => {
                self.int(value).is_some_and(|n| u64::try_from(n.saturating_abs()).is_ok_and(|n| n <= limit))
            }
            _ => true,
        };
        if args.iter().all(small) { fits() } else { uncertain("is called with a size that exhausts memory") }
    }
}

/// scipy's `parse_arg_template` over names of parameters, for a distribution over numbers or over integers.
fn is_argument_template(text: &str) -> bool {
    let names = text.strip_prefix("\ndef _parse_args(self, ").and_then(|rest| Some(rest.split_once(" loc=0")?.0));
    let Some(names) = names else { return false };
    let is_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
    };
    if !(names.is_empty() || names.strip_suffix(", ").is_some_and(|names| names.split(", ").all(is_name))) {
        return false;
    }
    [("loc=0, scale=1", "loc, scale"), ("loc=0", "loc, 1")].iter().any(|(takes, gives)| {
        text == format!(
            "\ndef _parse_args(self, {names} {takes}):\n    return ({names}), {gives}\n\n\
             def _parse_args_rvs(self, {names} {takes}, size=None):\n    \
             return self._argcheck_rvs({names} {gives}, size=size)\n\n\
             def _parse_args_stats(self, {names} {takes}, moments='mv'):\n    return ({names}), {gives}, moments\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::globals::SHAPES;
    use super::is_argument_template;

    #[test]
    fn only_the_argument_parser_of_scipy_is_one() {
        let own = |names: &str, takes: &str, gives: &str| {
            format!(
                "\ndef _parse_args(self, {names} {takes}):\n    return ({names}), {gives}\n\ndef _parse_args_rvs(self, \
                 {names} {takes}, size=None):\n    return self._argcheck_rvs({names} {gives}, size=size)\n\n\
                 def _parse_args_stats(self, {names} {takes}, moments='mv'):\n    return ({names}), {gives}, moments\n"
            )
        };
        assert!(is_argument_template(&own("", "loc=0, scale=1", "loc, scale")));
        assert!(is_argument_template(&own("a, b_2, ", "loc=0", "loc, 1")));
        for text in [
            own("a=print(), ", "loc=0", "loc, 1"),
            own("a", "loc=0", "loc, 1"),
            own("a, , ", "loc=0", "loc, 1"),
            own("2a, ", "loc=0", "loc, 1"),
            own("a, ", "loc=print()", "loc, 1"),
            own("a, ", "loc=0", "print()"),
            own("", "loc=0", "loc, 1") + "print()\n",
            String::new(),
        ] {
            assert!(!is_argument_template(&text), "{text}");
        }
    }

    /// The tables and the match above name the same rules.
    #[test]
    fn every_shape_has_an_implementation_and_every_implementation_a_shape() {
        let source = include_str!("shape.rs");
        let body = source.split("match shape {").nth(1).unwrap().split("a rule that the tables name").next().unwrap();
        let implemented: Vec<&str> = body
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>").map(|(name, _)| name))
            .collect();
        for (name, _) in SHAPES {
            assert!(implemented.contains(name), "{name} is not implemented");
        }
        for name in implemented {
            assert!(SHAPES.iter().any(|(shape, _)| *shape == name), "{name} is not in the tables");
        }
    }
}
