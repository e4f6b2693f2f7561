//! Rules about what a policy demands, waives or denies.

use super::rules;

rules! {
    DENIED = "MV-POL-004" Critical Bad, "a content that the policy denies",
        why: "Your policy lists the SHA-256 of this file, or the root digest of its signed manifest, among those that are never accepted.",
        todo: "Do not load it. Find out where it came from.", fixture: "";
    SIGNER_DENIED = "MV-POL-005" High Bad, "a signature by somebody whom the policy denies",
        why: "Your policy lists this key, identity or subject among those that are never accepted: it was revoked, or stolen.",
        todo: "Do not load the model. Ask the publisher for one that is signed anew.", fixture: "";
    SIGNERS_MISSING = "MV-POL-006" Medium Unproven, "not signed by those whom the policy asks for",
        why: "Your policy names who must sign this model. Too few of them did, or not over the same content, or not in time.",
        todo: "Ask the publisher for the missing signatures, or change [[model]] in your policy.", fixture: "";
    WAIVER_ENDED = "MV-POL-007" High Bad, "a waiver has ended",
        why: "Somebody accepted a finding of this file for a time, and that time is over.",
        todo: "Look into the finding again; renew the waiver with a new date, or remove the file.", fixture: "";
    WAIVER_LOST = "MV-POL-008" Low Note, "a waiver is for another content",
        why: "A waiver holds for the bytes that somebody looked at. The file has other ones, so it lost its waiver.",
        todo: "Look into the finding again, then write the new SHA-256 into the waiver.", fixture: "";
    OUT_OF_TIME = "MV-POL-009" Medium Unproven, "outside of the time for which the policy accepts it",
        why: "Your policy accepts this model from a date on, or up to a date, and today is not between them.",
        todo: "Fetch a newer model, or look at its not-before and not-after again.", fixture: "";
    HASH_TOO_WEAK = "MV-POL-010" Medium Unproven, "signed with a weaker hash than the policy asks for",
        why: "Your policy sets a minimum for the hash of signed manifests, and this one uses a shorter one. It is not counted.",
        todo: "Ask the publisher to sign with a longer hash (mverify sign --hash), or lower minimum-hash.", fixture: "";
}
