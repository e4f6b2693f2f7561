//! Which globals would have to be allowed for a blocked pickle to pass: a walk over the opcodes that runs nothing.

use super::archive::Archive;
use super::names::{self, Lookup};
use super::stop::Run;
use super::version::Era;
use crate::budget::Limits;
use crate::source::View;

/// Every refused global of the pickle, in order of mention; empty if one of them can never be allowed, or if an opcode
/// is refused as well.
pub(super) fn globals(
    view: &View<'_>,
    archive: Option<&Run<Archive<'_>>>,
    era: &mut Era,
    limits: &Limits,
) -> Vec<String> {
    let found = match archive {
        Some(Ok(archive)) => archive
            .locate(b"data.pkl")
            .ok()
            .flatten()
            .and_then(|at| archive.content(at, "data.pkl").ok())
            .and_then(|bytes| walk(&bytes, 1, era)),
        Some(Err(_)) => None,
        // The object is the fourth of the five pickles; its globals are what matters.
        None => view.head(limits.max_header_bytes.min(1 << 26)).ok().and_then(|bytes| walk(&bytes, 4, era)),
    };
    found.unwrap_or_default()
}

fn walk(bytes: &[u8], pickles: usize, era: &mut Era) -> Option<Vec<String>> {
    let mut missing: Vec<String> = Vec::new();
    let mut rest = bytes;
    let mut stops = 0usize;
    while stops < pickles {
        let (op, after) = rest.split_first()?;
        let skip = match op {
            b'c' => {
                let mut lines = after.splitn(3, |b| *b == b'\n');
                let module = std::str::from_utf8(lines.next()?).ok()?;
                let name = std::str::from_utf8(lines.next()?).ok()?;
                let len = after.len().checked_sub(lines.next()?.len())?;
                let (module, name) = names::python3(era, module, name);
                let full = format!("{module}.{name}");
                if matches!(module.as_str(), "sys" | "os" | "posix" | "nt") {
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
            b'.' => {
                stops = stops.checked_add(1)?;
                0
            }
            b'J' | b'j' | b'r' => 4,
            b'K' | b'h' | b'q' | 0x80 => 1,
            b'M' => 2,
            b'G' => 8,
            b'X' => usize::try_from(u32::from_le_bytes(*after.first_chunk()?)).ok()?.checked_add(4)?,
            b'U' | 0x8a => usize::from(*after.first()?).checked_add(1)?,
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
            | b'Q' => 0,
            _ => return None,
        };
        rest = after.get(skip..)?;
    }
    Some(missing)
}
