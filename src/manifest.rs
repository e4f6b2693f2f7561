//! What is expected of files: checksum lists, locks, hub caches and whatever else carries digests.

pub mod attestation;
pub mod attested;
pub(crate) mod caches;
pub mod cas;
pub(crate) mod compare;
pub mod differ;
pub mod discover;
pub mod expected;
pub mod git;
pub mod hub;
pub mod index;
pub mod lock;
pub mod named;
pub mod oci;
pub mod oms;
pub mod range;
pub mod sums;
pub mod tree;

pub use compare::{Comparison, Source};
pub use tree::Tolerance;
