//! What a vetted call costs: time and memory must be bounded by the size of the pickle.
//!
//! An iterator is a few bytes however much it gives (`range(2**60)`), and shared references make a value whose copy, hash or
//! text is exponential. Making either is harmless; handing it to what goes through it is a bomb.

use super::machine::Machine;
use super::names::Name;
use super::value::{Kind, Shape, Value};
use crate::rule::pickle as rules;

/// A value this large with references written out (2^28 parts) is a bomb for what goes through it.
const HEAVY: u8 = 28;

impl Machine<'_, '_, '_> {
    /// Reports a call or construction of global `id` that is a bomb with these arguments.
    pub(super) fn judge_cost(&mut self, id: u32, args: Value) {
        let Some(name) = self.names.get(id) else { return };
        let endless =
            !is_lazy(name) && self.arena.parts(args).unwrap_or_default().iter().any(|&arg| self.is_iterator(arg));
        let heavy =
            matches!(name.module.as_str(), "builtins" | "operator" | "_operator") && self.arena.weight(args) >= HEAVY;
        let grows = matches!(name.module.as_str(), "operator" | "_operator")
            && matches!(name.name.as_str(), "add" | "mul" | "mod" | "iadd" | "imul" | "imod" | "concat")
            && !self.arena.parts(args).unwrap_or_default().iter().all(|arg| is_number(*arg));
        if grows {
            let message =
                format!("{} is called with other than two numbers: what it gives may be of any size", name.full());
            self.report(&rules::BOMB, message);
        } else if endless {
            let message = format!("{} goes through an iterator, which a few bytes make endless", name.full());
            self.report(&rules::BOMB, message);
        } else if heavy {
            let message = format!("{} goes through a value of more than 2^28 parts, by shared references", name.full());
            self.report(&rules::BOMB, message);
        }
    }

    /// True for a key whose hash goes through more than a file can hold.
    pub(super) fn is_heavy_key(&self, key: Value) -> bool {
        self.arena.weight(key) >= HEAVY
            && self.arena.of(key).is_some_and(|node| matches!(node.shape, Shape::Tuple | Shape::FrozenSet))
    }

    fn is_iterator(&self, value: Value) -> bool {
        let node = self.arena.of(value).filter(|node| matches!(node.shape, Shape::Instance | Shape::Result));
        node.and_then(|node| self.names.get(node.class)).is_some_and(is_iterator)
    }
}

fn is_number(value: Value) -> bool {
    matches!(value, Value::Const(Kind::Int | Kind::Bool | Kind::Float, ..))
}

/// True for what gives items one by one, and is made without going through them.
fn is_iterator(name: &Name) -> bool {
    match name.module.as_str() {
        "builtins" | "__builtin__" => {
            let own = ["range", "xrange", "enumerate", "reversed", "zip", "iter", "map", "filter"];
            own.contains(&name.name.as_str())
        }
        "itertools" => true,
        _ => false,
    }
}

/// True for iterators that do not go through their arguments when they are made.
fn is_lazy(name: &Name) -> bool {
    let whole = ["product", "permutations", "combinations", "combinations_with_replacement"];
    is_iterator(name) && !whole.contains(&name.name.as_str())
}
