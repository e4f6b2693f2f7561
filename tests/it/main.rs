//! The binary as a user runs it. One crate, so that it links once.

mod cli;
mod report;
#[cfg(feature = "schema")]
mod schema;
mod tool;
