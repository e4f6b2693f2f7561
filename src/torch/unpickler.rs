//! torch's restricted unpickler, opcode by opcode, over objects that are only modelled.
//!
//! Threat: the stream is hostile, and a wrong "it loads" is the worst answer. Whatever is not modelled exactly ends in
//! [`Stop::Doubt`]. Bound: one step per opcode plus one per item that a call iterates over, both paid from `fuel`; no
//! recursion over the input.

use super::names::{self, Known, Lookup};
use super::reader::Reader;
use super::stop::{Run, Stop, blocked, corrupt, doubt};
use super::value::{Arena, Forgotten, Key, Mapping, Object, Value};
use super::version::{Era, Version};
use std::collections::HashMap;

/// Where storages come from, and what a persistent id means.
pub(super) trait Storages {
    /// `persistent_load(pid)`; `pid` passed the unpickler's own check.
    fn load(&mut self, arena: &mut Arena<'_>, era: &mut Era, pid: Value) -> Run<Value>;
    /// The first bytes of a storage's content, at most `limit`; `None` where they are not known.
    fn content(&self, storage: &super::value::Storage, limit: u64) -> Option<Vec<u8>>;
}

/// The unpickler outside the one pickle that may name storages.
pub(super) struct NoStorages;

impl Storages for NoStorages {
    fn load(&mut self, _: &mut Arena<'_>, _: &mut Era, _: Value) -> Run<Value> {
        Err(blocked("persistent id", "unsupported persistent id encountered"))
    }
    fn content(&self, _: &super::value::Storage, _: u64) -> Option<Vec<u8>> {
        None
    }
}

/// The state of one load, which may span several pickles.
pub(super) struct Machine<'a, 's, 'e> {
    pub arena: Arena<'a>,
    pub era: &'e mut Era,
    pub storages: &'s mut dyn Storages,
    pub loading: Loading,
}

/// What is left to spend, and what is to be checked at the end.
pub(super) struct Loading {
    fuel: u64,
    /// Sparse tensors whose indices are checked once all data is there.
    pub sparse: Vec<super::sparse::Unchecked>,
}

impl Loading {
    pub fn new(max_ops: u64) -> Self {
        Loading { fuel: max_ops, sparse: Vec::new() }
    }
    /// Pays for `n` steps.
    pub fn spend(&mut self, n: usize) -> Run<()> {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        self.fuel = self.fuel.checked_sub(n).ok_or_else(|| doubt("stopped at the limit max_ops"))?;
        Ok(())
    }
}

/// Stack, marks and memo of one pickle.
///
/// torch keeps a stack per mark; here they lie on top of each other, and none reaches below the last mark.
#[derive(Default)]
struct Frame {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    /// Objects that 2.15 makes only at BUILD.
    pending: usize,
}

/// The memo: dense as real picklers write it, sparse past a jump.
#[derive(Default)]
struct Memo {
    dense: Vec<Value>,
    sparse: HashMap<u32, Value>,
}

impl Memo {
    fn put(&mut self, index: u32, value: Value) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at == self.dense.len() && !self.sparse.contains_key(&index) {
            self.dense.push(value);
        } else if let Some(slot) = self.dense.get_mut(at) {
            *slot = value;
        } else {
            self.sparse.insert(index, value);
        }
    }
    fn get(&self, index: u32) -> Option<Value> {
        self.sparse.get(&index).or_else(|| self.dense.get(usize::try_from(index).ok()?)).copied()
    }
}

impl Frame {
    /// The values since the last mark.
    fn since_mark(&self) -> &[Value] {
        self.stack.get(self.marks.last().copied().unwrap_or(0)..).unwrap_or_default()
    }
    fn pop(&mut self) -> Run<Value> {
        let top = self.since_mark().last().copied().ok_or_else(|| corrupt("IndexError: pop from empty list"))?;
        self.stack.pop();
        Ok(top)
    }
    fn top(&self) -> Run<Value> {
        self.since_mark().last().copied().ok_or_else(|| corrupt("IndexError: list index out of range"))
    }
    fn replace(&mut self, value: Value) {
        self.stack.pop();
        self.stack.push(value);
    }
    fn pop_mark(&mut self) -> Run<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| corrupt("IndexError: pop from empty list (no mark)"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }
    /// The last `n` values, taken off.
    fn take(&mut self, n: usize) -> Run<Vec<Value>> {
        if self.since_mark().len() < n {
            return Err(corrupt("IndexError: list index out of range"));
        }
        Ok(self.stack.split_off(self.stack.len().saturating_sub(n)))
    }
}

impl<'a> Machine<'a, '_, '_> {
    /// Runs one pickle up to its STOP and gives its object.
    pub fn run(&mut self, reader: &mut Reader<'a>) -> Run<Value> {
        let mut frame = Frame::default();
        loop {
            self.loading.spend(1)?;
            let [op] = reader.exactly::<1>("EOFError: the file ends before STOP")?;
            if op == b'.' {
                if frame.pending > 0 {
                    return Err(blocked("NEWOBJ", "Object created by NEWOBJ was not initialized by BUILD"));
                }
                return frame.pop();
            }
            self.step(op, reader, &mut frame)?;
        }
    }

    fn step(&mut self, op: u8, reader: &mut Reader<'a>, frame: &mut Frame) -> Run<()> {
        match op {
            b'c' => {
                let value = self.global(reader)?;
                frame.stack.push(value);
            }
            0x81 => {
                let args = frame.pop()?;
                let class = frame.pop()?;
                let made = self.new_object(class, args)?;
                frame.stack.push(made);
            }
            b'R' => {
                let args = frame.pop()?;
                let func = frame.top()?;
                let made = self.reduce(func, args)?;
                frame.replace(made);
            }
            b'b' => {
                let state = frame.pop()?;
                let instance = frame.top()?;
                self.build(instance, state)?;
            }
            b'a' => {
                let item = frame.pop()?;
                let list = frame.top()?;
                self.extend(list, &[item], "append to")?;
            }
            b'e' => {
                let items = frame.pop_mark()?;
                let list = frame.top()?;
                self.extend(list, &items, "extend")?;
            }
            b's' => {
                let value = frame.pop()?;
                let key = frame.pop()?;
                self.set_items(frame, &[key, value], "SETITEM")?;
            }
            b'u' => {
                let items = frame.pop_mark()?;
                self.set_items(frame, &items, "SETITEMS")?;
            }
            b'(' => frame.marks.push(frame.stack.len()),
            b't' => {
                let items = frame.pop_mark()?;
                let tuple = self.arena.tuple(items)?;
                frame.stack.push(tuple);
            }
            0x85..=0x87 => {
                let items = frame.take(usize::from(op.saturating_sub(0x84)))?;
                let tuple = self.arena.tuple(items)?;
                frame.stack.push(tuple);
            }
            b'N' => frame.stack.push(Value::None),
            0x88 => frame.stack.push(Value::Bool(true)),
            0x89 => frame.stack.push(Value::Bool(false)),
            b')' => {
                let tuple = self.arena.tuple(Vec::new())?;
                frame.stack.push(tuple);
            }
            b']' => {
                let list = self.arena.add(Object::List(Vec::new()))?;
                frame.stack.push(list);
            }
            b'}' => {
                let dict = self.arena.add(Object::Mapping(Mapping::Dict, Vec::new()))?;
                frame.stack.push(dict);
            }
            0x8f => {
                let set = self.arena.add(Object::Set(Vec::new()))?;
                frame.stack.push(set);
            }
            b'J' => {
                let number = i32::from_le_bytes(reader.exactly("struct.error: unpack requires a buffer of 4 bytes")?);
                frame.stack.push(Value::Int(i64::from(number)));
            }
            b'K' => {
                let number = reader.byte()?;
                frame.stack.push(Value::Int(i64::from(number)));
            }
            b'M' => {
                let number = u16::from_le_bytes(reader.exactly("struct.error: unpack requires a buffer of 2 bytes")?);
                frame.stack.push(Value::Int(i64::from(number)));
            }
            b'G' if self.era.since(Version::V2_0) => {
                let number = reader.exactly("struct.error: unpack requires a buffer of 8 bytes")?;
                frame.stack.push(Value::Float(f64::from_be_bytes(number)));
            }
            b'X' => {
                let len = u32::from_le_bytes(reader.exactly("struct.error: unpack requires a buffer of 4 bytes")?);
                let text = self.read_text(reader, len, true)?;
                frame.stack.push(text);
            }
            b'U' => {
                let len = reader.byte()?;
                let text = self.read_text(reader, u32::from(len), false)?;
                frame.stack.push(text);
            }
            b'Q' => {
                let pid = frame.pop()?;
                let storage = self.persistent(pid)?;
                frame.stack.push(storage);
            }
            b'h' | b'j' => {
                let index = memo_index(op == b'h', reader)?;
                let value = frame.memo.get(index);
                frame.stack.push(value.ok_or_else(|| corrupt(format!("KeyError: {index}: no such memo entry")))?);
            }
            b'q' | b'r' => {
                let index = memo_index(op == b'q', reader)?;
                let value = frame.top()?;
                frame.memo.put(index, value);
            }
            0x8a => {
                let len = reader.byte()?;
                let bytes = reader.upto(usize::from(len))?;
                let number = self.long(bytes)?;
                frame.stack.push(number);
            }
            0x80 => {
                reader.byte()?;
            }
            _ => return Err(blocked("opcode", format!("Unsupported operand {op}"))),
        }
        Ok(())
    }

    fn global(&mut self, reader: &mut Reader<'a>) -> Run<Value> {
        let text = |line: &'a [u8]| {
            std::str::from_utf8(line)
                .map_err(|e| corrupt(format!("UnicodeDecodeError: 'utf-8' codec can't decode a global's name: {e}")))
        };
        let module = text(reader.line()?)?;
        let name = text(reader.line()?)?;
        refused_global(self.era, module, name).map(Value::Known)
    }

    fn read_text(&mut self, reader: &mut Reader<'a>, len: u32, surrogates: bool) -> Run<Value> {
        let start = u32::try_from(reader.position()).map_err(|_| doubt("the pickle is longer than 4 GiB"))?;
        let bytes = reader.upto(usize::try_from(len).unwrap_or(usize::MAX))?;
        if !(std::str::from_utf8(bytes).is_ok() || surrogates && is_utf8_with_surrogates(bytes)) {
            return Err(corrupt("UnicodeDecodeError: 'utf-8' codec can't decode a string"));
        }
        if bytes.len() < usize::try_from(len).unwrap_or(usize::MAX) {
            return Err(corrupt("EOFError: the file ends inside a string"));
        }
        Ok(Value::Text(start, len))
    }

    /// A little-endian two's complement integer.
    pub fn long(&mut self, bytes: &[u8]) -> Run<Value> {
        let negative = bytes.last().is_some_and(|b| *b >= 0x80);
        let fill = if negative { 0xff } else { 0 };
        let mut end = bytes.len();
        // Drop sign bytes that say nothing.
        while let Some(last) = end.checked_sub(1)
            && bytes.get(last) == Some(&fill)
            && last.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(|b| (*b >= 0x80) == negative)
        {
            end = last;
        }
        let short = bytes.get(..end).unwrap_or_default();
        if short.len() > 8 {
            return self.arena.add(Object::Big(short.into()));
        }
        let mut wide = [fill; 8];
        for (to, from) in wide.iter_mut().zip(short) {
            *to = *from;
        }
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn extend(&mut self, list: Value, items: &[Value], verb: &str) -> Run<()> {
        let room = self.arena.hold(items.len());
        let name = self.arena.type_name(list);
        match self.arena.object_mut(list) {
            Some(Object::List(held)) if room => held.extend_from_slice(items),
            Some(held @ Object::List(_)) => *held = Object::Forgotten(Forgotten::List),
            Some(Object::Forgotten(Forgotten::List)) => {}
            _ => {
                return Err(blocked("APPEND", format!("Can only {verb} lists, but got {}", class(name))));
            }
        }
        Ok(())
    }

    fn set_items(&mut self, frame: &Frame, items: &[Value], op: &'static str) -> Run<()> {
        let strict = self.era.since(Version::V2_10);
        if items.is_empty() && !strict {
            return Ok(());
        }
        let target = frame.top()?;
        if strict && !self.arena.is_mapping(target) {
            let name = class(self.arena.type_name(target));
            let kinds = "dict, collections.OrderedDict, collections.Counter";
            return Err(blocked(op, format!("Can only {op} for {kinds}, but got {name}")));
        }
        if !items.len().is_multiple_of(2) {
            return Err(corrupt("IndexError: list index out of range: a key without a value"));
        }
        let room = self.arena.hold(items.len());
        for pair in items.as_chunks::<2>().0 {
            let [key, value] = *pair;
            if !self.arena.is_mapping(target) {
                self.set_item(target, key, value)?;
                continue;
            }
            self.arena.must_hash(key)?;
            match self.arena.object_mut(target) {
                Some(Object::Mapping(_, held)) if room => held.push((key, value)),
                Some(held) => {
                    if let Object::Mapping(kind, _) = held {
                        *held = Object::Forgotten(Forgotten::Mapping(*kind));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// `target[key] = value` for what is no mapping, as torch allowed up to 2.9 (CVE-2026-24747).
    fn set_item(&mut self, target: Value, key: Value, value: Value) -> Run<()> {
        let index = match key {
            Value::Bool(truth) => Some(i64::from(truth)),
            Value::Int(number) => Some(number),
            _ => None,
        };
        let name = self.arena.type_name(target);
        let at = |len: usize| {
            let len = i64::try_from(len).ok()?;
            let index = index?;
            let at = if index < 0 { index.checked_add(len)? } else { index };
            usize::try_from(at).ok().filter(|_| at < len)
        };
        match self.arena.object_mut(target) {
            Some(Object::List(items)) => match at(items.len()).and_then(|at| items.get_mut(at)) {
                Some(slot) => *slot = value,
                None => return Err(corrupt("list assignment index out of range, or not an integer")),
            },
            Some(Object::ByteArray(len, bytes)) => {
                let inside = at(usize::try_from(*len).unwrap_or(usize::MAX));
                let byte = match value {
                    Value::Bool(truth) => Some(u8::from(truth)),
                    Value::Int(number) => u8::try_from(number).ok(),
                    _ => None,
                };
                let (Some(at), Some(byte)) = (inside, byte) else {
                    return Err(corrupt("bytearray assignment out of range, or not an integer"));
                };
                if let Some(slot) = bytes.as_mut().and_then(|b| b.get_mut(at)) {
                    *slot = byte;
                }
            }
            Some(Object::Tensor(tensor)) => {
                let rows = tensor.sizes.first().and_then(|n| usize::try_from(*n).ok());
                let plain = !tensor.odd && !tensor.requires_grad && tensor.layout == super::value::Layout::Strided;
                let number = matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_));
                let int = matches!(key, Value::Int(_));
                if !(plain && number && int && rows.is_some_and(|rows| at(rows).is_some())) || tensor.dtype.quantized()
                {
                    return Err(doubt("a tensor item is set in a way that is not modelled"));
                }
            }
            Some(Object::Untyped(_) | Object::Typed(_) | Object::Forgotten(_) | Object::Foreign(_)) => {
                return Err(doubt(format!("an item of a {name} is set, which is not modelled")));
            }
            _ => return Err(corrupt(format!("TypeError: '{name}' object does not support item assignment"))),
        }
        Ok(())
    }

    fn persistent(&mut self, pid: Value) -> Run<Value> {
        let first = match (pid, self.arena.object(pid)) {
            (Value::Int(_), _) | (_, Some(Object::Big(_))) => None,
            (_, Some(Object::Tuple(items, _))) => items.first().copied(),
            (_, Some(Object::Forgotten(Forgotten::Tuple))) => return Err(doubt("a forgotten tuple as persistent id")),
            // Up to 2.8 other types went on to persistent_load, which asserts a tuple: refused all the same, except
            // in the tar format, whose loader is modelled without persistent ids.
            _ => {
                let name = class(self.arena.type_name(pid));
                return Err(blocked("BINPERSID", format!("persistent_load id must be tuple or int, but got {name}")));
            }
        };
        if let Some(first) = first {
            let is_storage = match (self.arena.text(first), self.arena.object(first)) {
                (Some(text), _) => text == b"storage",
                (_, Some(Object::Bytes(Some(bytes)))) if bytes.is_ascii() => bytes == b"storage",
                (_, Some(Object::Bytes(_))) => {
                    return Err(corrupt("UnicodeDecodeError: 'ascii' codec can't decode byte"));
                }
                _ => false,
            };
            if !is_storage {
                let name = class(self.arena.type_name(first));
                let reason = format!("Only persistent_load of storage is allowed, but got {name}");
                return Err(blocked("BINPERSID", reason));
            }
        }
        self.no_foreign(&[pid])?;
        self.storages.load(&mut self.arena, self.era, pid)
    }

    /// The items of an iterable, as `*value` gives them.
    pub fn iterate(&mut self, value: Value) -> Run<Vec<Value>> {
        let name = self.arena.type_name(value);
        if let Some(text) = self.arena.text(value) {
            let chars: Vec<Box<[u8]>> = characters(text).map(Into::into).collect();
            self.loading.spend(chars.len())?;
            return chars.into_iter().map(|c| self.arena.add(Object::Text(c))).collect();
        }
        let items = match self.arena.object(value) {
            Some(Object::Tuple(items, _) | Object::Size(items) | Object::List(items)) => items.clone(),
            Some(Object::Bytes(Some(bytes)) | Object::ByteArray(_, Some(bytes))) => {
                bytes.iter().map(|b| Value::Int(i64::from(*b))).collect()
            }
            Some(Object::Mapping(_, pairs)) => {
                let keys: Vec<Value> = pairs.iter().map(|(key, _)| *key).collect();
                self.loading.spend(keys.len().saturating_mul(8))?;
                self.distinct(keys)?
            }
            Some(Object::Set(items)) => {
                let items = items.clone();
                self.loading.spend(items.len().saturating_mul(8))?;
                let items = self.distinct(items)?;
                if items.len() > 1 {
                    return Err(doubt("the order of a set is not known"));
                }
                items
            }
            Some(
                Object::Tensor(_)
                | Object::Untyped(_)
                | Object::Typed(_)
                | Object::Forgotten(_)
                | Object::Bytes(None)
                | Object::ByteArray(..)
                | Object::Exception
                | Object::Foreign(_),
            ) => return Err(doubt(format!("iterating over a {name} is not modelled"))),
            _ => return Err(corrupt(format!("TypeError: '{name}' object is not iterable"))),
        };
        self.loading.spend(items.len())?;
        Ok(items)
    }

    /// Values without those that equal an earlier one.
    pub fn distinct(&self, values: Vec<Value>) -> Run<Vec<Value>> {
        if values.len() <= 1 {
            return Ok(values);
        }
        let mut seen = std::collections::HashSet::new();
        let mut kept = Vec::with_capacity(values.len());
        for value in values {
            if seen.insert(self.arena.key(value)?) {
                kept.push(value);
            }
        }
        Ok(kept)
    }

    /// The entries of a mapping, later values of a key in the place of earlier ones.
    pub fn entries(&mut self, value: Value) -> Run<Vec<(Value, Value)>> {
        let Some(Object::Mapping(_, pairs)) = self.arena.object(value) else {
            return Err(doubt("the content of a mapping is not known"));
        };
        let pairs = pairs.clone();
        self.loading.spend(pairs.len().saturating_mul(8))?;
        if pairs.len() <= 1 {
            return Ok(pairs);
        }
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut kept: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            match places.get(&self.arena.key(key)?).and_then(|at| kept.get_mut(*at)) {
                Some(slot) => slot.1 = value,
                None => {
                    places.insert(self.arena.key(key)?, kept.len());
                    kept.push((key, value));
                }
            }
        }
        Ok(kept)
    }
}

/// What GLOBAL makes of a name, or how it refuses.
pub(super) fn refused_global(era: &mut Era, module: &str, name: &str) -> Run<Known> {
    let (module, name) = names::python3(era, module, name);
    let full = [module, ".", name].concat();
    let stop = if matches!(module, "sys" | "os" | "posix" | "nt") && era.since(Version::V2_5) {
        format!("Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
    } else {
        match names::lookup(era, &full) {
            Lookup::Allowed(known) => return Ok(known),
            Lookup::Numpy1 => {
                return Err(doubt(format!(
                    "the profile allows {full} only where numpy 1 is installed; under numpy 2 it goes by another name"
                )));
            }
            Lookup::Unimported(module) => format!("``{module}`` must be imported to load {full}"),
            Lookup::Refused if era.since(Version::V2_4) => {
                // from 2.7 on the message leaves the module of built-ins away
                let shown = full.strip_prefix("builtins.").filter(|_| era.since(Version::V2_7)).unwrap_or(&full);
                format!("Unsupported global: GLOBAL {shown} was not an allowed global by default.")
            }
            Lookup::Refused => format!("Unsupported class {full}"),
        }
    };
    Err(Stop::Blocked { rule: "global", global: Some(full), reason: stop })
}

fn memo_index(short: bool, reader: &mut Reader<'_>) -> Run<u32> {
    if short {
        return reader.byte().map(u32::from);
    }
    reader.exactly("struct.error: unpack requires a buffer of 4 bytes").map(u32::from_le_bytes)
}

/// `<class 'dict'>`.
pub(super) fn class(name: &str) -> String {
    format!("<class '{name}'>")
}

/// UTF-8 in which lone surrogates are allowed (Python's `surrogatepass`).
fn is_utf8_with_surrogates(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => return true,
            Err(error) => {
                let Some((_, tail)) = rest.split_at_checked(error.valid_up_to()) else { return false };
                match tail {
                    [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] => rest = after,
                    _ => return false,
                }
            }
        }
    }
}

/// The characters of a string, as their bytes.
fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let len = match rest.first()? {
            0..=0x7f => 1,
            0..=0xdf => 2,
            0..=0xef => 3,
            _ => 4,
        };
        let (head, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some(head)
    })
}
