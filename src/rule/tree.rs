//! Rules about paths and directories: what a walk meets before any content is read.

use super::rules;

rules! {
    LINK_OUT = "MV-DIR-001" Medium Unproven, "a symbolic link leads out of the directory",
        why: "What a link points to outside of the directory can be changed without touching the directory. It was not followed.",
        todo: "Replace the link by the file it points to, or name that file on the command line as well.", fixture: "";
    LINK_BROKEN = "MV-DIR-002" Medium Unproven, "a symbolic link leads nowhere",
        why: "A loader that is pointed at this directory would fail, or would load whatever is put there later.",
        todo: "Remove the link, or fetch the missing file.", fixture: "";
    SPECIAL_FILE = "MV-DIR-003" Medium Unproven, "not a regular file",
        why: "Pipes, sockets and devices have no content that could be proven: each read may give other bytes.",
        todo: "Remove it from the model directory. To check a stream, pipe it into `mverify -`.", fixture: "";
    CHANGED = "MV-DIR-004" Medium Unproven, "the file changed while it was read",
        why: "The bytes that were checked may not be the bytes that a loader gets.",
        todo: "Stop whatever writes to the file, then run again.", fixture: "";
    TOO_LARGE = "MV-DIR-005" Medium Unproven, "the file is larger than max_file_bytes",
        why: "Files above the limit are not read.",
        todo: "Raise --max-file-bytes if you expect a file of this size.", fixture: "";
    NOTHING_THERE = "MV-DIR-006" Medium Unproven, "the directory holds no file",
        why: "A check that looked at nothing proves nothing: a wrong path must not pass a gate.",
        todo: "Check the path.", fixture: "";
    WRITABLE = "MV-DIR-007" High Bad, "others can write to it",
        why: "Whoever can write to a file, or to a directory above it, can swap it between this check and the load. Reported with --strict-perms.",
        todo: "Take write permission from group and others: chmod -R go-w.", fixture: "";
    FOREIGN = "MV-DIR-008" High Bad, "it belongs to somebody else",
        why: "The owner of a file can change it at any time, whatever its mode. Reported with --strict-perms.",
        todo: "Copy the files to a directory of your own, and check the copy.", fixture: "";
}
