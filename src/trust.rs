//! Who said so: signatures over manifests, verified with what the user trusts and nothing else.
//!
//! The way of a signed manifest: [`Bundle::parse`] (strict), then [`verify`] of the payload's bytes with an [`Anchor`],
//! and only then the statement in those same bytes becomes a [`Manifest`]. No network, no clock (`now` is passed in), no
//! roots but those that the caller names; the keyless roots that are compiled in apply only to identities that the
//! caller names.

mod bundle;
#[cfg(feature = "trust")]
mod certificate;
#[cfg(feature = "trust")]
mod chain;
#[cfg(feature = "trust")]
mod check;
#[cfg(feature = "trust")]
mod der;
mod discover;
mod dsse;
#[cfg(feature = "trust")]
mod key;
#[cfg(feature = "sigstore")]
mod keyless;
#[cfg(feature = "trust")]
mod names;
#[cfg(feature = "trust")]
mod pem;
#[cfg(feature = "trust")]
mod private;
#[cfg(feature = "trust")]
mod sign;
#[cfg(feature = "trust")]
mod verify;

pub use bundle::{Bundle, KeyNamed, MOST_BYTES, Material};
#[cfg(feature = "trust")]
pub use certificate::Certificate;
#[cfg(feature = "trust")]
pub use check::Check;
pub use discover::discover;
#[cfg(feature = "trust")]
pub use key::{Curve, PublicKey};
#[cfg(feature = "trust")]
pub use private::PrivateKey;
#[cfg(feature = "trust")]
pub use sign::{Statement, sign};
#[cfg(feature = "trust")]
pub use verify::{Anchor, How, Verified, verify};

use crate::manifest::oms::Refusal;
use crate::rule::trust;

pub(crate) fn untrusted(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::UNTRUSTED, message)
}

pub(crate) fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::SIGNATURE_WRONG, message)
}
