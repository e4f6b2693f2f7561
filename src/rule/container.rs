//! Rules about archives and compressed streams.

use super::rules;

rules! {
    ZIP_AMBIGUOUS = "MV-ZIP-001" High Bad, "the archive can be read in two ways",
        why: "Two readers, or one reader and a scanner, would see different content in this archive. Honest writers never make such archives.",
        todo: "Do not load this file.", fixture: "zip/dup.pt";
}
