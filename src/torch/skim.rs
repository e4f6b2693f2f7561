//! A walk over the opcodes that makes no values: which globals a pickle names, and where the unpickler would refuse.
//!
//! Bound: linear, a window of [`CHUNK`] bytes in memory.

use super::archive::Archive;
use super::names::{self, Lookup};
use super::stop::{Run, Stop, blocked, corrupt, doubt};
use super::unpickler::refused_global;
use super::version::{Era, Version};
use crate::budget::Limits;
use crate::source::View;

const CHUNK: u64 = 1 << 20;

/// What stands at the front of some bytes.
enum Op<'a> {
    /// An opcode of this length that names nothing.
    Plain(u64),
    /// GLOBAL: its module and name, and its length.
    Global(&'a [u8], &'a [u8], u64),
    Stop,
    Refused(u8),
    /// The bytes end inside the opcode.
    Cut,
}

fn first(bytes: &[u8]) -> Op<'_> {
    let Some((op, rest)) = bytes.split_first() else { return Op::Cut };
    let len = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let counted = |prefix: u64, count: Option<u64>| count.map_or(Op::Cut, |n| Op::Plain(n.saturating_add(prefix)));
    match op {
        b'c' => {
            let mut lines = rest.splitn(3, |b| *b == b'\n');
            match (lines.next(), lines.next(), lines.next()) {
                (Some(module), Some(name), Some(after)) => {
                    Op::Global(module, name, len(bytes.len()).saturating_sub(len(after.len())))
                }
                _ => Op::Cut,
            }
        }
        b'.' => Op::Stop,
        b'J' | b'j' | b'r' => Op::Plain(5),
        b'K' | b'h' | b'q' | 0x80 => Op::Plain(2),
        b'M' => Op::Plain(3),
        b'G' => Op::Plain(9),
        b'X' => counted(5, rest.first_chunk().map(|n| u64::from(u32::from_le_bytes(*n)))),
        b'U' | 0x8a => counted(2, rest.first().copied().map(u64::from)),
        0x81
        | b'R'
        | b'b'
        | b'a'
        | b'e'
        | b's'
        | b'u'
        | b'('
        | b't'
        | 0x85..=0x87
        | b'N'
        | 0x88
        | 0x89
        | b')'
        | b']'
        | b'}'
        | 0x8f
        | b'Q' => Op::Plain(1),
        other => Op::Refused(*other),
    }
}

/// Every refused global of a blocked pickle, in order of mention; empty if one of them can never be allowed, or if an
/// opcode is refused as well. Whether they *should* be allowed is not said here.
pub(super) fn missing(
    view: &View<'_>,
    archive: Option<&Run<Archive<'_>>>,
    era: &mut Era,
    limits: &Limits,
) -> Vec<String> {
    let found = match archive {
        Some(Ok(archive)) => archive
            .locate(b"data.pkl")
            .and_then(|at| archive.content(at, "data.pkl").ok())
            .and_then(|bytes| missing_of(&bytes, 1, era)),
        Some(Err(_)) => None,
        // The object is the fourth of the five pickles.
        None => view.head(limits.max_header_bytes.min(1 << 26)).ok().and_then(|bytes| missing_of(&bytes, 4, era)),
    };
    found.unwrap_or_default()
}

fn missing_of(bytes: &[u8], pickles: usize, era: &mut Era) -> Option<Vec<String>> {
    let mut missing: Vec<String> = Vec::new();
    let (mut rest, mut stops) = (bytes, 0usize);
    while stops < pickles {
        let skip = match first(rest) {
            Op::Plain(len) => len,
            Op::Stop => {
                stops = stops.checked_add(1)?;
                1
            }
            Op::Global(module, name, len) => {
                let (module, name) = (std::str::from_utf8(module).ok()?, std::str::from_utf8(name).ok()?);
                let (module, name) = names::python3(era, module, name);
                let full = [module, ".", name].concat();
                if matches!(module, "sys" | "os" | "posix" | "nt") {
                    return None;
                }
                if !matches!(names::lookup(era, &full), Lookup::Allowed(_)) && !missing.contains(&full) {
                    if missing.len() >= 64 {
                        return None;
                    }
                    missing.push(full);
                }
                len
            }
            Op::Refused(_) | Op::Cut => return None,
        };
        rest = rest.get(usize::try_from(skip).ok()?..)?;
    }
    Some(missing)
}

/// How the first pickle of a long file that is no torch file fails: it must fail, because the only object that lets the
/// load go on is a number whose bytes `needle` are nowhere in it. `Ok` if those bytes are there, or might be.
pub(super) fn fails(view: &View<'_>, needle: &[u8], era: &mut Era) -> Run<()> {
    let mut at = 0u64;
    // An opcode is looked at only once the window holds all of it that matters; the longest is GLOBAL.
    loop {
        let end = at.saturating_add(CHUNK).min(view.len());
        let chunk = view.copy(at..end).map_err(|_| doubt("the file could not be read"))?;
        if memchr::memmem::find(&chunk, needle).is_some() {
            return Ok(());
        }
        let last = end == view.len();
        let mut rest = &*chunk;
        let mut used = 0u64;
        // Near the end of a window an opcode could be cut, and the needle with it: the next window starts there.
        while last || rest.len() > 512 {
            let step = match first(rest) {
                Op::Plain(9) if rest.first() == Some(&b'G') && !era.since(Version::V2_0) => {
                    return Err(blocked("opcode", "Unsupported operand 71"));
                }
                Op::Plain(len) => len,
                Op::Refused(op) => return Err(blocked("opcode", format!("Unsupported operand {op}"))),
                Op::Stop => return Err(corrupt("RuntimeError: Invalid magic number; corrupt file?")),
                Op::Global(module, name, len) => {
                    let text = std::str::from_utf8(module).ok().zip(std::str::from_utf8(name).ok());
                    let Some((module, name)) = text else {
                        return Err(corrupt("UnicodeDecodeError: 'utf-8' codec can't decode a global's name"));
                    };
                    refused_global(era, module, name)?;
                    len
                }
                Op::Cut if last => return Err(corrupt("EOFError: the file ends before STOP")),
                Op::Cut => break,
            };
            used = used.saturating_add(step);
            match usize::try_from(step).ok().and_then(|step| rest.get(step..)) {
                Some(after) => rest = after,
                None => break,
            }
        }
        if at.saturating_add(used) > view.len() {
            return Err(corrupt("EOFError: the file ends before STOP"));
        }
        if used == 0 {
            // A name longer than the window.
            return Err(Stop::Window);
        }
        at = at.saturating_add(used);
    }
}
