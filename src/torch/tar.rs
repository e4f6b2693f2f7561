//! The tar format of 2016, which torch tries before pickles when it reads a real file: refused under weights_only from
//! 2.6, read up to 2.5 (CVE-2025-32434).

use super::reader::Reader;
use super::stop::{Run, blocked, corrupt, doubt};
use super::unpickler::{Loading, Machine, NoStorages};
use super::value::{Arena, Object, Value};
use super::version::{Era, Version};
use crate::budget::Limits;
use crate::source::View;

/// Whether Python's tarfile takes a file for a tar archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tar {
    No,
    Yes,
    /// It has a valid checksum, and something that is not modelled.
    Perhaps,
}

/// Looks at the first block, as `tarfile.open` does: 512 zero bytes are an empty archive.
pub(super) fn recognise(view: &View<'_>) -> Tar {
    let Ok(head) = view.head(512) else { return Tar::No };
    let Ok(block) = <&[u8; 512]>::try_from(&*head) else { return Tar::No };
    if block.iter().all(|b| *b == 0) {
        return Tar::Yes;
    }
    let (before, rest) = block.split_at(148);
    let (stored, after) = rest.split_at(8);
    let unsigned = before.iter().chain(after).fold(256i64, |sum, b| sum.saturating_add(i64::from(*b)));
    let signed =
        before.iter().chain(after).fold(256i64, |sum, b| sum.saturating_add(i64::from(i8::from_le_bytes([*b]))));
    if !number(stored).is_some_and(|sum| sum == i128::from(unsigned) || sum == i128::from(signed)) {
        return Tar::No;
    }
    let fields = [100..108, 108..116, 116..124, 124..136, 136..148, 329..337, 337..345];
    if !fields.into_iter().all(|field| block.get(field).and_then(number).is_some()) {
        return Tar::No;
    }
    match block.get(156) {
        Some(0 | b'0'..=b'7') => Tar::Yes,
        _ => Tar::Perhaps,
    }
}

/// A number field as Python's `tarfile.nti` reads it; `None` for what it refuses.
fn number(field: &[u8]) -> Option<i128> {
    let (first, rest) = field.split_first()?;
    if matches!(first, 0o200 | 0o377) {
        let value = rest.iter().try_fold(0i128, |n, b| n.checked_mul(256)?.checked_add(i128::from(*b)))?;
        let bits = u32::try_from(rest.len()).ok()?.checked_mul(8)?;
        return if *first == 0o377 { value.checked_sub(1i128.checked_shl(bits)?) } else { Some(value) };
    }
    let space = |b: &u8| matches!(b, b' ' | 9..=13 | 28..=31);
    let text = field.split(|b| *b == 0).next().unwrap_or_default();
    let Some(start) = text.iter().position(|b| !space(b)) else { return Some(0) };
    let end = text.iter().rposition(|b| !space(b))?.checked_add(1)?;
    let text = text.get(start..end)?;
    // int(text, 8): a sign, a prefix, digits with single underscores between them.
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = match digits {
        [b'0', b'o' | b'O', b'_', rest @ ..] | [b'0', b'o' | b'O', rest @ ..] => rest,
        _ => digits,
    };
    let mut value = 0i128;
    for part in digits.split(|b| *b == b'_') {
        if part.is_empty() {
            return None;
        }
        for digit in part {
            let digit = char::from(*digit).to_digit(8)?;
            value = value.checked_mul(8)?.checked_add(i128::from(digit))?;
        }
    }
    if negative { value.checked_neg() } else { Some(value) }
}

/// Loads a tar archive as the version in `era` does.
pub(super) fn load(view: &View<'_>, era: &mut Era, limits: &Limits) -> Run<()> {
    if era.since(Version::V2_6) {
        return Err(blocked("tar", "Cannot use ``weights_only=True`` with files saved in the legacy .tar format."));
    }
    let member = |name: &str| -> Run<Vec<u8>> {
        find(view, name.as_bytes())?.ok_or_else(|| corrupt(format!("KeyError: filename '{name}' not found")))
    };
    // Only the empty form is followed: no storages, no views, no tensors.
    let (storages, tensors, object) = (member("storages")?, member("tensors")?, member("pickle")?);
    let mut load = |bytes: &[u8], expected: &[Expected]| -> Run<()> {
        let mut reader = Reader::new(bytes, false);
        let mut none = NoStorages;
        let mut machine = Machine {
            arena: Arena::new(bytes),
            era: &mut *era,
            storages: &mut none,
            loading: Loading::new(limits.max_ops),
        };
        for expected in expected {
            let value = machine.run(&mut reader)?;
            let fits = match expected {
                Expected::Zero => value == Value::Int(0),
                Expected::Empty => matches!(machine.arena.object(value), Some(Object::List(items)) if items.is_empty()),
                Expected::Anything => true,
            };
            if !fits {
                return Err(doubt("a tar archive that holds tensors is not modelled"));
            }
        }
        Ok(())
    };
    load(&storages, &[Expected::Zero, Expected::Empty])?;
    load(&tensors, &[Expected::Zero])?;
    load(&object, &[Expected::Anything]).map_err(|stop| match stop {
        // Persistent ids mean something here, and are not followed.
        super::stop::Stop::Blocked { rule: "persistent id" | "BINPERSID", .. } => {
            doubt("a tar archive with persistent ids")
        }
        stop => stop,
    })
}

enum Expected {
    Zero,
    Empty,
    Anything,
}

/// The content of the last member with this name, as tarfile finds it.
fn find(view: &View<'_>, wanted: &[u8]) -> Run<Option<Vec<u8>>> {
    let (mut at, mut found) = (0u64, None);
    for _ in 0..1000 {
        let Ok(block) = view.copy(at..at.saturating_add(512)) else { return Ok(found) };
        if block.iter().all(|b| *b == 0) {
            return Ok(found);
        }
        let name = block.get(..100).unwrap_or_default().split(|b| *b == 0).next().unwrap_or_default();
        let size = match number(block.get(124..136).unwrap_or_default()) {
            Some(size) => u64::try_from(size).map_err(|_| doubt("an odd tar member"))?,
            None => return Err(doubt("an odd tar member")),
        };
        if !matches!(block.get(156), Some(0 | b'0' | b'5')) {
            return Err(doubt("an odd tar member"));
        }
        let start = at.saturating_add(512);
        if name == wanted {
            if size > 1 << 26 {
                return Err(doubt("a large tar member"));
            }
            let bytes = view.copy(start..start.saturating_add(size)).map_err(|_| doubt("a cut tar member"))?;
            found = Some(bytes.into_owned());
        }
        at = start.saturating_add(size.div_ceil(512).saturating_mul(512));
    }
    Err(doubt("a tar archive of many members"))
}
