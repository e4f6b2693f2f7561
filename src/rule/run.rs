//! Rules about the run itself.

use super::rules;

rules! {
    INTERNAL = "MV-RUN-001" Medium Unproven, "a check of mverify itself failed",
        why: "A defect in mverify ended the check of this file. Nothing is proven about it.",
        todo: "Report the file as SECURITY.md describes, and do not load it.", fixture: "";
    STOPPED = "MV-RUN-002" Medium Unproven, "the run was stopped before this file was done",
        why: "The time given with --timeout was over, or the run was interrupted.",
        todo: "Run again with a larger --timeout.", fixture: "";
}
