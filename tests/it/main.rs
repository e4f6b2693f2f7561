//! The binary as a user runs it. One crate, so that it links once.

#[cfg(unix)]
mod access;
#[cfg(target_os = "linux")]
mod cache;
mod cas;
mod cli;
mod diff;
mod expected;
mod formats;
mod gate;
mod generated;
mod git;
mod grants;
mod hub;
mod inspect;
mod layouts;
mod lock;
mod model;
#[cfg(feature = "trust")]
mod oms;
#[cfg(feature = "trust")]
mod policies;
mod policy;
mod report;
mod rules;
#[cfg(feature = "schema")]
mod schema;
#[cfg(target_os = "linux")]
mod shrink;
#[cfg(feature = "trust")]
mod signers;
mod since;
mod stores;
#[cfg(target_os = "linux")]
mod swap;
mod through;
mod tool;
mod tree;
mod tricks;
mod waivers;
mod weights_only;
mod yaml;
