//! Opcodes on containers: tuples, lists, dicts and sets, made and filled.
//!
//! A value is weighed with every reference written out, and never written out: sharing that makes it enormous is a bomb.

use super::super::value::{Kind, NOBODY, Shape, Value};
use super::{Machine, Step, raise, rules};

/// A value this large with references written out (2^48 parts) is a bomb.
const BOMB_WEIGHT: u8 = 48;

impl Machine<'_, '_, '_> {
    /// True if something among the values could be called and is not vetted to be called without conditions.
    pub(in super::super) fn any_tainted(&self, values: &[Value]) -> bool {
        values.iter().any(|&value| self.tainted(value))
    }
    pub(in super::super) fn tainted(&self, value: Value) -> bool {
        match value {
            Value::Const(..) => false,
            Value::Global(id) => !self.names.get(id).is_some_and(|name| name.freely_callable()),
            Value::Node(id) => self.arena.node(id).is_none_or(|node| node.tainted),
            Value::Unknown | Value::Absent => true,
        }
    }
    pub(super) fn build_node(&mut self, shape: Shape, parts: &[Value]) -> Step {
        let tainted = self.any_tainted(parts);
        let value = self.arena.add(shape, NOBODY, tainted, parts)?;
        self.push_built(value);
        Ok(())
    }
    pub(super) fn push_built(&mut self, value: Value) {
        self.stack.push(value);
        self.weigh(value);
    }
    /// Says once that a value is a bomb.
    pub(super) fn weigh(&mut self, value: Value) {
        if self.arena.weight(value) >= BOMB_WEIGHT && !self.bomb {
            self.bomb = true;
            self.report(&rules::BOMB, "shared references make a value of more than 2^48 parts".to_owned());
        }
    }
    pub(super) fn tuple(&mut self, n: usize) -> Step {
        let from = self.stack.len().checked_sub(n).filter(|&from| from >= self.fence());
        let Some(from) = from else {
            return raise("a tuple takes more values than the stack holds");
        };
        let parts = self.stack.split_off(from);
        self.build_node(Shape::Tuple, &parts)
    }
    pub(super) fn since_mark(&mut self, shape: Shape) -> Step {
        let parts = self.pop_mark()?;
        if shape == Shape::Dict {
            if parts.len() % 2 != 0 {
                return raise("DICT with an odd number of values");
            }
            self.check_keys(parts.iter().step_by(2));
        }
        if shape == Shape::FrozenSet {
            self.check_keys(parts.iter());
        }
        self.build_node(shape, &parts)
    }
    /// Keys and members must be hashable. What an unhashable one breaks comes after everything that ran before.
    fn check_keys<'v>(&mut self, mut keys: impl Iterator<Item = &'v Value> + Clone) {
        if keys.clone().any(|&key| self.is_heavy_key(key)) {
            let message = "a key or member has more than 2^28 parts, by shared references";
            self.report(&rules::BOMB, message.to_owned());
        }
        let unhashable = |value: &Value| match *value {
            Value::Const(kind, ..) => kind == Kind::ByteArray,
            Value::Node(id) => {
                self.arena.node(id).is_some_and(|n| matches!(n.shape, Shape::List | Shape::Dict | Shape::Set))
            }
            _ => false,
        };
        if keys.any(unhashable) {
            self.report(&rules::MALFORMED, "a key or member cannot be hashed: loading raises here".to_owned());
        }
    }
    pub(super) fn append(&mut self, values: &[Value], many: bool) -> Step {
        let target = self.top()?;
        if values.is_empty() {
            if many && self.is_const_or(target, |s| s != Shape::List && s != Shape::Instance) {
                self.diverge("APPENDS of nothing to what is no list");
            }
            return Ok(());
        }
        self.fill(target, Shape::List, values, "APPEND")
    }
    pub(super) fn add_items(&mut self, values: &[Value]) -> Step {
        let target = self.top()?;
        self.check_keys(values.iter());
        if values.is_empty() {
            if self.is_const_or(target, |s| s != Shape::Set && s != Shape::Instance) {
                self.diverge("ADDITEMS of nothing to what is no set");
            }
            return Ok(());
        }
        self.fill(target, Shape::Set, values, "ADDITEMS")
    }
    pub(super) fn set_items(&mut self, values: &[Value]) -> Step {
        let target = self.top()?;
        if values.is_empty() {
            return Ok(());
        }
        self.check_keys(values.iter().step_by(2));
        self.fill(target, Shape::Dict, values, "SETITEM")
    }
    /// Adds items to a container of the kind the opcode is for, or asks whether the object may take them.
    fn fill(&mut self, target: Value, shape: Shape, values: &[Value], opcode: &str) -> Step {
        match target {
            Value::Node(id) if self.arena.node(id).is_some_and(|node| node.shape == shape) => {
                if self.any_tainted(values) {
                    self.arena.taint(id);
                }
                self.arena.extend(id, values)?;
                self.weigh(target);
                Ok(())
            }
            _ => self.fill_object(target, values, opcode),
        }
    }
    /// True for constants, and for nodes of such a shape.
    pub(super) fn is_const_or(&self, value: Value, shape: impl Fn(Shape) -> bool) -> bool {
        value.is_const() || self.arena.of(value).is_some_and(|node| shape(node.shape))
    }
}
