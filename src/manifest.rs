//! What is expected: lists of checksums that somebody published.

pub mod sums;
