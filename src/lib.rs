//! mverify answers three questions about a machine-learning model file, offline, before anything loads it:
//! are these the bytes that were expected, can loading them run code, and is the file what it claims to be.
//!
//! The library is silent and pure: it never prints, exits, reads the environment or the clock, and it touches no
//! global thread pool. Whoever calls it decides about mapping, threads and time.
#![deny(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::dbg_macro,
    clippy::exit,
    clippy::todo,
    clippy::unimplemented
)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod budget;
pub mod capability;
pub mod change;
pub mod container;
pub mod digest;
pub mod error;
pub mod finding;
pub mod format;
pub mod inspect;
#[cfg(unix)]
pub mod loader;
pub mod manifest;
pub mod outcome;
pub mod pickle;
pub mod policy;
pub mod profile;
pub mod report;
pub mod rule;
pub mod scan;
pub mod source;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub mod through;
pub mod torch;
#[cfg(feature = "trust")]
pub mod trust;
pub mod verifier;
pub mod walk;

pub use budget::Limits;
pub use error::Error;
pub use finding::Finding;
pub use outcome::{Coverage, Verdict};
pub use report::{Artifact, Report};
pub use rule::{Effect, Rule, Severity};
pub use verifier::{Proof, Verifier};
