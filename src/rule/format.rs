//! Rules about what a file is, and about formats that hold no pickle.

use super::rules;

rules! {
    UNREADABLE = "MV-FMT-001" Medium Unproven, "the file could not be read",
        why: "Nothing can be said about bytes that could not be read.",
        todo: "Check the path and its permissions, and run again.", fixture: "";
    UNKNOWN_FORMAT = "MV-FMT-002" Medium Unproven, "the content is of no format mverify knows",
        why: "A file that cannot be parsed cannot be proven safe: some loader may read it as something else.",
        todo: "Convert the weights to safetensors, or keep the file away from loaders.", fixture: "format/opaque.bin";
    OVER_BUDGET = "MV-FMT-003" Medium Unproven, "a limit was reached before the file was fully read",
        why: "Hostile files try to exhaust scanners. What lies past the limit was not looked at, so nothing is proven.",
        todo: "If you trust the source, raise the named limit and run again.", fixture: "";
}
