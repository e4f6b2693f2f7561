//! Archives and compressed streams: what is inside, and whether two readers would agree about it.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

pub(crate) mod cursor;
pub mod zip;
