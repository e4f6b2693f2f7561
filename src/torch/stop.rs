//! Why a load ends early.

/// The end of a load that gives no object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A rule of the restricted unpickler refuses: the rule, the global it is about, and the reason in torch's terms.
    Blocked { rule: &'static str, global: Option<String>, reason: String },
    /// It fails for another reason.
    Corrupt(String),
    /// What happens is not known.
    Doubt(String),
    /// The part of the file that was handed out ended before the load did; more of it is there.
    Window,
}

pub(super) type Run<T> = Result<T, Stop>;

/// Refused by `rule`.
pub(super) fn blocked(rule: &'static str, reason: impl Into<String>) -> Stop {
    Stop::Blocked { rule, global: None, reason: reason.into() }
}

/// Fails in another way.
pub(super) fn corrupt(reason: impl Into<String>) -> Stop {
    Stop::Corrupt(reason.into())
}

/// Not known.
pub(super) fn doubt(reason: impl Into<String>) -> Stop {
    Stop::Doubt(reason.into())
}
