//! Rules about archives and compressed streams.

use super::rules;

rules! {
    ZIP_AMBIGUOUS = "MV-ZIP-001" High Bad, "the archive can be read in two ways",
        why: "Two readers, or one reader and a scanner, would see different content in this archive. Honest writers never make such archives; scanners were bypassed with them (CVE-2025-1944, CVE-2025-1945).",
        todo: "Do not load this file.", fixture: "container/local_name.zip";
    ZIP_TWINS = "MV-ZIP-002" High Bad, "two members that readers take for one",
        why: "Of two members with the same name torch takes one that depends on how many others there are, Python's zipfile the last. torch looks records up without regard to case, so DATA.PKL can stand in for data.pkl.",
        todo: "Do not load this file.", fixture: "container/dup.zip";
    ZIP_HIDDEN = "MV-ZIP-003" High Bad, "bytes in the archive that belong to no member",
        why: "Bytes before, between or after the members are seen by some readers only: a second archive, a pickle in front of it, a member that was taken out of the directory.",
        todo: "Do not load this file.", fixture: "container/prefix.zip";
    ZIP_CHECKSUM = "MV-ZIP-004" High Bad, "a member does not have its checksum or its size",
        why: "The content changed after the archive was written. torch never checks the CRC-32 and loads the changed bytes silently; Python's zipfile refuses them, and scanners built on it skip the member (CVE-2025-10156).",
        todo: "Do not load this file. Fetch it again and compare its digest with the publisher's.", fixture: "container/crc.zip";
    ZIP_UNREAD = "MV-ZIP-005" Medium Unproven, "a member cannot be read",
        why: "It is encrypted, patched, or compressed in a way mverify does not read, so nothing is known of its content.",
        todo: "Unpack the archive and check the member itself.", fixture: "container/encrypted.zip";
    ZIP_UNUSUAL = "MV-ZIP-006" Medium Unvetted, "something in the archive that its writer never writes",
        why: "Comments, directory entries and foreign extra fields are read by nobody here, and torch.save writes none: the file was made or changed by something else.",
        todo: "Ask the publisher how the file was made, or save it again with torch.save.", fixture: "container/comment.pt";
    ZIP_TRUNCATED = "MV-ZIP-007" Medium Unproven, "the archive has no end",
        why: "The directory of a zip archive is at its end. Without it the archive is cut off, or something else that only starts like one.",
        todo: "Fetch the file again.", fixture: "container/truncated.zip";
    ZIP_EMPTY = "MV-ZIP-008" Low Unproven, "the archive holds nothing",
        why: "An archive without members proves nothing: no loader gets weights from it.",
        todo: "Fetch the file again.", fixture: "container/empty.zip";
    ZIP_CHAIN = "MV-ZIP-009" Medium Unvetted, "several archives one after another in one file",
        why: "torch.distributed.checkpoint writes its .distcp files so and notes in .metadata where each begins. Read as one archive, torch sees the first and Python's zipfile the last. Each one was scanned.",
        todo: "Load it with torch.distributed.checkpoint only, or convert it with dcp_to_torch_save.", fixture: "container/chain.distcp";
    MEMBER_NAME = "MV-ARC-001" High Bad, "a member has an unsafe name",
        why: "Names with .., absolute names, backslashes and NULs are taken apart differently by readers, and unpacking them can write outside the chosen folder (zip slip; CVE-2025-23250, CVE-2025-12060).",
        todo: "Do not unpack or load this file.", fixture: "container/dotdot.zip";
    MEMBER_LINK = "MV-ARC-002" High Bad, "a member is a link out of the archive",
        why: "Unpacking it makes a path that leads elsewhere, and a later member can be written through it (CVE-2025-23360).",
        todo: "Do not unpack this file.", fixture: "container/link.tar";
    TAR_AMBIGUOUS = "MV-TAR-001" High Bad, "the tar archive can be read in two ways",
        why: "A tar reader that meets a broken header stops, skips or searches on, each in its own way, so members after it are seen by some readers only.",
        todo: "Do not load this file.", fixture: "container/broken.tar";
    TAR_TRUNCATED = "MV-TAR-002" Medium Unproven, "the tar archive is cut off",
        why: "A member ends after the end of the file, so the archive was not fetched to its end.",
        todo: "Fetch the file again.", fixture: "container/truncated.tar";
    TAR_UNREAD = "MV-TAR-003" Medium Unproven, "a tar member of a kind that is not read",
        why: "Sparse files, devices and vendor extensions are unpacked in ways mverify does not follow.",
        todo: "Unpack the archive where that is safe and check the result.", fixture: "container/sparse.tar";
    STREAM_BROKEN = "MV-STR-001" Medium Unproven, "the compressed stream is broken or cut off",
        why: "What came out before the fault was scanned; what would follow is not known.",
        todo: "Fetch the file again.", fixture: "container/truncated.gz";
    STREAM_TRAILING = "MV-STR-002" Medium Unvetted, "bytes follow the compressed stream",
        why: "Decompressors ignore them, refuse them, or read them as another stream. They were scanned too.",
        todo: "Ask the publisher what they are.", fixture: "container/trailing.gz";
}
