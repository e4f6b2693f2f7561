//! Symbolic values: what an unpickler would hold, as eight-byte handles.
//!
//! A constant is the offset of its opcode and is decoded again when somebody asks. Everything built is a [`Node`] in an
//! [`Arena`]; the arena keeps the parts of small values only, and of large ones how many there were and whether anything
//! in them could be called. Nothing is ever expanded: a shared value is one handle however often it is used.

/// What kind of constant an opcode pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `None`.
    Nothing,
    /// `True` or `False`.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// A `str`, or a Python-2 string that is decoded to one.
    Str,
    /// `bytes`.
    Bytes,
    /// A `bytearray`.
    ByteArray,
}

/// A value on the stack, in the memo, or inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A memo slot that was never written.
    Absent,
    /// A constant: its kind and the offset of its opcode, as high 16 and low 32 bits.
    Const(Kind, u16, u32),
    /// A global, by its number in the stream's list.
    Global(u32),
    /// Something built, by its number in the arena.
    Node(u32),
    /// Something that cannot be told: the result of a call or lookup that was itself reported.
    Unknown,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A tuple.
    Tuple,
    /// A list.
    List,
    /// A dict; its parts are keys and values in turn.
    Dict,
    /// A set or frozenset.
    Set,
    /// A frozenset, which does not change any more.
    FrozenSet,
    /// An instance of the class `class`; its parts are the arguments and, after BUILD, the state.
    Instance,
    /// What the function `class` returned; parts as for an instance.
    Result,
    /// What a persistent id stands for: a storage, if `class` is its number in the stream's list.
    Persistent,
    /// An out-of-band buffer.
    Buffer,
    /// An attribute of something, by `getattr`.
    Attribute,
}

/// Something built.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// What it is.
    pub shape: Shape,
    /// True if something in it could be called and is not vetted to be called without conditions.
    pub tainted: bool,
    /// Binary logarithm of its size with every reference written out.
    pub weight: u8,
    /// True if the parts were not kept.
    pub forgotten: bool,
    /// Global or storage it belongs to; `u32::MAX` for containers.
    pub class: u32,
    start: u32,
    len: u32,
}

/// Everything built by one stream.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    nodes: Vec<Node>,
    parts: Vec<Value>,
}

/// No class.
pub const NOBODY: u32 = u32::MAX;
/// Nodes, and parts of nodes, that one stream may hold.
const MAX_HELD: usize = 1 << 25;
/// From this many parts on, those of values made of constants only are not kept.
const SOFT_PARTS: usize = 1 << 22;
/// A container with more parts than this does not keep them.
const MAX_PARTS: usize = 64;
/// The same for one that is filled at once, as picklers fill: nothing has to be moved then.
const MAX_PARTS_AT_ONCE: usize = 2048;

/// The arena is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Value {
    /// A constant whose opcode is at `at`.
    pub fn constant(kind: Kind, at: usize) -> Value {
        let [a, b, c, d, e, f, ..] = u64::try_from(at).unwrap_or(u64::MAX).to_le_bytes();
        Value::Const(kind, u16::from_le_bytes([e, f]), u32::from_le_bytes([a, b, c, d]))
    }
    /// The offset of the opcode of a constant.
    pub fn origin(self) -> Option<usize> {
        match self {
            Value::Const(_, high, low) => usize::try_from(u64::from(high) << 32 | u64::from(low)).ok(),
            _ => None,
        }
    }
    /// True for constants.
    pub fn is_const(self) -> bool {
        matches!(self, Value::Const(..))
    }
}

impl Arena {
    /// A new node with these parts.
    pub fn add(&mut self, shape: Shape, class: u32, tainted: bool, parts: &[Value]) -> Result<Value, Full> {
        if self.nodes.len() >= MAX_HELD {
            return Err(Full);
        }
        let id = u32::try_from(self.nodes.len()).map_err(|_| Full)?;
        self.nodes.push(Node { shape, tainted, weight: 0, forgotten: false, class, start: 0, len: 0 });
        self.extend(id, parts)?;
        Ok(Value::Node(id))
    }
    /// Nodes and parts held.
    pub fn held(&self) -> usize {
        self.nodes.len().saturating_add(self.parts.len())
    }
    /// A node.
    pub fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }
    /// The node behind a value.
    pub fn of(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.node(id),
            _ => None,
        }
    }
    /// Marks a node as holding something that could be called.
    pub fn taint(&mut self, id: u32) {
        if let Some(node) = self.node_mut(id) {
            node.tainted = true;
        }
    }
    /// The parts of a node, if they were kept.
    pub fn parts(&self, value: Value) -> Option<&[Value]> {
        let node = self.of(value)?;
        if node.forgotten {
            return None;
        }
        let start = usize::try_from(node.start).ok()?;
        self.parts.get(start..start.checked_add(usize::try_from(node.len).ok()?)?)
    }
    /// Size of a value with every reference written out, as a binary logarithm.
    pub fn weight(&self, value: Value) -> u8 {
        self.of(value).map_or(0, |node| node.weight)
    }
    /// Adds parts to a node, at the end.
    pub fn extend(&mut self, id: u32, more: &[Value]) -> Result<(), Full> {
        let weight = self.sum(id, more);
        let Some(node) = self.node(id).copied() else {
            return Ok(());
        };
        let (start, len) = (usize::try_from(node.start).unwrap_or(0), usize::try_from(node.len).unwrap_or(0));
        let total = len.saturating_add(more.len());
        let mut new = Node { weight, len: u32::try_from(total).unwrap_or(u32::MAX), ..node };
        let limit = match node.shape {
            Shape::Tuple => usize::MAX,
            _ if len == 0 => MAX_PARTS_AT_ONCE,
            _ => MAX_PARTS,
        };
        let plain = || more.iter().all(|v| v.is_const());
        if node.forgotten || total > limit || (self.parts.len() > SOFT_PARTS && plain()) {
            new.forgotten = true;
        } else if !more.is_empty() {
            if self.parts.len().saturating_add(total) > MAX_HELD {
                return Err(Full);
            }
            if start.saturating_add(len) != self.parts.len() {
                new.start = u32::try_from(self.parts.len()).map_err(|_| Full)?;
                self.parts.extend_from_within(start..start.saturating_add(len));
            }
            self.parts.extend_from_slice(more);
        }
        if let Some(node) = self.node_mut(id) {
            *node = new;
        }
        Ok(())
    }

    fn node_mut(&mut self, id: u32) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(id).ok()?)
    }
    /// Logarithm of the sum of sizes, rounded down.
    fn sum(&self, id: u32, more: &[Value]) -> u8 {
        let own = self.node(id).map_or(0, |node| node.weight);
        let mut sum = 1u128 << own.min(120);
        for &value in more {
            sum = sum.saturating_add(1u128 << self.weight(value).min(120));
        }
        u8::try_from(sum.ilog2()).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_eight_bytes_and_a_node_sixteen() {
        assert_eq!((size_of::<Value>(), size_of::<Node>()), (8, 16));
        let far = Value::constant(Kind::Str, 0xabcd_1234_5678);
        assert_eq!(far.origin(), Some(0xabcd_1234_5678));
    }

    #[test]
    fn parts_grow_in_place_or_move_and_large_containers_forget_them() {
        let mut arena = Arena::default();
        let one = Value::constant(Kind::Int, 1);
        let Value::Node(list) = arena.add(Shape::List, NOBODY, false, &[]).unwrap() else { panic!() };
        arena.extend(list, &[one]).unwrap();
        let tuple = arena.add(Shape::Tuple, NOBODY, false, &[one, one]).unwrap();
        arena.extend(list, &[tuple]).unwrap();
        assert_eq!(arena.parts(Value::Node(list)).unwrap(), [one, tuple]);
        arena.extend(list, &[one; 100]).unwrap();
        assert_eq!(arena.parts(Value::Node(list)), None);
    }

    #[test]
    fn weight_doubles_with_every_level_of_sharing() {
        let mut arena = Arena::default();
        let mut value = arena.add(Shape::Tuple, NOBODY, false, &[]).unwrap();
        for level in 0..200 {
            value = arena.add(Shape::Tuple, NOBODY, false, &[value, value]).unwrap();
            assert!(arena.weight(value) >= level.min(119));
        }
    }
}
