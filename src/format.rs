//! What a file is, by content and never by name, and the checks of each format.
//!
//! [`examine`] identifies, runs the format's own checks and descends into what is inside, on the scan's budget.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

use crate::budget::Spent;
use crate::container;
use crate::finding::Finding;
use crate::pickle::{self, Dialect};
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use detect::{Codec, Kind};
use std::io;

mod config;
pub mod defect;
pub mod detect;
mod ggml;
pub mod gguf;
pub mod git;
mod image;
pub mod jinja;
pub mod json;
mod literal;
mod name;
pub mod npy;
mod opaque;
mod polyglot;
mod python;
pub mod safetensors;
mod sentencepiece;
mod stream;
pub mod tensor;
mod text;
pub mod torch_legacy;
pub mod torch_zip;
pub mod torchscript;

/// What part an artifact plays in a model directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights, pickles, archives: must be proven.
    Loadable,
    /// JSON, YAML, templates that loaders act on.
    Config,
    /// Prose, licences, vocabulary, images.
    Inert,
    /// Scripts, shared objects, executables.
    Code,
    /// None of these.
    Opaque,
}

impl Role {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Role::Loadable => "loadable",
            Role::Config => "config",
            Role::Inert => "inert",
            Role::Code => "code",
            Role::Opaque => "opaque",
        }
    }
}

/// What a file was identified as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Format name used in reports, as in `torch-zip`.
    pub format: &'static str,
    /// Its role.
    pub role: Role,
}

impl Identity {
    const fn new(format: &'static str, role: Role) -> Self {
        Identity { format, role }
    }
}

/// A file whose content could not be told.
const UNKNOWN: Identity = Identity::new("unknown", Role::Opaque);

/// Identifies the content of `view`, checks it, and descends into it. `name` is used only to notice a name that lies.
pub fn examine(view: &View<'_>, name: &str, scan: &mut Scan<'_>) -> Identity {
    let identity = dispatch(view, name, scan).unwrap_or_else(|error| {
        unreadable(&error, scan);
        UNKNOWN
    });
    name::compare(name, identity, scan);
    identity
}

fn dispatch(view: &View<'_>, name: &str, scan: &mut Scan<'_>) -> io::Result<Identity> {
    let kind = detect::identify(view)?;
    let identity = match kind {
        Kind::Empty => return Ok(name::empty(name, scan)),
        Kind::Zip => container::archive::check(view, scan),
        Kind::Tar => container::tar::check(view, scan),
        Kind::Compressed(codec) => match container::stream::check(view, codec, name, scan) {
            Some(identity) => identity,
            None => return unknown(view, scan),
        },
        Kind::Pickle => whole_pickle(view, scan)?,
        Kind::TorchLegacy => torch_legacy::check(view, scan)?,
        Kind::Npy => npy::check(view, scan),
        Kind::Safetensors => safetensors::check(view, scan),
        Kind::Gguf => gguf::check(view, scan),
        Kind::SentencePiece => sentencepiece::check(view, scan),
        Kind::Image(picture) => image::check(view, picture, scan),
        Kind::Text(encoding) if polyglot::is_zlib(view)? => {
            let stream = container::stream::check(view, Codec::Zlib, name, scan);
            text::besides(view, Some(encoding), name, scan)?;
            match stream {
                Some(identity) => identity,
                None => return unknown(view, scan),
            }
        }
        Kind::Text(encoding) if polyglot::is_pickle(view)? => {
            text::besides(view, Some(encoding), name, scan)?;
            whole_pickle(view, scan)?
        }
        Kind::Text(encoding) => text::check(view, encoding, name, scan)?,
        Kind::Opaque(opaque) => opaque.report(scan),
        Kind::Git(identity) => identity,
        Kind::Zeros => {
            let message = "the file begins with zeros, as a preallocated or interrupted download does";
            scan.report(&rules::UNKNOWN_FORMAT, 0, message);
            UNKNOWN
        }
        Kind::Unknown => return unknown(view, scan),
    };
    polyglot::check(view, kind, identity, scan)?;
    if !matches!(kind, Kind::Text(_)) {
        text::besides(view, None, name, scan)?;
    }
    Ok(identity)
}

/// A file that looks like nothing from the front: a pickle without a header, a zip behind other bytes, or not known.
fn unknown(view: &View<'_>, scan: &mut Scan<'_>) -> io::Result<Identity> {
    if polyglot::is_pickle(view)? {
        let identity = whole_pickle(view, scan)?;
        polyglot::check(view, Kind::Pickle, identity, scan)?;
        return Ok(identity);
    }
    if polyglot::zip_behind(view, false)?.is_some() {
        return Ok(container::archive::check(view, scan));
    }
    scan.find(Finding::new(&rules::UNKNOWN_FORMAT, "the content is of no known format"));
    Ok(UNKNOWN)
}

fn whole_pickle(view: &View<'_>, scan: &mut Scan<'_>) -> io::Result<Identity> {
    pickled(view, scan)?;
    Ok(Identity::new("pickle", Role::Loadable))
}

/// Scans a file of raw pickles, up to `max_header_bytes`.
fn pickled(view: &View<'_>, scan: &mut Scan<'_>) -> io::Result<pickle::Summary> {
    let limit = scan.budget.limits().max_header_bytes;
    let bytes = view.head(limit)?;
    let summary = pickle::check_file(&bytes, scan);
    if view.len() > limit {
        scan.spent(Spent("max_header_bytes"), limit);
    }
    Ok(summary)
}

/// Scans the pickle that begins at `at`, and gives the number of bytes it takes; `None` if it does not end.
fn embedded_pickle(view: &View<'_>, at: u64, scan: &mut Scan<'_>) -> io::Result<Option<u64>> {
    let end = view.len().min(at.saturating_add(scan.budget.limits().max_header_bytes));
    let bytes = view.copy(at..end)?;
    let summary = pickle::check(&bytes, at, Dialect::Plain, scan);
    if !summary.complete {
        scan.report(&rules::TRUNCATED, at, "the pickle here does not come to its end");
        return Ok(None);
    }
    Ok(Some(summary.consumed))
}

/// Reports bytes that could not be read.
pub(crate) fn unreadable(error: &io::Error, scan: &mut Scan<'_>) {
    scan.find(Finding::new(&rules::UNREADABLE, format!("reading failed: {error}")));
}

impl Codec {
    /// Format name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Zlib => "zlib",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
            Codec::Lzma => "lzma",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
            Codec::ZFile => "joblib-zfile",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::examine;
    use crate::{Verdict, rule};

    #[test]
    fn native_code_is_not_ok() {
        let found = examine(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "tool");
        assert_eq!(found.identity, Identity::new("elf", Role::Code));
        assert_eq!(found.verdict(), Verdict::Unknown);
    }

    #[test]
    fn binary_junk_is_unknown() {
        let found = examine(&[7, 1, 200, 3, 9, 255, 0, 0, 1], "x.bin");
        assert_eq!(found.identity, UNKNOWN);
        assert!(found.has(&rule::format::UNKNOWN_FORMAT));
        assert_eq!(found.verdict(), Verdict::Unknown);
    }
}
