//! Streams: one after another in a file, with or without anything between them.
//!
//! STOP ends a stream, not the file: a loader may go on reading. Every further stream is run, and where bytes lie between
//! that are none, the search goes on behind them, for a bounded number of places. Linear: each probe is bounded, and so is
//! their number.

use super::globals::Standing;
use super::machine::{End, Machine};
use super::{Dialect, Summary, opcode};
use crate::capability;
use crate::rule::{self, pickle as rules};
use crate::scan::Scan;
use std::collections::HashSet;

/// Opcodes that a probe runs before it takes a stream for a pickle.
const PROBE_OPS: u64 = 1 << 16;
/// Bytes a probe looks at.
const PROBE_BYTES: usize = 1 << 20;
/// Streams at the start of a text that are probed.
const PROBED_STREAMS: usize = 4;
/// Places behind garbage that are tried as the start of a stream.
const MAX_PROBES: usize = 4096;
/// Streams that are run in one file.
const MAX_STREAMS: usize = 1 << 20;
/// Globals that are listed for one file.
const MAX_KNOWN: usize = 1 << 16;
/// Bytes that a probe behind garbage looks at.
const RESYNC_BYTES: usize = 1 << 12;

/// Runs one stream and reports what it does and how it breaks.
pub(super) fn run(bytes: &[u8], base: u64, dialect: Dialect, depth: u32, scan: &mut Scan<'_>) -> Summary {
    if depth > scan.budget.limits().max_depth {
        scan.spent(crate::budget::Spent("max_depth"), base);
        return Summary::default();
    }
    let mut machine = Machine::new(bytes, base, dialect, depth, scan);
    let end = machine.run(u64::MAX);
    if let End::Broken(why) = &end {
        machine.report(&rules::MALFORMED, format!("the pickle breaks off: {why}"));
    }
    for name in machine.names.iter() {
        let full = name.full();
        let standing = match name.standing {
            Standing::Vetted(_) if crate::torch::allows(&full) => capability::Standing::WeightsOnly,
            Standing::Vetted(_) => capability::Standing::Vetted,
            Standing::Dangerous(_) => capability::Standing::Dangerous,
            Standing::Covered | Standing::Unvetted => capability::Standing::Unvetted,
        };
        machine.scan.capabilities.global(full, standing);
    }
    machine.summary(end == End::Stop)
}

/// Runs a file of streams from its start and accounts for every byte of it.
pub(super) fn run_file(bytes: &[u8], scan: &mut Scan<'_>) -> Summary {
    let mut whole = Summary { complete: true, ..Summary::default() };
    let mut known = HashSet::new();
    let mut probes = 0usize;
    let mut intact = true;
    let mut at = 0usize;
    for streams in 0usize.. {
        if streams > MAX_STREAMS {
            scan.report(&rule::format::OVER_BUDGET, offset(at), "stopped: too many pickles in one file");
            whole.complete = false;
            break;
        }
        let mut rest = bytes.get(at..).unwrap_or_default();
        if streams > 0 {
            let padding = rest.iter().take_while(|b| matches!(b, 0 | b'\n' | b'\r' | b' ' | b'\t')).count();
            rest = rest.get(padding..).unwrap_or_default();
            at = at.saturating_add(padding);
            if rest.is_empty() {
                break;
            }
            let skip = if intact && goes_on(rest, scan) { Some(0) } else { resync(rest, &mut probes, scan) };
            if skip != Some(0) && whole.complete {
                scan.report(&rules::TRAILING, offset(at), "bytes behind the pickle are no pickle and no padding");
                whole.complete = false;
            }
            let Some(skip) = skip else { break };
            rest = rest.get(skip..).unwrap_or_default();
            at = at.saturating_add(skip);
        }
        let Summary { consumed, complete, storages, executed, globals } =
            run(rest, offset(at), Dialect::Plain, 0, scan);
        intact = complete;
        whole.complete &= complete;
        whole.executed |= executed;
        whole.storages.extend(storages);
        whole.globals.extend(globals.into_iter().filter(|name| known.len() < MAX_KNOWN && known.insert(name.clone())));
        at = at.saturating_add(usize::try_from(consumed).unwrap_or(usize::MAX));
        if consumed == 0 {
            break;
        }
    }
    whole.consumed = offset(bytes.len());
    whole
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

/// True if what follows a stream directly is another one.
fn goes_on(rest: &[u8], scan: &Scan<'_>) -> bool {
    let starts = matches!(rest, [0x80, 0..=5, next, ..] if opcode::operand(*next).is_some());
    starts || probe(rest, PROBE_BYTES, scan).is_some_and(|p| p.stop || p.unbroken || p.named || p.executed)
}

/// True if the bytes are a pickle to a loader: they run to STOP, or reach a global or an opcode that executes.
pub(super) fn plausible(bytes: &[u8], scan: &Scan<'_>) -> bool {
    plausible_within(bytes, PROBE_BYTES, scan)
}

/// What a bounded run without reports showed.
struct Probe {
    /// It reached STOP.
    stop: bool,
    /// It reached the bound without breaking.
    unbroken: bool,
    /// It named a global that is known, good or bad.
    known: bool,
    /// It named any global.
    named: bool,
    /// It called or built something.
    executed: bool,
    /// It did something bad.
    bad: bool,
    /// It named something dangerous.
    dangerous: bool,
    /// Bytes read.
    consumed: usize,
}

fn probe(bytes: &[u8], limit: usize, scan: &Scan<'_>) -> Option<Probe> {
    let cut = bytes.get(..limit.min(bytes.len()))?;
    let mut quiet = Scan::new(scan.settings);
    let mut machine = Machine::new(cut, 0, Dialect::Plain, u32::MAX, &mut quiet);
    machine.trial = true;
    let end = machine.run(PROBE_OPS);
    let consumed = machine.lexer.pos();
    let (executed, named, known) = (machine.executed, !machine.names.is_empty(), machine.names.any_known());
    drop(machine);
    let unbroken = end == End::Spent || (cut.len() < bytes.len() && consumed.saturating_add(64) > cut.len());
    let bad = quiet.findings().iter().any(|f| f.severity >= crate::rule::Severity::High);
    let dangerous = quiet.findings().iter().any(|f| f.severity >= crate::rule::Severity::Critical);
    Some(Probe { stop: end == End::Stop, unbroken, known, named, executed, bad, dangerous, consumed })
}

fn plausible_within(bytes: &[u8], limit: usize, scan: &Scan<'_>) -> bool {
    let text = is_text(bytes);
    let mut rest = bytes;
    for _ in 0..PROBED_STREAMS {
        if let [0x80, 0..=5, next, ..] = rest
            && opcode::operand(*next).is_some()
        {
            return true;
        }
        let Some(probe) = probe(rest, limit, scan) else { return false };
        if probe.known || probe.executed || (probe.named && probe.stop) {
            return true;
        }
        if !probe.stop {
            // two lines of a word list can read as a global
            return (probe.unbroken || probe.named) && !text;
        }
        // a few letters of prose can be a constant and a full stop: what comes behind them decides
        rest = rest.get(probe.consumed..).unwrap_or_default();
        if !text || rest.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
    }
    false
}

/// True for what looks like text in its first kilobytes.
fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(RESYNC_BYTES)).unwrap_or_default();
    let utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    utf8 && !head.iter().any(|&b| b < b' ' && !b.is_ascii_whitespace())
}

/// Offset of a stream that names something dangerous, anywhere in a byte string.
pub(super) fn hidden(bytes: &[u8], probes: &mut usize, scan: &Scan<'_>) -> Option<usize> {
    search(bytes, probes, scan, |_, probe| probe.dangerous)
}

/// Offset of the next stream behind garbage, if one is found.
fn resync(rest: &[u8], probes: &mut usize, scan: &Scan<'_>) -> Option<usize> {
    search(rest, probes, scan, |at, probe| probe.bad || (at == 0 && probe.stop) || (probe.stop && probe.named))
}

fn search(rest: &[u8], probes: &mut usize, scan: &Scan<'_>, found: impl Fn(usize, &Probe) -> bool) -> Option<usize> {
    let starts = memchr::memchr3_iter(0x80, b'c', b'(', rest);
    for at in starts {
        let tail = rest.get(at..)?;
        let likely = match tail {
            [0x80, 0..=5, next, ..] => opcode::operand(*next).is_some(),
            [b'c', line @ ..] | [b'(', b'i', line @ ..] => is_name(line),
            _ => false,
        };
        if !likely {
            continue;
        }
        *probes = probes.saturating_add(1);
        if *probes > MAX_PROBES {
            return None;
        }
        let probe = probe(tail, RESYNC_BYTES, scan)?;
        if found(at, &probe) {
            return Some(at);
        }
    }
    None
}

/// True if a module name and a newline come first.
fn is_name(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(128)).unwrap_or_default();
    let end = memchr::memchr(b'\n', head).unwrap_or(0);
    end > 0
        && head
            .get(..end)
            .is_some_and(|name| name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')))
}
