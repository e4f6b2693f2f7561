//! Archives and compressed streams: what is inside, and whether two readers would agree about it.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

pub mod archive;
mod chain;
pub(crate) mod cursor;
pub mod member;
mod stray;
pub mod stream;
pub mod tar;
pub(crate) mod tar_header;
pub(crate) mod unpacked;
pub mod zip;
pub mod zip_audit;
mod zip_content;
pub mod zip_names;

#[cfg(test)]
pub(crate) mod craft;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tar_tests;
#[cfg(test)]
mod tests;
