//! Rules about what was expected of a file or a directory, by whomever, and did not hold.

use super::rules;

rules! {
    CHANGED = "MV-INT-001" Critical Bad, "the content is not the expected one",
        why: "Size or digest differ from what is expected: the file was altered, swapped or damaged on its way.",
        todo: "Do not load this file. Fetch it again from a source you trust, or find out who changed it.", fixture: "";
    MISSING = "MV-INT-002" High Bad, "an expected file is not there",
        why: "A list names a file that does not exist. What loads the directory may fall back to another file, or fail.",
        todo: "Fetch the model again, completely.", fixture: "";
    EXTRA = "MV-INT-003" High Bad, "a file that nobody expects",
        why: "A lock or signed manifest lists everything that a loader may act on, and this file is not in it: it was added or renamed since.",
        todo: "Remove it. Or review it, and write the lock again with `mverify lock --update`, or have the model signed anew.", fixture: "";
    LINKED = "MV-INT-004" High Bad, "a symbolic link stands where a file is expected",
        why: "A link can be pointed elsewhere after the check, and what it points to may lie outside of the directory.",
        todo: "Replace the link by the file, or review it and write the lock again with `mverify lock --update`.", fixture: "";
    NOT_COVERED = "MV-INT-005" Medium Note, "a list of checksums leaves out a file that a loader could load",
        why: "A list that covers some files and not this one says nothing about it: it may have been added later.",
        todo: "Ask the publisher for a complete list, or pin the directory yourself with `mverify lock`.", fixture: "";
    LIST_MALFORMED = "MV-INT-006" Low Note, "a list of checksums has lines that cannot be read",
        why: "Only lines in the forms of sha256sum, b3sum and BSD tools count; nothing is guessed from the others.",
        todo: "Write the list again with `mverify hash`, sha256sum or b3sum.", fixture: "";
    UNSAFE_NAME = "MV-INT-007" Medium Note, "a list names a path outside of its directory",
        why: "A list speaks for its own directory. Absolute paths, `..` and empty parts are not followed.",
        todo: "Write the list again with paths relative to its directory.", fixture: "";
    LOCK_MALFORMED = "MV-INT-008" Medium Unproven, "a lock that cannot be read",
        why: "A lock lies beside the files and says nothing that can be relied on: it was cut off, or edited by hand.",
        todo: "Write it again with `mverify lock`, or remove it.", fixture: "";
    INDEX_BROKEN = "MV-IDX-001" High Bad, "an index of shards is broken or leads out of its directory",
        why: "Loaders open whatever file the index names. One that is ambiguous, or names files elsewhere, lets them load what was never checked.",
        todo: "Do not load this model. Fetch the index again.", fixture: "";
    INDEX_DISAGREES = "MV-IDX-002" High Bad, "a shard does not hold what the index says",
        why: "The index tells which tensor lies in which shard. Where they disagree, files of two models were mixed, or tensors were added.",
        todo: "Fetch index and shards again, all of one revision.", fixture: "";
    EXTRA_SHARD = "MV-IDX-003" High Bad, "a shard that the index does not list",
        why: "Tools that load by pattern take it for a part of the model; those that read the index do not.",
        todo: "Remove it, or fetch index and shards again.", fixture: "";
    TWINS_DISAGREE = "MV-IDX-004" Medium Note, "the same weights in two formats differ",
        why: "Which of the two is loaded depends on the loader. They should hold the same tensors.",
        todo: "Find out which one the publisher means, and remove the other.", fixture: "";
    STORE_BROKEN = "MV-OCI-001" Medium Unproven, "a manifest of a model store cannot be relied on",
        why: "An OCI index or manifest, or one of Ollama's, is missing, malformed or can be read in two ways (CVE-2021-41190), so what it says about the blobs counts for nothing.",
        todo: "Pull the model again.", fixture: "";
    STORE_PATH = "MV-OCI-002" High Bad, "a manifest of a model store unpacks a layer where it should not",
        why: "Clients write each layer to the path in its annotation. One that leads out of the folder overwrites files of the user; two on one path, or on spellings of one path, hide each other.",
        todo: "Do not pull or unpack this model.", fixture: "";
    STORE_UNLISTED = "MV-OCI-003" Low Note, "a blob that no manifest lists",
        why: "It is left over from a model that was removed or updated, or was put there by somebody else.",
        todo: "Remove it with the tool that keeps the store.", fixture: "";
    NAME_COLLIDES = "MV-NAM-001" Medium Unvetted, "two names that are one on other systems",
        why: "On macOS and Windows only one of the two files survives a copy, so which content is loaded depends on the system.",
        todo: "Rename one of them.", fixture: "";
    NAME_RESERVED = "MV-NAM-002" Low Note, "a name that other systems cannot hold",
        why: "Device names, trailing dots and separators make the file vanish or land elsewhere when it is copied to such a system.",
        todo: "Rename it.", fixture: "";
    FORMAT_NOT_ALLOWED = "MV-POL-001" High Bad, "a format that the policy does not allow",
        why: "Your policy lists the formats that files may have which loaders act on. This file has another.",
        todo: "Convert the file, or add its format to `formats` in mverify.toml.", fixture: "";
    SOURCE_NOT_ALLOWED = "MV-POL-002" High Bad, "a source that the policy does not allow",
        why: "Your policy lists where models may come from. This one comes from elsewhere.",
        todo: "Do not load it, or add its source to `sources` in mverify.toml.", fixture: "";
    SOURCE_UNKNOWN = "MV-POL-003" Medium Unproven, "nothing tells where it comes from",
        why: "Your policy lists where models may come from, and neither a hub cache nor a lock that you named says where this one does.",
        todo: "Check it in the cache it was downloaded to, or name its lock with --lock.", fixture: "";
    SIGNATURE_LOST = "MV-INT-012" High Bad, "it was signed when it was locked, and is not any more",
        why: "The lock remembers who signed a file. The same file without that signature, or signed by somebody else, is what a replaced publisher leaves behind; an older signature by the same signer is what a step back to an old release brings.",
        todo: "Find out why, then review the signature and write the lock again with `mverify lock --update`.", fixture: "";
    NEW_CAPABILITY = "MV-INT-013" Medium Unvetted, "it can do more than was reviewed",
        why: "The lock records which globals the file names, which templates it carries and which code it refers to. This one is not among them: it came in after the review, or this mverify sees more than the one that wrote the lock.",
        todo: "Look at it (mverify diff, mverify inspect), then write the lock again with `mverify lock --update`.", fixture: "";
    NOT_LOCKED = "MV-INT-014" Medium Unproven, "a file outside of the directory that the lock is of",
        why: "You named a lock, and it pins another directory than the one that holds this file. Nothing that you trust says what the file should be.",
        todo: "Lock the directory that you check, as in `mverify lock .`, name a lock of this file too, or check only what is locked.", fixture: "";
    OTHER_ORIGIN = "MV-INT-009" High Bad, "the files come from elsewhere than the lock says",
        why: "The lock names a repository of the hub, and these files lie in the cache of another one.",
        todo: "Load the repository that the lock names, or review the other and lock it.", fixture: "";
    CONTRADICTION = "MV-INT-010" Medium Note, "two sources contradict each other",
        why: "Each says what the content of the file must be, and they do not agree: one of them is outdated, belongs to another revision, or was changed.",
        todo: "Find out which of them the publisher means, and fetch file and lists again from one revision.", fixture: "";
}
