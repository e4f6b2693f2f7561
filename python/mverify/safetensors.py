"""safetensors, of verified bytes."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._file import VerifiedFile, open

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack

__all__ = ["load_file", "load_sharded", "safe_open"]


def load_file(filename: Path, device: Any = "cpu", **options: Unpack[Options]) -> dict[str, Any]:
    """Verifies a file and loads its tensors, as `safetensors.torch.load_file` does.

    The file is read once, into the memory that the tensors then use (mode "sealed"): its bytes are hashed there.

    Takes the options of `mverify.open`. Raises Rejected, NotProven, UsageError, OSError, and what safetensors raises.
    """
    from safetensors.torch import load_file as load

    with open(filename, **options) as verified:
        tensors: dict[str, Any] = load(verified.path, device=device)
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
    """`safetensors.safe_open`, of a verified file. A context manager; tensors are those of `framework`.

    The whole file is verified when it is opened; what is not asked for is never copied out of the sealed bytes.
    """

    def __init__(self, filename: Path, framework: str = "pt", device: Any = "cpu", **options: Unpack[Options]) -> None:
        import safetensors

        self._file: VerifiedFile = open(os.fspath(filename), **options)
        try:
            self._open: Any = safetensors.safe_open(self._file.path, framework=framework, device=device)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> safe_open:
        self._open.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        self._file.__exit__(kind, error, trace)

    @property
    def file(self) -> VerifiedFile:
        """The verified file, with its report."""
        return self._file

    def __getattr__(self, name: str) -> Any:
        """keys, metadata, get_tensor, get_slice, offset_keys: those of safetensors."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._open, name)
