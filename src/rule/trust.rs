//! Rules about signatures, and about trees compared with what a manifest lists.

use super::rules;

rules! {
    SIGNATURE_WRONG = "MV-SIG-001" High Bad, "the signature does not verify",
        why: "The manifest was changed after it was signed, or another key signed it.",
        todo: "Do not load the model. Fetch model and signature again, and compare the key with the publisher's.", fixture: "";
    MALFORMED = "MV-SIG-002" Medium Unproven, "the signed manifest cannot be read",
        why: "It is not a bundle as any signing tool writes it, so nothing it says can be relied on.",
        todo: "Fetch the signature again; if it stays so, ask the publisher to sign anew.", fixture: "";
    TWO_READINGS = "MV-SIG-003" High Bad, "the signed manifest can be read in two ways",
        why: "Repeated members or names, unsafe paths, gaps between shards or a root digest that does not fit make two verifiers check two different models. No honest signer writes them.",
        todo: "Do not load the model.", fixture: "";
    UNSUPPORTED = "MV-SIG-004" Medium Unproven, "the signed manifest is of a kind that is not read",
        why: "Media type, predicate, method or hash is none that OpenSSF Model Signing 1.x defines.",
        todo: "Ask the publisher to sign with a current tool.", fixture: "";
    LEGACY = "MV-SIG-005" Medium Unproven, "the manifest has the form of before version 1.0",
        why: "The old form signs a text that leaves more room for confusion (model-signing v0.2.0, `DSSEV1`), so it is only read on demand.",
        todo: "Run again with --allow-legacy if you expect a signature of 2024 or early 2025.", fixture: "";
    UNTRUSTED = "MV-SIG-006" Medium Unproven, "the signer is not one you trust",
        why: "The manifest names another key, the certificate does not lead to an authority you named or is not valid now, or the identity is another one.",
        todo: "Check that you named the right key, authority or identity; else do not load the model.", fixture: "";
    NO_ANCHOR = "MV-SIG-007" Medium Unproven, "nothing was named to trust",
        why: "Anybody can sign anything. Without a key, an authority or an identity that you name, a signature proves nothing.",
        todo: "Name the publisher's key (--key), authority (--ca) or identity (--identity and --issuer).", fixture: "";
    SELF_ASSERTED = "MV-SIG-008" Info Note, "a signature by nobody you named",
        why: "A signature was found beside the model, but no key, authority or identity was named: whoever changed the model could have signed it anew.",
        todo: "Name the publisher's key with `mverify verify PATH --manifest FILE --key KEY`.", fixture: "";
    NO_HINT = "MV-SIG-009" Info Note, "the bundle does not say which key signed it",
        why: "The signature verifies with your key; the bundle just carries no key hint, as bundles of before version 1.1.",
        todo: "Nothing needs to be done.", fixture: "";
    CHANGED = "MV-SIG-010" High Bad, "the content is not what was signed",
        why: "The file was changed after the manifest was made, or was damaged on the way.",
        todo: "Do not load the model. Fetch the file again and verify anew.", fixture: "";
    MISSING = "MV-SIG-011" High Bad, "a listed file is not there",
        why: "The manifest lists a file that the model does not have.",
        todo: "Fetch the model again, completely.", fixture: "";
    EXTRA = "MV-SIG-012" High Bad, "a file that nobody signed",
        why: "The manifest does not list it: it was added later, and a loader may pick it up.",
        todo: "Remove it, or name it with --ignore if you put it there.", fixture: "";
    HIDDEN = "MV-SIG-013" High Bad, "the signer ignores a file that a loader could load",
        why: "What the signer ignores anybody can plant, so only the verifier may decide to tolerate files that loaders act on.",
        todo: "Remove it, or name it with --ignore if you put it there.", fixture: "";
    TOLERATED = "MV-SIG-014" Info Note, "a file without signature that no loader acts on",
        why: "The manifest does not cover it; it was tolerated because its content is inert.",
        todo: "Nothing needs to be done.", fixture: "";
    LINK = "MV-SIG-015" High Bad, "a symbolic link where a file is expected",
        why: "A link can be pointed elsewhere after the check. Links are followed only where the signer recorded and the user allows them, to files inside the model; links to directories never.",
        todo: "Replace the link by the file, or run with --allow-symlinks if the model was signed with links.", fixture: "";
    TENSOR_CHANGED = "MV-SIG-016" Medium Note, "a tensor lies in bytes that are not what was signed",
        why: "The manifest holds digests of parts of the file. These are the tensors of which some bytes lie in a part that differs, as the file declares them now.",
        todo: "Do not load the model; compare these tensors with those of the publisher.", fixture: "";
    RANGE_UNPROVEN = "MV-SIG-017" Medium Unproven, "a part of a file cannot be proven",
        why: "Parts of a file are proven by signed digests of its parts, or by a signed BLAKE3 digest and an outboard that belongs to it. Here there is neither.",
        todo: "Verify the whole file, or ask the publisher to sign with parts (mverify sign --shards 4M).", fixture: "";
    PARTLY_PROVEN = "MV-SIG-018" Info Note, "only a part of the file was proven",
        why: "The tensors that were asked for, and what names them, are what was signed. Nothing was read of the rest of the file, and nothing is said about it.",
        todo: "Nothing needs to be done; run without --tensor to verify all of it.", fixture: "";
    NOT_RELIED_ON = "MV-SIG-019" Info Note, "a signature that is not relied on, beside good ones",
        why: "Several signatures lie with the model. Enough of them are good and by signers you trust; this one is by somebody else, or of a kind that is not read.",
        todo: "Nothing needs to be done.", fixture: "";
    UNATTESTED = "MV-SIG-020" Medium Unproven, "no attestation names the file",
        why: "Attestations of provenance speak about single files. No trusted one has a subject with the digest of this file, so nothing says where it comes from.",
        todo: "Fetch the attestation of this file, or leave the file out with --ignore.", fixture: "";
}
