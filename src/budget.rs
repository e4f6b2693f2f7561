//! Limits and what has been spent of them. Budgets count operations and bytes, never time, so an answer is the same on
//! every machine; a deadline is a switch that the caller may set.

use crate::scan::Stop;

/// Upper bounds for one artifact, nested members included. The names are the same in the library, on the command line
/// (`--max-ops`) and in the policy file (`max_ops`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read, in bytes.
    pub max_file_bytes: u64,
    /// Archive members, tensors and key-values together.
    pub max_entries: u64,
    /// Archives within archives, and pickles within pickles.
    pub max_depth: u32,
    /// Largest header or pickle that is held in memory at once, in bytes.
    pub max_header_bytes: u64,
    /// Bytes produced by decompression, all members together.
    pub max_decompressed_bytes: u64,
    /// Decompressed bytes per compressed byte; small members (under 1 MiB) are exempt.
    pub max_ratio: u64,
    /// Pickle opcodes, all streams together.
    pub max_ops: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_file_bytes: 1 << 44,
            max_entries: 2_000_000,
            max_depth: 8,
            max_header_bytes: 1 << 30,
            max_decompressed_bytes: 16 << 30,
            max_ratio: 1_000,
            max_ops: 200_000_000,
        }
    }
}

/// A number with an optional binary unit, as in `16G` or `512KiB`.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.get(digits.len()..)?.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit))
}

/// A limit that was reached, by its name in [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent(pub &'static str);

/// What is left of the limits of one artifact.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Limits,
    entries: u64,
    decompressed: u64,
    ops: u64,
    stop: Stop,
}

impl Budget {
    /// A full budget.
    pub fn new(limits: Limits) -> Self {
        Budget { limits, entries: 0, decompressed: 0, ops: 0, stop: Stop::default() }
    }
    /// The same budget, which also ends when `stop` is set: from then on every spending fails with `timeout`.
    pub fn with_stop(self, stop: Stop) -> Self {
        Budget { stop, ..self }
    }
    /// The limits this budget started from.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Spends `n` pickle opcodes.
    pub fn ops(&mut self, n: u64) -> Result<(), Spent> {
        spend(&mut self.ops, n, self.limits.max_ops, "max_ops", &self.stop)
    }
    /// Spends `n` entries.
    pub fn entries(&mut self, n: u64) -> Result<(), Spent> {
        spend(&mut self.entries, n, self.limits.max_entries, "max_entries", &self.stop)
    }
    /// Spends `n` decompressed bytes.
    pub fn decompressed(&mut self, n: u64) -> Result<(), Spent> {
        spend(&mut self.decompressed, n, self.limits.max_decompressed_bytes, "max_decompressed_bytes", &self.stop)
    }
    /// Opcodes that may still be spent.
    pub fn ops_left(&self) -> u64 {
        self.limits.max_ops.saturating_sub(self.ops)
    }
    /// Decompressed bytes that may still be spent.
    pub fn decompressed_left(&self) -> u64 {
        self.limits.max_decompressed_bytes.saturating_sub(self.decompressed)
    }
}

fn spend(spent: &mut u64, n: u64, limit: u64, name: &'static str, stop: &Stop) -> Result<(), Spent> {
    *spent = spent.saturating_add(n);
    if *spent > limit {
        Err(Spent(name))
    } else if stop.is_set() {
        Err(Spent("timeout"))
    } else {
        Ok(())
    }
}
