//! The memo: a table from index to value, with CPython's rules.
//!
//! Dense up to twice as many slots as entries, sparse beyond, so that an index never costs more than its entry.

use super::value::Value;
use std::collections::HashMap;

/// What was memoized.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    dense: Vec<Value>,
    sparse: HashMap<usize, Value>,
    entries: usize,
}

/// Slots that are dense whatever the number of entries.
const ALWAYS_DENSE: usize = 1024;

impl Memo {
    /// Number of entries: the index MEMOIZE writes to.
    pub fn entries(&self) -> usize {
        self.entries
    }
    /// Reads a slot.
    pub fn get(&self, index: usize) -> Option<Value> {
        match self.dense.get(index) {
            Some(Value::Absent) => None,
            Some(value) => Some(*value),
            None => self.sparse.get(&index).copied(),
        }
    }
    /// Writes a slot.
    pub fn put(&mut self, index: usize, value: Value) {
        if index == self.dense.len() && self.sparse.is_empty() {
            self.dense.push(value);
            self.entries = self.entries.saturating_add(1);
            return;
        }
        let before = match self.dense.get_mut(index) {
            Some(slot) => Some(std::mem::replace(slot, value)).filter(|old| *old != Value::Absent),
            None if index < self.entries.saturating_mul(2).max(ALWAYS_DENSE) && self.sparse.is_empty() => {
                self.dense.resize(index, Value::Absent);
                self.dense.push(value);
                None
            }
            None => self.sparse.insert(index, value),
        };
        if before.is_none() {
            self.entries = self.entries.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memoize_counts_entries_not_slots() {
        let mut memo = Memo::default();
        memo.put(7, Value::Unknown);
        assert_eq!((memo.entries(), memo.get(7), memo.get(0)), (1, Some(Value::Unknown), None));
        memo.put(7, Value::Global(1));
        assert_eq!((memo.entries(), memo.get(7)), (1, Some(Value::Global(1))));
        memo.put(1, Value::Unknown);
        memo.put(1 << 40, Value::Global(2));
        memo.put(3, Value::Unknown);
        memo.put(5000, Value::Global(3));
        assert_eq!((memo.entries(), memo.get(1 << 40)), (5, Some(Value::Global(2))));
        assert_eq!(memo.get(5000), Some(Value::Global(3)));
        assert!(memo.dense.len() <= ALWAYS_DENSE);
    }
}
