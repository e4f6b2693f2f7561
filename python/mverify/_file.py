"""A file that was verified and is kept as it was."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from . import _native, _options
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack


class VerifiedFile:
    """A verified file, as `mverify.open` returns it. A context manager; everything it hands out is what was verified.

    Raises ValueError once it is closed. What was mapped or opened before stays valid.
    """

    def __init__(self, handle: _native.Handle) -> None:
        self._handle = handle

    @property
    def path(self) -> str:
        """A path by which loaders of this process can open the bytes, while this is open: `/proc/self/fd/N`, or that of
        the private copy."""
        return os.fspath(self._handle.path())

    def fileno(self) -> int:
        """The descriptor. It belongs to this; its offset is shared by all who use it."""
        return self._handle.fileno()

    def file(self) -> BinaryIO:
        """A file object of its own for reading, at the start; the caller closes it."""
        return os.fdopen(self._handle.descriptor(False), "rb")

    def share(self) -> int:
        """A descriptor that spawned processes inherit (`pass_fds` of subprocess): one copy for all ranks of a host. Over
        there, `mverify.open(f"/proc/self/fd/{n}", ...)` verifies it without another copy. The caller closes it."""
        return self._handle.descriptor(True)

    def bytes(self) -> bytes:
        """All bytes, copied into memory of this process."""
        return self._handle.bytes()

    @property
    def report(self) -> Report:
        """The report that let it through; `report.ok` is true."""
        return Report(self._handle.report())

    def settle(self) -> None:
        """Raises NotProven if a lease was lost (mode "lease"). `with` calls it at the end of the block; call it before
        what was loaded is used. The other modes cannot fail."""
        self._handle.settle()

    def close(self) -> None:
        """Gives descriptor, memory and copy back. May be called twice."""
        self._handle.close()

    def __enter__(self) -> VerifiedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.settle()
        except ValueError:
            pass  # closed inside the block
        finally:
            self.close()


def open(path: Path, **options: Unpack[Options]) -> VerifiedFile:
    """Verifies a file and keeps it from changing, in one step.

    The bytes are kept first (see `mode`) and verified there, so that nobody can swap them between the check and the load.

    Raises Rejected where the file is proven bad, NotProven where it is not proven, or the mode cannot be had (the message
    names the modes), UsageError, and OSError where it cannot be opened.
    """
    return VerifiedFile(_native.open(os.fsdecode(path), _options.native(options)))


def to_load(path: Path, options: Options) -> VerifiedFile:
    """As `open`, for loaders, which have no use for digests in a report that nobody sees."""
    return VerifiedFile(_native.open(os.fsdecode(path), _options.native(options, digests=False)))
