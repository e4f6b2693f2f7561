//! What is expected of files: checksum lists, locks, hub caches and whatever else carries digests.

pub mod discover;
pub mod expected;
pub mod sums;
