//! `torch.save` before 1.6: five pickles one after another (magic number, protocol version, system, the object, the list
//! of storage keys), then for each key the number of elements and the raw bytes.
//!
//! Threat: storages shorter or longer than their tensors claim, bytes hidden behind the last one, pickles that look like
//! the header and are not. Bound: linear in the pickles; a pickle is read in blocks that grow eightfold until it ends,
//! at most `max_header_bytes`, and storages are measured, not read.
//!
//! Source: `torch/serialization.py` 2.15, `_legacy_load` and `_legacy_save`.

use super::{Identity, Role};
use crate::budget::Spent;
use crate::finding::{Finding, shown};
use crate::pickle::{self, Dialect, StorageRef, Summary};
use crate::rule::torch as rules;
use crate::scan::Scan;
use crate::source::View;
use std::collections::HashMap;
use std::io;

/// First look at a pickle, in bytes.
const FIRST: u64 = 1 << 16;

/// Checks a file that starts with torch's magic number.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> io::Result<Identity> {
    let identity = Identity { format: "torch-legacy", role: Role::Loadable };
    let mut at = 0u64;
    let mut storages = Vec::new();
    let mut keys = None;
    for (index, what) in ["magic number", "protocol version", "system", "object", "list of storages"].iter().enumerate()
    {
        let dialect = if index == 3 { Dialect::TorchLegacy } else { Dialect::Plain };
        let read = next_pickle(view, at, dialect, index == 4, scan)?;
        let Some((summary, names)) = read.filter(|(summary, _)| summary.complete && summary.consumed > 0) else {
            scan.report(
                &rules::LEGACY_LAYOUT,
                at,
                format!("the {what} (pickle {} of 5) does not end", index.saturating_add(1)),
            );
            return Ok(identity);
        };
        at = at.saturating_add(summary.consumed);
        storages.extend(summary.storages);
        keys = names;
    }
    let Some(keys) = keys else {
        scan.report(&rules::LEGACY_LAYOUT, at, "the fifth pickle is no list of storage keys");
        return Ok(identity);
    };
    let Some(end) = walk(view, at, &storages, &keys, scan)? else { return Ok(identity) };
    if end < view.len() {
        let message = format!("{} bytes follow the last storage", view.len().saturating_sub(end));
        scan.report(&rules::LEGACY_TRAILING, end, message);
        if let Some(rest) = view.sub(end..view.len()) {
            match scan.enter("(after the storages)") {
                Ok(()) => {
                    super::examine(&rest, "", scan);
                    scan.leave();
                }
                Err(spent) => scan.spent(spent, end),
            }
        }
    }
    Ok(identity)
}

type Read = (Summary, Option<Vec<Vec<u8>>>);

/// Runs the pickle at `at`, and reads it as a list of keys if `list`. Where it does not end in the first block, it is
/// run again over a larger one, and only the last run counts.
fn next_pickle(
    view: &View<'_>,
    at: u64,
    dialect: Dialect,
    list: bool,
    scan: &mut Scan<'_>,
) -> io::Result<Option<Read>> {
    let most = view.len().saturating_sub(at);
    let mut len = FIRST.min(most);
    if len == 0 {
        return Ok(None);
    }
    loop {
        let bytes = view.copy(at..at.saturating_add(len))?;
        let (summary, trial) = scan.trial(|scan| pickle::check(&bytes, at, dialect, scan));
        let limit = scan.budget.limits().max_header_bytes;
        if summary.complete || len == most || len >= limit || scan.budget.ops_left() == 0 {
            scan.keep(trial);
            if !summary.complete && len < most && len >= limit {
                scan.spent(Spent("max_header_bytes"), at);
            }
            let names = list.then(|| keys_of(&bytes)).flatten();
            return Ok(Some((summary, names)));
        }
        len = len.saturating_mul(8).min(most).min(limit);
    }
}

/// Measures the storages from `at`. The end of the last one, or `None` if the file ends before.
fn walk(
    view: &View<'_>,
    mut at: u64,
    refs: &[StorageRef],
    keys: &[Vec<u8>],
    scan: &mut Scan<'_>,
) -> io::Result<Option<u64>> {
    let mut by_key: HashMap<&[u8], &StorageRef> = refs.iter().rev().map(|r| (r.key.as_bytes(), r)).collect();
    for key in keys {
        let shown_key = shown(&String::from_utf8_lossy(key));
        let Some(r) = by_key.remove(key.as_slice()) else {
            let message = format!("the storage '{shown_key}' is listed twice, or no tensor refers to it");
            scan.report(&rules::LEGACY_LAYOUT, at, message);
            return Ok(None);
        };
        let data = at.saturating_add(8);
        let Some(numel) = view.sub(at..data).map(|v| v.copy(0..8)).transpose()? else {
            scan.report(&rules::LEGACY_LAYOUT, at, format!("the file ends before the storage '{shown_key}'"));
            return Ok(None);
        };
        let numel = numel.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n));
        if numel != r.numel {
            let message =
                format!("the storage '{shown_key}' holds {numel} elements, but its tensor claims {}", r.numel);
            scan.report(&rules::CORRUPT_STORAGE, at, message);
            return Ok(None);
        }
        let Some(item) = r.item_bytes else {
            let message =
                format!("the size of the storage '{shown_key}' is not known: its class is '{}'", shown(&r.class));
            scan.report(&rules::UNSIZED_STORAGE, at, message);
            return Ok(None);
        };
        match item.checked_mul(numel).and_then(|len| data.checked_add(len)).filter(|end| *end <= view.len()) {
            Some(end) => at = end,
            None => {
                scan.report(&rules::LEGACY_LAYOUT, at, format!("the file ends inside the storage '{shown_key}'"));
                return Ok(None);
            }
        }
    }
    if let Some(missing) = by_key.values().map(|r| r.key.as_str()).min() {
        let message = format!("the object refers to the storage '{}', which is not listed", shown(missing));
        scan.find(Finding::new(&rules::MISSING_STORAGE, message));
    }
    Ok(Some(at))
}

/// Reads a pickle that is nothing but a list of strings, of any protocol; `None` if it is anything else.
fn keys_of(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    let mut lists = 0u32;
    loop {
        let (&op, after) = rest.split_first()?;
        let line = || memchr::memchr(b'\n', after).and_then(|n| after.split_at_checked(n));
        let mut sized = |width: usize| {
            let (len, body) = after.split_at_checked(width)?;
            let mut wide = [0; 8];
            wide.get_mut(..width)?.copy_from_slice(len);
            let (text, after) = body.split_at_checked(usize::try_from(u64::from_le_bytes(wide)).ok()?)?;
            keys.push(text.to_vec());
            Some(after)
        };
        rest = match op {
            0x80 => after.get(1..)?,
            0x95 => after.get(8..)?,
            b'X' => sized(4)?,
            0x8c | b'U' => sized(1)?,
            b'V' => {
                let (text, after) = line()?;
                keys.push(text.to_vec());
                after.get(1..)?
            }
            b'q' => after.get(1..)?,
            b'r' => after.get(4..)?,
            b'p' => line()?.1.get(1..)?,
            b']' | b'l' => {
                lists = lists.saturating_add(1);
                after
            }
            b'(' | b'a' | b'e' | 0x94 => after,
            b'.' => return (lists == 1).then_some(keys),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_every_protocol() {
        let expected = Some(vec![b"12".to_vec(), b"345".to_vec()]);
        assert_eq!(keys_of(b"(lp0\nV12\np1\naV345\np2\na."), expected);
        assert_eq!(keys_of(b"\x80\x02]q\x00(X\x02\0\0\0\x31\x32q\x01X\x03\0\0\0\x33\x34\x35q\x02e."), expected);
        assert_eq!(keys_of(b"\x80\x04\x95\x10\0\0\0\0\0\0\0]\x94(\x8c\x0212\x94\x8c\x03345\x94e."), expected);
        assert_eq!(keys_of(b"\x80\x02]q\x00."), Some(vec![]));
        assert_eq!(keys_of(b"\x80\x02cos\nsystem\n."), None);
        assert_eq!(keys_of(b"\x80\x02X\xff\0\0\0a."), None);
    }
}
