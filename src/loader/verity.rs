//! Files that fs-verity keeps from changing: the kernel refuses to open them for writing, for good, and checks every page
//! that it reads from the disk against a tree of hashes whose root it keeps. So what was hashed once stays.

use std::fs::File;

/// True if fs-verity is enabled for this very inode.
#[cfg(target_os = "linux")]
pub(super) fn is_enabled(file: &File) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};
    statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).is_ok_and(|found| {
        let verity = StatxAttributes::VERITY;
        found.stx_attributes_mask.contains(verity) && found.stx_attributes.contains(verity)
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_enabled(_: &File) -> bool {
    false
}
