//! Rules about what `torch.load` makes of a file.

use super::rules;

rules! {
    CORRUPT_STORAGE = "MV-TOR-001" High Bad, "a storage does not have the size its tensor claims",
        why: "torch before 2.10 reads past such a storage (CVE-2026-24747), and mmap=True reads into the next record on every version.",
        todo: "Do not load this file. Fetch it again, and report it if it stays so.", fixture: "torch/storage_size.pt";
}
