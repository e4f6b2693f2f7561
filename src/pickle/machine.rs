//! The abstract unpickler: CPython's stack, marks and memo, over symbolic values.
//!
//! One pass, one step per opcode, no recursion: linear in the length of the stream. The stack and the memo hold eight-byte
//! handles; what is built is kept by [`Arena`] in bounded form. Threat: streams made to look harmless to readers that
//! track less than the real machine does.

mod containers;

use super::lexer::{Arg, Defect, Lexer, Op};
use super::memo::Memo;
use super::names::Names;
use super::storage::Storages;
use super::text::Number;
use super::value::{Arena, Full, Kind, NOBODY, Shape, Value};
use super::{Dialect, Summary, constant, opcode as op, text};
use crate::rule::Rule;
use crate::rule::pickle as rules;
use crate::scan::Scan;

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At STOP.
    Stop,
    /// Every unpickler raises here; the text says why.
    Broken(String),
    /// A limit was reached, and that was reported.
    Spent,
}

/// Findings of one rule per stream; a stream that breaks a rule more often is no worse.
const MAX_REPORTS: usize = 16;
/// Values on the stack, marks, and entries of the memo, each; CPython would need ten times the memory.
const MAX_HELD: usize = 1 << 26;
/// Opcodes between two looks at the budget.
const STRIDE: u64 = 4096;
/// A memo index this large, and larger than the stream, is a bomb: CPython allocates 16 bytes per index.
const BOMB_INDEX: usize = 1 << 24;

/// Room on the stack for a small pickle, made at once.
const EXPECTED: usize = 64;

/// The machine in the middle of a stream.
pub(super) struct Machine<'a, 's, 'n> {
    pub(super) bytes: &'a [u8],
    pub(super) base: u64,
    pub(super) dialect: Dialect,
    pub(super) scan: &'s mut Scan<'n>,
    pub(super) depth: u32,
    pub(super) lexer: Lexer<'a>,
    pub(super) arena: Arena,
    pub(super) names: Names,
    pub(super) storages: Storages,
    pub(super) protocol: i64,
    /// Offset of the current opcode.
    pub(super) at: usize,
    /// True for a trial run, in which persistent ids raise as they do in plain `pickle.load`.
    pub(super) trial: bool,
    /// True once something was called, built or constructed.
    pub(super) executed: bool,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    /// Places inside byte strings that were tried as pickles.
    pub(super) probes: usize,
    /// Values copied for trials.
    pub(super) forked: usize,
    reports: Vec<(&'static str, usize)>,
    overrun: bool,
    bomb: bool,
}

/// An opcode that cannot be carried out.
pub(super) enum Stop {
    /// Every unpickler raises.
    Raise(String),
    /// A limit was reached.
    Limit(&'static str),
}

impl From<Defect> for Stop {
    fn from(defect: Defect) -> Self {
        Stop::Raise(match defect {
            Defect::Truncated => "the stream ends before STOP".to_owned(),
            Defect::BadOpcode(code) => format!("there is no opcode 0x{code:02x}"),
            Defect::BadLength => "a length is negative or too large".to_owned(),
            Defect::EmptyLine => "a name is empty".to_owned(),
        })
    }
}

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Stop::Limit("max_values")
    }
}

pub(super) type Step<T = ()> = Result<T, Stop>;

fn raise<T>(why: &str) -> Step<T> {
    Err(Stop::Raise(why.to_owned()))
}

impl<'a, 's, 'n> Machine<'a, 's, 'n> {
    pub(super) fn new(bytes: &'a [u8], base: u64, dialect: Dialect, depth: u32, scan: &'s mut Scan<'n>) -> Self {
        Machine {
            bytes,
            base,
            dialect,
            scan,
            depth,
            lexer: Lexer::new(bytes),
            arena: Arena::default(),
            names: Names::default(),
            storages: Storages::default(),
            protocol: 0,
            at: 0,
            trial: false,
            executed: false,
            stack: Vec::with_capacity(EXPECTED),
            marks: Vec::new(),
            memo: Memo::default(),
            probes: 0,
            forked: 0,
            reports: Vec::new(),
            overrun: false,
            bomb: false,
        }
    }

    /// Runs to the end of the stream, or through at most `max_ops` opcodes.
    pub(super) fn run(&mut self, max_ops: u64) -> End {
        let mut ops = 0u64;
        loop {
            let step = self.step();
            ops = ops.saturating_add(1);
            let mut step = step;
            if ops.is_multiple_of(STRIDE) {
                if let Err(spent) = self.scan.budget.ops(STRIDE) {
                    self.scan.spent(spent, self.offset());
                    return End::Spent;
                }
                if self.stack.len().max(self.marks.len()).max(self.memo.entries()) > MAX_HELD {
                    step = Err(Full.into());
                }
            }
            match step {
                Ok(false) if ops >= max_ops => return End::Spent,
                Ok(false) => {}
                Ok(true) => {
                    let rest = ops % STRIDE;
                    if let Err(spent) = self.scan.budget.ops(rest) {
                        self.scan.spent(spent, self.offset());
                        return End::Spent;
                    }
                    return End::Stop;
                }
                Err(Stop::Raise(why)) => return End::Broken(why),
                Err(Stop::Limit(name)) => {
                    let message = format!("stopped: the pickle holds more values at once than fit the limit {name}");
                    self.scan.report(&crate::rule::format::OVER_BUDGET, self.offset(), message);
                    return End::Spent;
                }
            }
        }
    }

    /// A copy that goes on from here as a trial and reports elsewhere.
    pub(super) fn fork<'t, 'm>(&self, scan: &'t mut Scan<'m>) -> Machine<'a, 't, 'm> {
        Machine {
            bytes: self.bytes,
            base: self.base,
            dialect: self.dialect,
            scan,
            // a trial goes into nothing
            depth: u32::MAX,
            lexer: self.lexer.clone(),
            arena: self.arena.clone(),
            names: self.names.clone(),
            storages: self.storages.clone(),
            protocol: self.protocol,
            at: self.at,
            trial: true,
            executed: self.executed,
            stack: self.stack.clone(),
            marks: self.marks.clone(),
            memo: self.memo.clone(),
            probes: self.probes,
            forked: usize::MAX,
            reports: Vec::new(),
            overrun: self.overrun,
            bomb: self.bomb,
        }
    }
    /// Values held, as a measure of what a copy costs.
    pub(super) fn held(&self) -> usize {
        self.stack.len().saturating_add(self.memo.entries()).saturating_add(self.arena.held())
    }

    /// What the stream holds, at its end.
    pub(super) fn summary(self, complete: bool) -> Summary {
        Summary {
            consumed: u64::try_from(self.lexer.pos()).unwrap_or(u64::MAX),
            complete,
            executed: self.executed,
            storages: self.storages.into_list(),
            globals: self.names.into_list(),
        }
    }

    /// Pushes an object that is not in the stream.
    pub(super) fn push_unknown_object(&mut self) -> Step {
        let object = self.arena.add(Shape::Persistent, NOBODY, false, &[])?;
        self.stack.push(object);
        Ok(())
    }

    /// Offset of the current opcode in the member.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(u64::try_from(self.at).unwrap_or(u64::MAX))
    }

    /// Reports at the current opcode, each rule a bounded number of times.
    pub(super) fn report(&mut self, rule: &'static Rule, message: String) {
        if self.may_report(rule) {
            self.scan.report(rule, self.offset(), message);
        }
    }

    /// True while there are not too many findings of this rule.
    pub(super) fn may_report(&mut self, rule: &'static Rule) -> bool {
        match self.reports.iter_mut().find(|(id, _)| *id == rule.id) {
            Some((_, n)) => {
                *n = n.saturating_add(1);
                *n <= MAX_REPORTS
            }
            None => {
                self.reports.push((rule.id, 1));
                true
            }
        }
    }

    fn diverge(&mut self, what: &str) {
        self.report(&rules::DIVERGENT, format!("unpicklers disagree: {what}"));
    }

    fn step(&mut self) -> Step<bool> {
        self.at = self.lexer.pos();
        let op = self.lexer.next_op();
        if let Some(what) = self.lexer.divergence() {
            // a frame cut short by the end of the file matters only if the stream goes on to its STOP
            if what.starts_with("a frame is longer") { self.overrun = true } else { self.diverge(what) }
        }
        let op = op?;
        match op.code {
            op::STOP => return self.stop().map(|()| true),
            op::NONE => self.constant(Kind::Nothing),
            op::NEWTRUE | op::NEWFALSE => self.constant(Kind::Bool),
            op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4 => self.constant(Kind::Int),
            op::BINFLOAT => self.constant(Kind::Float),
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => {
                let Arg::Data(data) = op.arg else { return Ok(false) };
                if !text::is_utf8_surrogates(data) {
                    return raise("a string is not UTF-8");
                }
                self.constant(Kind::Str);
            }
            op::SHORT_BINSTRING | op::BINSTRING => self.constant(Kind::Str),
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => self.counted_bytes(op),
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE => self.text_operand(op)?,
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => self.pop_or_unmark()?,
            op::POP_MARK => drop(self.pop_mark()?),
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
            }
            op::EMPTY_LIST => self.build_node(Shape::List, &[])?,
            op::EMPTY_DICT => self.build_node(Shape::Dict, &[])?,
            op::EMPTY_SET => self.build_node(Shape::Set, &[])?,
            op::EMPTY_TUPLE => self.build_node(Shape::Tuple, &[])?,
            op::TUPLE1 => self.tuple(1)?,
            op::TUPLE2 => self.tuple(2)?,
            op::TUPLE3 => self.tuple(3)?,
            op::TUPLE => self.since_mark(Shape::Tuple)?,
            op::LIST => self.since_mark(Shape::List)?,
            op::DICT => self.since_mark(Shape::Dict)?,
            op::FROZENSET => self.since_mark(Shape::FrozenSet)?,
            op::APPEND => {
                let value = self.pop()?;
                self.append(&[value], false)?;
            }
            op::APPENDS => {
                let values = self.pop_mark()?;
                self.append(&values, true)?;
            }
            op::ADDITEMS => {
                let values = self.pop_mark()?;
                self.add_items(&values)?;
            }
            op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            op::SETITEMS => {
                let values = self.pop_mark()?;
                if values.len() % 2 != 0 {
                    return raise("SETITEMS with an odd number of values");
                }
                self.set_items(&values)?;
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT => self.put(op)?,
            op::MEMOIZE => {
                let top = self.top()?;
                self.memo.put(self.memo.entries(), top);
            }
            op::GET | op::BINGET | op::LONG_BINGET => self.get(op)?,
            op::GLOBAL => {
                let Arg::Lines(module, name) = op.arg else { return Ok(false) };
                let (Ok(module), Ok(name)) = (std::str::from_utf8(module), std::str::from_utf8(name)) else {
                    return raise("the name of a global is not UTF-8");
                };
                let value = self.import(module, name)?;
                self.stack.push(value);
            }
            op::STACK_GLOBAL => self.stack_global()?,
            op::EXT1 | op::EXT2 | op::EXT4 => self.extension(op)?,
            op::REDUCE => {
                let args = self.pop()?;
                let callee = self.pop()?;
                let value = self.call(callee, args)?;
                self.push_built(value);
            }
            op::NEWOBJ => {
                let args = self.pop()?;
                let class = self.pop()?;
                let value = self.construct(class, args)?;
                self.push_built(value);
            }
            op::NEWOBJ_EX => {
                let keywords = self.pop()?;
                let args = self.pop()?;
                let class = self.pop()?;
                if self.is_const_or(keywords, |s| s != Shape::Dict) {
                    self.diverge("the keywords of NEWOBJ_EX are no dict");
                }
                let value = self.construct_with(class, args, Some(keywords))?;
                self.push_built(value);
            }
            op::OBJ => {
                let values = self.pop_mark()?;
                let Some((&class, args)) = values.split_first() else {
                    return raise("OBJ without a class");
                };
                let args = self.arena.add(Shape::Tuple, NOBODY, self.any_tainted(args), args)?;
                let value = self.instantiate(class, args)?;
                self.push_built(value);
            }
            op::INST => {
                let args = self.pop_mark()?;
                let Arg::Lines(module, name) = op.arg else { return Ok(false) };
                if !(module.is_ascii() && name.is_ascii()) {
                    return raise("the name of a global is not ASCII");
                }
                let class = self.import(&String::from_utf8_lossy(module), &String::from_utf8_lossy(name))?;
                let args = self.arena.add(Shape::Tuple, NOBODY, self.any_tainted(&args), &args)?;
                let value = self.instantiate(class, args)?;
                self.push_built(value);
            }
            op::BUILD => {
                let state = self.pop()?;
                let target = self.top()?;
                self.build(target, state)?;
            }
            op::PERSID | op::BINPERSID if self.trial => return raise("persistent ids need a loader of their own"),
            op::PERSID => self.persistent_text()?,
            op::BINPERSID => {
                let id = self.pop()?;
                let value = self.persistent(id)?;
                self.stack.push(value);
            }
            op::PROTO => {
                let Arg::Int(protocol) = op.arg else { return Ok(false) };
                if protocol > 5 {
                    return Err(Stop::Raise(format!("there is no pickle protocol {protocol}")));
                }
                self.protocol = protocol;
            }
            op::FRAME => {}
            op::NEXT_BUFFER => {
                self.report(&rules::PERSISTENT_ID, "the pickle needs buffers that are stored elsewhere".to_owned());
                let buffer = self.arena.add(Shape::Buffer, NOBODY, false, &[])?;
                self.stack.push(buffer);
            }
            op::READONLY_BUFFER => drop(self.top()?),
            code => return Err(Defect::BadOpcode(code).into()),
        }
        Ok(false)
    }

    // ---- stack, marks and memo

    /// Values below this index belong to an outer mark.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }
    fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.fence() {
            return raise("an opcode takes a value from an empty stack");
        }
        Ok(self.stack.pop().unwrap_or(Value::Unknown))
    }
    fn top(&self) -> Step<Value> {
        if self.stack.len() <= self.fence() {
            return raise("an opcode looks at an empty stack");
        }
        Ok(self.stack.last().copied().unwrap_or(Value::Unknown))
    }
    fn pop_or_unmark(&mut self) -> Step {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }
    fn pop_mark(&mut self) -> Step<Vec<Value>> {
        let Some(mark) = self.marks.pop() else {
            return raise("an opcode looks for a mark that was never set");
        };
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }
    fn put(&mut self, op: Op<'a>) -> Step {
        let top = self.top()?;
        let index = self.memo_index(op)?;
        let Ok(index) = usize::try_from(index) else {
            return raise("a memo index is negative");
        };
        if index > BOMB_INDEX && index > self.bytes.len() {
            self.report(&rules::BOMB, format!("the memo index {index} makes the unpickler allocate that many slots"));
        }
        self.memo.put(index, top);
        Ok(())
    }
    fn get(&mut self, op: Op<'a>) -> Step {
        let index = self.memo_index(op)?;
        match usize::try_from(index).ok().and_then(|i| self.memo.get(i)) {
            Some(value) => {
                self.stack.push(value);
                Ok(())
            }
            None => Err(Stop::Raise(format!("the memo has no entry {index}"))),
        }
    }
    fn memo_index(&mut self, op: Op<'a>) -> Step<i64> {
        match op.arg {
            Arg::Int(index) => Ok(index),
            Arg::Line(line) => match text::index(line) {
                Number::Same(Some(index)) => Ok(index),
                Number::Differs(Some(index)) => {
                    self.diverge("the text of a memo index");
                    Ok(index)
                }
                _ => raise("the text of a memo index is no number"),
            },
            _ => raise("a memo index is missing"),
        }
    }

    // ---- constants

    #[inline]
    fn constant(&mut self, kind: Kind) {
        self.stack.push(Value::constant(kind, self.at));
    }
    fn counted_bytes(&mut self, op: Op<'a>) {
        let kind = if op.code == op::BYTEARRAY8 { Kind::ByteArray } else { Kind::Bytes };
        self.constant(kind);
        if let Arg::Data(data) = op.arg {
            self.look_inside(data);
        }
    }
    fn text_operand(&mut self, op: Op<'a>) -> Step {
        let Arg::Line(line) = op.arg else { return Ok(()) };
        let (kind, number) = match op.code {
            op::INT if matches!(line, b"00" | b"01") => (Kind::Bool, Number::Same(None)),
            op::INT => (Kind::Int, text::int(line)),
            op::LONG => (Kind::Int, text::long(line)),
            op::FLOAT => (Kind::Float, text::float(line)),
            op::STRING if text::is_string(line) => (Kind::Str, Number::Same(None)),
            op::UNICODE if text::is_unicode(line) => (Kind::Str, Number::Same(None)),
            _ => return raise("a text string is not quoted or escaped as it must be"),
        };
        match number {
            Number::Same(_) => {}
            Number::Differs(_) => self.diverge("the text of a number"),
            Number::Neither => return raise("the text of a number is none"),
        }
        self.constant(kind);
        Ok(())
    }

    // ---- names

    fn stack_global(&mut self) -> Step {
        let name = self.pop()?;
        let module = self.pop()?;
        let both = [module, name];
        let value = match (constant::text(self.bytes, module), constant::text(self.bytes, name)) {
            (Some(module), Some(name)) => self.import(&module, &name)?,
            _ if both.iter().any(|v| self.is_plain_but_text(*v)) => {
                return raise("STACK_GLOBAL needs two strings");
            }
            _ => {
                self.report(&rules::HIDDEN_CALLABLE, "the name of a global is computed while loading".to_owned());
                self.executed = true;
                Value::Unknown
            }
        };
        self.stack.push(value);
        Ok(())
    }
    /// True for what is certainly no `str`.
    fn is_plain_but_text(&self, value: Value) -> bool {
        match value {
            Value::Const(kind, ..) => kind != Kind::Str,
            Value::Node(id) => self.arena.node(id).is_some_and(|node| {
                matches!(node.shape, Shape::Tuple | Shape::List | Shape::Dict | Shape::Set | Shape::FrozenSet)
            }),
            Value::Global(_) => true,
            Value::Unknown | Value::Absent => false,
        }
    }
    fn extension(&mut self, op: Op<'a>) -> Step {
        let Arg::Int(code) = op.arg else { return Ok(()) };
        if code <= 0 {
            return raise("an extension code is not positive");
        }
        self.report(&rules::EXTENSION, format!("the global behind extension code {code} is not in the file"));
        self.executed = true;
        self.stack.push(Value::Unknown);
        Ok(())
    }

    fn stop(&mut self) -> Step {
        let value = self.pop()?;
        if self.overrun {
            self.diverge("a frame is longer than the rest of the stream");
        } else if self.lexer.inside_frame() {
            self.diverge("a frame goes on behind STOP");
        }
        self.weigh(value);
        Ok(())
    }
}
