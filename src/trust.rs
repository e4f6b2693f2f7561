//! Who said so: signatures over manifests, verified with what the user trusts and nothing else.
//!
//! The way of a signed manifest: [`Bundle::parse`] (strict), then [`verify()`] of the payload's bytes with an [`Anchor`],
//! and only then the statement in those same bytes becomes a manifest. No network, no clock (`now` is passed in), no
//! roots but those that the caller names; the keyless roots that are compiled in apply only to identities that the
//! caller names.

mod bundle;
mod certificate;
mod chain;
mod check;
mod der;
mod discover;
mod dsse;
mod ecdsa;
mod key;
#[cfg(feature = "sigstore")]
mod keyless;
mod names;
mod partial;
mod pem;
mod private;
mod several;
mod sign;
pub(crate) mod signers;
mod trusted;
mod verify;

pub use bundle::{Bundle, KeyNamed, MOST_BYTES, Material};
pub use certificate::Certificate;
pub use check::Check;
pub use discover::{discover, is_bundle_name};
pub use key::{Curve, PublicKey};
pub use partial::OUTBOARD;
pub use private::PrivateKey;
pub use several::{Judged, Suffices, judge, lines, settle};
pub use sign::{Statement, sign};
pub use trusted::Trusted;
pub use verify::{Anchor, How, Verified, verify, verify_statement};

use crate::manifest::oms::Refusal;
use crate::rule::trust;

pub(crate) fn untrusted(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::UNTRUSTED, message)
}

pub(crate) fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::new(&trust::SIGNATURE_WRONG, message)
}
