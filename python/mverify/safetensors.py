"""safetensors, of verified bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _memory, _native, _options
from ._file import to_load
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack

__all__ = ["load_file", "load_sharded", "safe_open"]


def load_file(
    filename: Path, device: Any = "cpu", *, backend: str | None = None, **options: Unpack[Options]
) -> dict[str, Any]:
    """Verifies a file and loads its tensors, as `safetensors.torch.load_file` does.

    The file is read once, into memory of this process that its tensors then use, and verified there; `memory` bounds it.
    In the modes "private" and "verity" it is loaded from the file that the mode keeps, and `backend` ("mmap" or "pread") is
    handed to safetensors, where it knows that. In mode "lease" each tensor is copied: a mapping would outlive the lease.

    Takes the options of `mverify.open`. Raises Rejected, NotProven, UsageError, OSError, and what safetensors raises.
    """
    mode = options.get("mode", "sealed")
    if mode == "sealed" and _memory.takes(device):
        loaded = _memory.load(filename, _options.native(options, digests=False))
        if loaded is not None:
            return loaded
    if mode == "lease":
        with safe_open(filename, device=device, **options) as file:
            return file.get_tensors()
    from safetensors.torch import load_file as load

    how = {} if backend is None else {"backend": backend}
    with to_load(filename, options) as verified:
        tensors: dict[str, Any] = load(verified.path, device=device, **how)
        verified.settle()
    return tensors


def load_sharded(path: Path, device: Any = "cpu", **options: Unpack[Options]) -> dict[str, Any]:
    """Loads a sharded checkpoint (`model.safetensors.index.json`, or its directory) as one dict of tensors.

    Index, shards and everything else in the directory are verified first, together, from one manifest, lock or policy; a
    shard that is missing, or that the index does not name, is refused before the first tensor is handed out.
    """
    from safetensors import safe_open

    from ._shards import verified

    tensors: dict[str, Any] = {}
    with verified(path, ".safetensors", options) as shards:
        for file, names in shards.items():
            with safe_open(file, framework="pt", device=device) as shard:
                tensors.update((name, shard.get_tensor(name)) for name in names)
    return tensors


class safe_open:
    """`safetensors.safe_open`, of verified bytes. A context manager; tensors are those of `framework`.

    Where a signed manifest lists the file in shards (or by BLAKE3, with an outboard beside the file), only the header is
    verified now, and each tensor when it is asked for: that costs the shards it lies in. Where something is demanded that
    only the whole file can prove (`lock`, `sha256`, a manifest without shards), or nobody is trusted, all of it is
    verified now.

    Takes the options of `mverify.open`. Raises Rejected, NotProven, UsageError (also for a file that is no safetensors
    file, and for a name that it does not have), OSError, and what safetensors raises.
    """

    def __init__(
        self,
        filename: Path,
        framework: str = "pt",
        device: Any = "cpu",
        *,
        backend: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        import safetensors

        self._tensors = _native.open_tensors(os.fsdecode(filename), _options.native(options, digests=False))
        self._how = {"framework": framework, "device": device} | ({} if backend is None else {"backend": backend})
        try:
            path = self._tensors.path()
            self._whole: Any = None if path is None else safetensors.safe_open(path, **self._how)
        except BaseException:
            self._tensors.close()
            raise

    def keys(self) -> list[str]:
        """Names of the tensors, sorted."""
        return sorted(self._tensors.names())

    def offset_keys(self) -> list[str]:
        """Names of the tensors, in the order of the file."""
        return self._tensors.names()

    def metadata(self) -> dict[str, str] | None:
        """What the header says about the file; None where it says nothing."""
        return dict(self._tensors.metadata()) or None

    def get_tensor(self, name: str) -> Any:
        """A tensor, proven."""
        with self._holding(name) as file:
            tensor = file.get_tensor(name)
            self._tensors.settle()
            return tensor

    def get_tensors(self) -> dict[str, Any]:
        """All tensors, proven, in the order of the file."""
        return {name: self.get_tensor(name) for name in self.offset_keys()}

    def get_slice(self, name: str) -> Any:
        """A tensor, proven, of which parts can be taken as in `f.get_slice("w")[2:4]`."""
        with self._holding(name) as file:
            part = file.get_slice(name)
            self._tensors.settle()
            return part

    @property
    def report(self) -> Report:
        """The report that let the file through."""
        return Report(self._tensors.report())

    @property
    def proven(self) -> list[tuple[int, int]]:
        """Ranges of bytes that were proven so far, as start and end."""
        return self._tensors.proven()

    @contextmanager
    def _holding(self, name: str) -> Iterator[Any]:
        """A file of safetensors' that holds this tensor."""
        if self._whole is not None:
            yield self._whole
            return
        import safetensors

        descriptor = self._tensors.sealed(name)
        try:
            with safetensors.safe_open(f"/proc/self/fd/{descriptor}", **self._how) as file:
                yield file
        finally:
            os.close(descriptor)  # what was mapped stays

    def __enter__(self) -> safe_open:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._tensors.settle()
        finally:
            if self._whole is not None:
                self._whole.__exit__(kind, error, trace)
            self._tensors.close()
