//! Rules about what `torch.load` makes of a file.

use super::rules;

rules! {
    CORRUPT_STORAGE = "MV-TOR-001" High Bad, "a storage does not have the size its tensor claims",
        why: "torch before 2.10 reads past such a storage (CVE-2026-24747), and mmap=True reads into the next record on every version.",
        todo: "Do not load this file. Fetch it again, and report it if it stays so.", fixture: "torch/storage_size.pt";
    WEIGHTS_ONLY_REFUSES = "MV-TOR-002" Medium Note, "torch.load(weights_only=True) refuses the file",
        why: "weights_only=True is torch's default since 2.6 and loads only what its own list allows. This file needs more, or uses an opcode that is not allowed.",
        todo: "Where an add_safe_globals call is shown you may use it; otherwise save the checkpoint again with tensors and plain values only.", fixture: "torch/namespace.pt";
    DANGEROUS_VERSION = "MV-TOR-003" Medium Note, "dangerous on a torch version that was asked for",
        why: "weights_only=True did not protect on this version: TorchScript and tar files ran their code up to 2.5.1 (CVE-2025-32434), and SETITEM and storage sizes were unchecked up to 2.9.1 (CVE-2026-24747).",
        todo: "Load it with torch 2.10 or newer.", fixture: "";
    SETITEM_TARGET = "MV-TOR-004" High Bad, "the pickle sets items on what is no mapping",
        why: "torch up to 2.9.1 does so under weights_only=True, on tensors too, which corrupts memory (CVE-2026-24747). torch.save never writes this.",
        todo: "Do not load this file.", fixture: "torch/setitem_list.pt";
    MALFORMED_ARCHIVE = "MV-TOR-101" Medium Unproven, "not an archive torch.load takes",
        why: "A torch zip has one root folder with data.pkl and version in it. torch refuses this one, or reads it otherwise than it looks.",
        todo: "Fetch the file again, or save it again with torch.save.", fixture: "torch/no_version.pt";
    COMPRESSED_STORAGE = "MV-TOR-102" High Bad, "a storage is compressed",
        why: "torch.load(mmap=True), which transformers and diffusers use, takes the raw bytes at the record's place: the same file is then two different models. torch.save never compresses.",
        todo: "Do not load this file. Save the weights again with torch.save or safetensors.", fixture: "torch/deflated_storage.pt";
    MISSING_STORAGE = "MV-TOR-103" Medium Unproven, "a storage is missing",
        why: "The pickle refers to a record that the archive does not hold, so torch.load fails.",
        todo: "Fetch the file again.", fixture: "torch/missing_storage.pt";
    UNUSED_RECORD = "MV-TOR-104" Medium Unvetted, "a record under data/ that no tensor refers to",
        why: "torch.save writes no such record; something was added to the file or taken out of its pickle.",
        todo: "Ask the publisher how the file was made.", fixture: "torch/unused_record.pt";
    UNSIZED_STORAGE = "MV-TOR-105" Medium Unproven, "a storage whose size cannot be checked",
        why: "Its class is not one of torch's storage classes, so the size of its elements is not known.",
        todo: "Ask the publisher how the file was made.", fixture: "torch/unsized_storage.pt";
    AFTER_PICKLE = "MV-TOR-106" Medium Unvetted, "bytes after the end of the pickle",
        why: "torch.load stops at the end of the pickle and ignores what follows; torch.save writes nothing there.",
        todo: "Ask the publisher what the bytes are.", fixture: "torch/after_pickle.pt";
    LEGACY_LAYOUT = "MV-TOR-107" Medium Unproven, "a legacy checkpoint that is cut off or put together wrongly",
        why: "A file of torch.save before 1.6 is five pickles and then each storage with its length. This one ends early or does not follow that order, so torch.load fails or reads other bytes.",
        todo: "Fetch the file again.", fixture: "torch/cut.legacy.pt";
    LEGACY_TRAILING = "MV-TOR-108" Medium Unvetted, "bytes after the last storage of a legacy checkpoint",
        why: "torch.load ignores them; torch.save writes nothing there.",
        todo: "Ask the publisher what the bytes are.", fixture: "torch/trailing.legacy.pt";
    TORCH_TAR = "MV-TOR-109" High Bad, "a checkpoint in torch's oldest tar format",
        why: "torch up to 2.5.1 unpickles it without limits even under weights_only=True (CVE-2025-32434), and loaders that answer torch's refusal by loading again without weights_only make it a bypass.",
        todo: "Do not load this file. Convert it with a torch you can throw away, in a sandbox.", fixture: "torch/legacy.tar";
    TORCHSCRIPT = "MV-TOR-110" Medium Note, "TorchScript: the archive holds code",
        why: "torch.load hands it to torch.jit.load, which runs the program inside when the model is used. torch up to 2.5.1 does so under weights_only=True too (CVE-2025-32434).",
        todo: "Load it only where running its tensor operations is acceptable; ask for a safetensors version.", fixture: "torch/script.pt";
    SCRIPT_FILES = "MV-TOR-111" Critical Bad, "TorchScript code that reads or writes files",
        why: "aten::save and aten::from_file and the file operations of torchvision and torchaudio reach the file system of whoever runs the model.",
        todo: "Do not load this file.", fixture: "torch/script_save.pt";
    SCRIPT_OPERATOR = "MV-TOR-112" Medium Unvetted, "TorchScript code that calls an unknown operator",
        why: "Operators outside torch's own namespaces come from extension libraries, and nothing is known about what they do.",
        todo: "Find out which library registers the operator and what it does.", fixture: "torch/script_custom.pt";
}
