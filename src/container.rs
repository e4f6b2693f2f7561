//! Archives and compressed streams: what is inside, and whether two readers would agree about it.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

pub mod archive;
pub(crate) mod cursor;
pub mod member;
pub mod stream;
pub mod tar;
pub mod zip;
pub mod zip_audit;
pub mod zip_names;

#[cfg(test)]
mod tests;
