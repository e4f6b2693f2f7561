//! How bytes that were verified are kept as they are until they are loaded.

use std::path::{Path, PathBuf};

/// What keeps verified bytes from changing. Comparing `stat` before and after is no mode: a shared mapping that was written
/// to earlier changes a file while device, inode, size and times stay equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A copy in memory (a memfd) with all seals set, so that nobody can change it any more, this process included.
    /// Linux. Costs as much memory as the file has bytes; the descriptor can be passed on, so that a host needs one copy.
    #[default]
    Sealed,
    /// A copy on disk, by reference where the file system can do that, in a directory that only this user can enter. It is
    /// removed when the handle goes. Unix. Processes of the same user could still write to it.
    Private,
    /// The file itself, under a read lease that must hold until the load is done ([`super::VerifiedFile::settle`]). Linux,
    /// own files, on file systems with leases. A writer is held back by the system, for 45 seconds unless it was set up
    /// otherwise; then the lease is lost, and what is read afterwards is an error.
    Lease,
    /// The file itself, where fs-verity makes it unchangeable for good (`fsverity enable`): what the kernel measured is
    /// compared with what was read, which takes one more read. Linux; ext4, f2fs and btrfs.
    Verity,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Sealed, Mode::Private, Mode::Lease, Mode::Verity];

    /// Its name, as in `sealed`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Sealed => "sealed",
            Mode::Private => "private",
            Mode::Lease => "lease",
            Mode::Verity => "verity",
        }
    }

    /// The mode with this name.
    ///
    /// ```
    /// use mverify::loader::Mode;
    /// assert_eq!(Mode::named("private"), Some(Mode::Private));
    /// assert_eq!(Mode::named("stat"), None);
    /// ```
    pub fn named(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How to open for loading. The default: sealed, at most half of the memory that is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(super) mode: Mode,
    pub(super) memory: Option<u64>,
    pub(super) directory: Option<PathBuf>,
}

impl Options {
    /// This mode, and the default for the rest.
    pub fn new(mode: Mode) -> Options {
        Options { mode, ..Options::default() }
    }
    /// Most bytes of memory that sealed copies of one call may take, in place of half of what is free. More than is free
    /// is refused nevertheless.
    pub fn memory(mut self, bytes: u64) -> Options {
        self.memory = Some(bytes);
        self
    }
    /// Where private directories are made (default: `/tmp`). A file can be copied by reference only where it lies on the
    /// same file system. No other user may be able to write to the directories above.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Options {
        self.directory = Some(directory.into());
        self
    }
    pub(super) fn place(&self) -> &Path {
        self.directory.as_deref().unwrap_or(Path::new("/tmp"))
    }
}
