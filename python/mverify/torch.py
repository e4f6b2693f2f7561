"""torch.load, of verified bytes."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from . import _native, _options, safetensors
from ._errors import UsageError, refuse
from ._file import to_load
from ._loading import loading
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options

__all__ = ["load", "load_sharded"]


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Verifies `f` and loads the bytes that were verified, with `weights_only=True`.

    Takes the arguments of `torch.load` and the options of `mverify.open` (`lock`, `manifest`, `key`, `sha256`, ...). The
    torch version asked about is the one that runs, unless `torch` names others. `f` is a path, or a binary file object,
    which is read to its end.

    Raises Rejected and NotProven; UsageError where `weights_only=False` or a `pickle_module` is asked for, since a full
    unpickler runs what the file says; and whatever `torch.load` raises.
    """
    import torch

    options, rest = _options.split(kwargs)
    if weights_only is not None and not weights_only:
        raise UsageError("weights_only=False: mverify.torch.load always loads with weights_only=True")
    if pickle_module is not None:
        raise UsageError("pickle_module: weights_only=True has an unpickler of its own")
    version = torch.__version__.split("+")[0]
    options.setdefault("torch", version)
    if not isinstance(f, (str, os.PathLike)):
        with loading(_read(f, options)) as stream:
            return torch.load(stream, map_location=map_location, weights_only=True, mmap=mmap, **rest)
    if os.fsdecode(f).endswith(".safetensors") and _numbers(version) >= (2, 13):  # as torch.load does, by the name
        device = "cpu" if map_location is None else map_location
        if not isinstance(device, (str, torch.device)):
            raise UsageError(f"map_location={map_location!r}: for safetensors it is a device or its name")
        return safetensors.load_file(f, device=str(device), **options)
    if options.get("mode") == "lease":
        if mmap:
            raise UsageError("mmap=True: a mapping would outlive the lease; the modes are sealed, private and verity")
        mmap = False  # whatever torch.utils.serialization.config says
    with to_load(f, options) as verified, loading(verified.path) as path:
        loaded = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap, **rest)
        verified.settle()
        return loaded


def load_sharded(path: os.PathLike[str] | str, map_location: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Loads a sharded checkpoint (`pytorch_model.bin.index.json`, or its directory) as one state dict.

    Index, shards and everything else in the directory are verified first, together, from one manifest, lock or policy; a
    shard that is missing, or that the index does not name, is refused before the first tensor is loaded.
    """
    from ._shards import verified

    options, rest = _options.split(kwargs)
    if rest.pop("weights_only", True) not in (True, None):
        raise UsageError("weights_only=False: mverify.torch.load_sharded always loads with weights_only=True")
    import torch

    options.setdefault("torch", torch.__version__.split("+")[0])
    state: dict[str, Any] = {}
    with verified(path, ".bin", options) as shards:
        for file, names in shards.items():
            with loading(file):
                part = torch.load(file, map_location=map_location, weights_only=True, **rest)
            state.update((name, part[name]) for name in names)
    return state


def _read(f: Any, options: Options) -> io.BytesIO:
    data = f.read()
    if not isinstance(data, bytes):
        raise UsageError(f"expected a path or a binary file object, not {type(f).__name__}")
    name = getattr(f, "name", None)
    name = os.path.basename(name) if isinstance(name, str) else "stream"
    refuse(Report(_native.check_bytes(name, data, _options.native(options))))
    return io.BytesIO(data)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        numbers.append(int(digits or 0))
    return tuple(numbers)
