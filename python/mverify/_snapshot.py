"""A private copy of a directory that was verified as a whole."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from . import _native, _options
from ._errors import NotProven, UsageError
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack


class Snapshot:
    """A verified copy of a directory, as `mverify.snapshot` returns it: `with snapshot(...) as path`."""

    def __init__(self, handle: _native.Snapshot) -> None:
        self._handle = handle

    @property
    def path(self) -> str:
        """The directory, which has the name of the original."""
        return os.fspath(self._handle.path())

    @property
    def report(self) -> Report:
        """The report that let it through: every file, under the path of the original."""
        return Report(self._handle.report())

    def close(self) -> None:
        """Removes the copy. May be called twice."""
        self._handle.close()

    def __enter__(self) -> str:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def snapshot(path: Path, revision: str = "main", **options: Unpack[Options]) -> Snapshot:
    """A private, verified copy of a directory, for loaders that open files by name:

        with mverify.snapshot("model", lock="mverify.lock") as d:
            model = AutoModel.from_pretrained(d)

    The files are copied first, into a directory of mode 0700; then the copies are verified, all of them, from the same
    manifest, lock or policy. With `mode` "sealed" (the default) the directory holds links to sealed copies in memory, which
    together take at most half of the free memory unless `memory` says otherwise; with "private" it holds copies on disk,
    below `directory`, which other processes of this user could still write to.

    `path` is a directory of files, or that of a repository in a Hugging Face cache (`models--ORG--NAME`), of which the
    snapshot of `revision` (a ref or a commit) is taken.

    Raises Rejected, NotProven (also for modes that make no copy), UsageError, and OSError.
    """
    return Snapshot(_native.snapshot(_revision(os.fsdecode(path), revision), _options.native(options)))


def _revision(path: str, revision: str) -> str:
    """The directory of a revision, where `path` is that of a repository in a cache and another than main is wanted."""
    if revision == "main":
        return path
    if any(part in ("", ".", "..") for part in revision.split("/")):
        raise UsageError(f"revision={revision!r}: expected a ref, as in main, or a commit")
    try:
        with open(os.path.join(path, "refs", revision), encoding="ascii") as ref:
            commit = ref.read(256).strip()
    except (OSError, ValueError):
        commit = revision
    found = os.path.join(path, "snapshots", commit)
    if not commit.isalnum() or not os.path.isdir(found):
        raise NotProven(f"{path}: it holds no snapshot of {revision}")
    return found
