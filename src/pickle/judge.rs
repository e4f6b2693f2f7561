//! What the machine makes of imports, calls, constructions and BUILD: the place where the vetted globals decide.
//!
//! Import alone of a dangerous global is bad; so is any call of what is not vetted to be called, and any callable that the
//! file does not name openly. A class that is only constructed and filled is unknown until it is vetted; in packages of which
//! nothing is known, what has the name of a class is taken for one.

use super::globals::{self, Kind, Standing};
use super::machine::{Machine, Step, Stop};
use super::names::{Name, TooMany, may_call};
use super::shape::Fit;
use super::value::{NOBODY, Node, Shape, Value};
use crate::finding::Finding;
use crate::rule::Rule;
use crate::rule::pickle as rules;

/// Names shown in messages are cut here.
const MAX_SHOWN: usize = 120;
/// Names in the field of their own, which people copy, are cut here.
const MAX_NAME: usize = 400;
/// Rebuild functions that call rebuild functions, at most this deep.
const MAX_NESTED_CALLS: u32 = 4;

impl From<TooMany> for Stop {
    fn from(_: TooMany) -> Self {
        Stop::Limit("max_values")
    }
}

/// A name as it is shown: control characters escaped, and cut.
fn show(name: &str, limit: usize) -> String {
    let mut escaped = name.escape_debug();
    let mut shown: String = escaped.by_ref().take(limit).collect();
    if escaped.next().is_some() {
        shown.push('…');
    }
    shown
}

impl Machine<'_, '_, '_> {
    /// Reports about a global.
    pub(super) fn accuse(&mut self, rule: &'static Rule, id: u32, what: &str) {
        let Some(name) = self.names.get(id) else { return };
        let full = name.full();
        if !self.scan.excuses(&full) && self.may_report(rule) {
            let message = format!("{} {what}", show(&full, MAX_SHOWN));
            self.scan.find(Finding::new(rule, message).at(self.offset()).global(show(&full, MAX_NAME)));
        }
    }

    /// Imports a global: below protocol 3 under the name Python 3 gives it.
    pub(super) fn import(&mut self, module: &str, name: &str) -> Step<Value> {
        let old = self.protocol < 3;
        if let Some(id) = self.names.written(old, module, name) {
            return Ok(Value::Global(id));
        }
        let (mapped_module, mapped_name) = match globals::python3_name(module, name) {
            Some(mapped) if old => mapped,
            Some((mapped_module, mapped_name)) => {
                // some loaders map the names of every protocol
                if matches!(globals::lookup(mapped_module, mapped_name), Standing::Dangerous(_)) {
                    (mapped_module, mapped_name)
                } else {
                    (module, name)
                }
            }
            // and some map none
            None => (module, name),
        };
        let trusted = self.scan.settings.trusted_globals.as_slice();
        let (id, new) = self.names.intern(mapped_module, mapped_name, trusted)?;
        if new {
            self.judge_import(id);
        }
        if old
            && (module, name) != (mapped_module, mapped_name)
            && matches!(globals::lookup(module, name), Standing::Dangerous(_))
        {
            let (raw, new) = self.names.intern(module, name, trusted)?;
            if new {
                self.judge_import(raw);
            }
        }
        self.names.wrote(old, module, name, id);
        Ok(Value::Global(id))
    }

    fn judge_import(&mut self, id: u32) {
        let Some(name) = self.names.get(id) else { return };
        match name.standing {
            Standing::Vetted(_) => {}
            Standing::Dangerous(dangerous) => {
                self.accuse(&rules::DANGEROUS_GLOBAL, id, &format!("is imported: {}", dangerous.what));
            }
            _ if name.has_dunder() => {
                self.accuse(&rules::HIDDEN_CALLABLE, id, "reaches through Python's private machinery");
            }
            Standing::Covered => {
                self.accuse(
                    &rules::UNVETTED_GLOBAL,
                    id,
                    "is imported: not among the names its package ordinarily saves",
                );
            }
            Standing::Unvetted => self.accuse(&rules::UNVETTED_GLOBAL, id, "is imported: unknown to mverify"),
        }
    }

    /// REDUCE, and OBJ or INST with arguments.
    pub(super) fn call(&mut self, callee: Value, args: Value) -> Step<Value> {
        self.call_nested(callee, args, 0)
    }

    pub(super) fn call_nested(&mut self, callee: Value, args: Value, depth: u32) -> Step<Value> {
        self.executed = true;
        if self.arena.of(args).is_none_or(|node| node.shape != Shape::Tuple) {
            self.arguments_are_no_tuple(args);
        }
        if let Some((class, args, keywords)) = self.constructor(callee, args)? {
            return self.construct_with(class, args, Some(keywords));
        }
        if let Some(made) = self.method_call_of_partial(callee, args)? {
            return Ok(made);
        }
        if let Some(made) = self.batch_of(callee, args)? {
            return Ok(made);
        }
        let Value::Global(id) = callee else {
            if callee.is_const() || self.is_container(callee) {
                self.report(&rules::MALFORMED, "what is called cannot be called: loading raises here".to_owned());
            } else {
                self.report(&rules::HIDDEN_CALLABLE, "what is called is computed while loading".to_owned());
            }
            return Ok(Value::Unknown);
        };
        let Some(name) = self.names.get(id) else { return Ok(Value::Unknown) };
        let Some(vetted) = name.vetted() else {
            self.accuse_call(id);
            return Ok(Value::Unknown);
        };
        if !may_call(vetted) {
            let what = match vetted.kind {
                Kind::Reference => "is called, though it is only vetted to be named",
                _ => "is called, though it is only vetted to be constructed and filled",
            };
            self.accuse_once(&rules::UNVETTED_CALL, id, what);
            return Ok(Value::Unknown);
        }
        if vetted.shape != Some("np-reconstruct") && self.hands_on_an_opener(args) {
            self.accuse_once(&rules::MISUSED, id, "is handed a class that opens a file when it is constructed");
            return Ok(Value::Unknown);
        }
        if depth > MAX_NESTED_CALLS {
            self.accuse(&rules::UNPROVEN_USE, id, "is called by a function that is called by a function, and so on");
            return Ok(Value::Unknown);
        }
        match self.fit(id, args, depth)? {
            Fit::Fits(Some(value)) => return Ok(value),
            Fit::Fits(None) => {}
            Fit::Uncertain(why) => {
                self.accuse_once(&rules::UNPROVEN_USE, id, &why);
            }
            Fit::Misfit(why) => {
                self.accuse_once(&rules::MISUSED, id, &why);
                return Ok(Value::Unknown);
            }
        }
        self.judge_cost(id, args);
        let shape = if vetted.kind == Kind::Class { Shape::Instance } else { Shape::Result };
        self.product(shape, id, args)
    }

    /// True if a class that opens files is among the arguments: only numpy's own function makes one without its constructor.
    fn hands_on_an_opener(&self, args: Value) -> bool {
        self.arena.parts(args).unwrap_or_default().iter().any(
            |&arg| matches!(arg, Value::Global(id) if self.names.get(id).is_some_and(|n| n.shape() == Some("opens-a-file"))),
        )
    }

    /// A new instance or result, which keeps its arguments where a rule may ask for them.
    pub(super) fn product(&mut self, shape: Shape, id: u32, args: Value) -> Step<Value> {
        let tainted = self.tainted(args);
        let keeps = self.names.get(id).is_some_and(|name| name.shape().is_some());
        let parts = [args];
        let value = self.arena.add(shape, id, tainted, if keeps { &parts } else { &[] })?;
        Ok(value)
    }

    /// OBJ and INST: a class without arguments is constructed, anything else is called.
    pub(super) fn instantiate(&mut self, class: Value, args: Value) -> Step<Value> {
        let vetted_class = matches!(class, Value::Global(id) if self.names.get(id).is_some_and(|n| n.is_class()));
        if vetted_class && self.arena.parts(args).is_some_and(<[Value]>::is_empty) {
            return self.construct(class, args);
        }
        self.call(class, args)
    }

    /// NEWOBJ.
    pub(super) fn construct(&mut self, class: Value, args: Value) -> Step<Value> {
        self.construct_with(class, args, None)
    }

    /// NEWOBJ_EX: `class.__new__(class, *args, **keywords)`.
    pub(super) fn construct_with(&mut self, class: Value, args: Value, keywords: Option<Value>) -> Step<Value> {
        self.executed = true;
        if self.arena.of(args).is_none_or(|node| node.shape != Shape::Tuple) {
            self.arguments_are_no_tuple(args);
        }
        let Value::Global(id) = class else {
            if class.is_const() || self.is_container(class) {
                self.report(&rules::MALFORMED, "what is constructed is no class: loading raises here".to_owned());
            } else {
                self.report(&rules::HIDDEN_CALLABLE, "the class of an object is computed while loading".to_owned());
            }
            return Ok(Value::Unknown);
        };
        let Some(name) = self.names.get(id) else { return Ok(Value::Unknown) };
        if name.is("builtins", "type") {
            self.accuse_once(&rules::MISUSED, id, "makes a new class while loading");
            return Ok(Value::Unknown);
        }
        match name.vetted().map(|v| v.kind) {
            Some(Kind::Class) => {
                let given = |value| self.arena.parts(value).is_none_or(|parts| !parts.is_empty());
                let asks = name.shape().is_some() && (given(args) || keywords.is_some_and(given));
                self.judge_cost(id, args);
                let fit = if asks { self.fit(id, args, 0)? } else { Fit::Fits(None) };
                match fit {
                    Fit::Fits(_) => {}
                    Fit::Uncertain(why) => self.accuse_once(&rules::UNPROVEN_USE, id, &why),
                    Fit::Misfit(why) => self.accuse_once(&rules::MISUSED, id, &why),
                }
                if keywords.is_some_and(|k| self.tainted(k)) && name_has_shape(self, id) {
                    self.accuse_once(&rules::UNPROVEN_USE, id, "is constructed with callables as keywords");
                }
            }
            Some(_) => self.accuse_once(&rules::UNPROVEN_USE, id, "is constructed, though it is not vetted as a class"),
            // an unvetted class was reported when it was imported
            None => {}
        }
        self.product(Shape::Instance, id, args)
    }

    /// BUILD: `target.__setstate__(state)`, or its attributes are set.
    pub(super) fn build(&mut self, target: Value, state: Value) -> Step {
        self.executed = true;
        match target {
            Value::Global(id) => {
                self.accuse(&rules::MISUSED, id, "is changed by BUILD for the whole process");
            }
            // what made it unknown was reported
            Value::Unknown | Value::Absent => {}
            Value::Const(..) => {
                self.report(&rules::MALFORMED, "BUILD fills a constant: loading raises here".to_owned());
            }
            Value::Node(node) => {
                let Some(&Node { shape, class, .. }) = self.arena.node(node) else { return Ok(()) };
                match shape {
                    Shape::Instance | Shape::Result => {
                        self.build_object(class, state);
                        self.judge_dtype(class, target, state);
                        if self.taints(class, state) {
                            self.arena.taint(node);
                        }
                        if self.names.get(class).is_some_and(|name| name.shape().is_some()) {
                            self.arena.extend(node, &[state])?;
                            self.raw_array(target, class)?;
                        }
                    }
                    Shape::Attribute | Shape::Persistent | Shape::Buffer => {
                        let message = "BUILD fills an object that comes from elsewhere";
                        self.report(&rules::UNPROVEN_USE, message.to_owned());
                    }
                    Shape::Tuple | Shape::List | Shape::Dict | Shape::Set | Shape::FrozenSet => {
                        let message = "BUILD fills a plain container: loading raises here";
                        self.report(&rules::MALFORMED, message.to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    /// True if an object of `class` that is filled with `state` may hold a callable that is not vetted. joblib's array
    /// wrapper names the class of its array and then becomes that array.
    fn taints(&self, class: u32, state: Value) -> bool {
        let wrapper = self.names.get(class).and_then(|name| name.shape()) == Some("array-wrapper");
        match self.arena.parts(state).filter(|_| wrapper) {
            Some(parts) => parts.iter().any(|&part| self.tainted(part) && !self.is_vetted_class(part)),
            None => self.tainted(state),
        }
    }

    fn build_object(&mut self, class: u32, state: Value) {
        // slots are set by name, which reaches properties and, with __class__, another type
        if let Some([_, slots]) = self.arena.parts(state).filter(|_| self.is_shape(state, Shape::Tuple)) {
            let keys = self.arena.parts(*slots).filter(|_| self.is_shape(*slots, Shape::Dict)).unwrap_or_default();
            let private = |key: &&Value| {
                super::constant::text(self.bytes, **key).is_some_and(|k| k.starts_with("__") && k.ends_with("__"))
            };
            if keys.iter().step_by(2).any(|key| private(&key)) {
                self.accuse(&rules::MISUSED, class, "is filled through Python's private attributes");
            }
        }
        let shape = self.names.get(class).and_then(|name| name.shape());
        if shape == Some("array-file") {
            self.accuse_once(
                &rules::UNPROVEN_USE,
                class,
                "stands for an array in another file, which was not looked at",
            );
        }
        if shape == Some("distribution")
            && let Err(what) = self.distribution_state(state)
        {
            self.accuse(&rules::MISUSED, class, what);
        }
        if shape == Some("partial-of-vetted") {
            let parts = self.arena.parts(state).unwrap_or_default();
            let first = parts.get(1).and_then(|args| self.arena.parts(*args)?.first());
            match parts.first() {
                Some(&callee) if self.may_wrap(callee, first) => {}
                Some(&callee) if self.is_unjudged(callee) => {
                    self.accuse_once(&rules::UNPROVEN_USE, class, "is filled with an unvetted callable");
                }
                _ => self.accuse(&rules::MISUSED, class, "is filled with a callable that is not vetted to be called"),
            }
        }
    }

    /// SETITEM(S), APPEND(S) and ADDITEMS on what is not a plain container of the right kind.
    pub(super) fn fill_object(&mut self, target: Value, values: &[Value], opcode: &str) -> Step {
        self.executed = true;
        match target {
            Value::Node(node) => {
                let Some(&Node { shape, class, .. }) = self.arena.node(node) else { return Ok(()) };
                if self.any_tainted(values) {
                    self.arena.taint(node);
                }
                match (shape, self.names.get(class)) {
                    (Shape::Instance, Some(name)) => match name.vetted() {
                        Some(vetted) if vetted.items => {}
                        Some(_) => {
                            let what = format!("is filled by {opcode}, though it is not vetted as a container");
                            self.accuse_once(&rules::UNPROVEN_USE, class, &what);
                        }
                        None => {}
                    },
                    (Shape::Result, Some(_)) => {
                        let what = format!("returned an object that {opcode} changes: no library writes that");
                        self.accuse(&rules::MISUSED, class, &what);
                    }
                    (Shape::Dict | Shape::List | Shape::Set, _) => {
                        let message = format!("{opcode} on a container of another kind: no pickler writes that");
                        self.report(&rules::MISUSED, message);
                    }
                    _ => {
                        let message = format!("{opcode} on an object that is no container");
                        self.report(&rules::MISUSED, message);
                    }
                }
            }
            Value::Global(id) => self.accuse(&rules::MISUSED, id, &format!("is changed by {opcode}")),
            Value::Const(..) => {
                self.report(&rules::MALFORMED, format!("{opcode} on a constant: loading raises here"));
            }
            // what made it unknown was reported
            Value::Unknown | Value::Absent => {}
        }
        Ok(())
    }

    // ---- helpers

    fn accuse_call(&mut self, id: u32) {
        let rule = match self.names.get(id).map(|name| name.standing) {
            Some(Standing::Dangerous(_)) => &rules::DANGEROUS_GLOBAL,
            // nobody knows its package: it may be a class of the user's own
            Some(Standing::Unvetted) if self.names.get(id).is_some_and(Name::constructs) => &rules::UNVETTED_GLOBAL,
            _ => &rules::UNVETTED_CALL,
        };
        let first = self.names.get_mut(id).is_some_and(|name| !std::mem::replace(&mut name.call_reported, true));
        if first {
            self.accuse(rule, id, "is called while loading");
        }
    }

    /// Reports a use of a global the first time only.
    fn accuse_once(&mut self, rule: &'static Rule, id: u32, what: &str) {
        if self.names.get_mut(id).is_some_and(|name| !std::mem::replace(&mut name.use_reported, true)) {
            self.accuse(rule, id, what);
        }
    }

    /// The C unpickler refuses arguments that are no tuple; the pure-Python one takes any iterable.
    fn arguments_are_no_tuple(&mut self, args: Value) {
        if args.is_const() && !matches!(args, Value::Const(super::value::Kind::Str | super::value::Kind::Bytes, ..)) {
            self.report(&rules::MALFORMED, "arguments are no tuple: loading raises here".to_owned());
        } else {
            let message = "unpicklers disagree: arguments that are no tuple";
            self.report(&rules::DIVERGENT, message.to_owned());
        }
    }

    pub(super) fn is_shape(&self, value: Value, shape: Shape) -> bool {
        self.arena.of(value).is_some_and(|node| node.shape == shape)
    }

    fn is_container(&self, value: Value) -> bool {
        self.arena.of(value).is_some_and(|node| node.class == NOBODY && node.shape != Shape::Attribute)
    }

    pub(super) fn is_freely_callable(&self, value: Value) -> bool {
        matches!(value, Value::Global(id) if self.names.get(id).is_some_and(|name| name.freely_callable()))
    }
}

fn name_has_shape(machine: &Machine<'_, '_, '_>, id: u32) -> bool {
    machine.names.get(id).is_some_and(|name| name.shape().is_some())
}
