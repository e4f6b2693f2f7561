"""Tensors of torch over memory that a file was read into and verified in."""

from __future__ import annotations

import math
import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

from . import _native
from ._errors import NotProven

if TYPE_CHECKING:
    from ._options import Path

_TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}
"""Element types of safetensors, as torch calls them."""


def takes(device: Any) -> bool:
    """True for the memory of this process, where it holds numbers as files do."""
    return str(device) == "cpu" and sys.byteorder == "little"


def load(filename: Path, options: dict[str, Any]) -> dict[str, Any] | None:
    """The tensors of a file, all of them over one piece of memory, of which they are the only users. None where the file
    has an element type that only safetensors knows how to hand over."""
    import torch

    memory, places = _native.read_tensors(os.fsdecode(filename), _make, options)
    tensors: dict[str, Any] = {}
    for name, dtype, shape, start, end in sorted(places, key=lambda place: place[3:]):
        kind = getattr(torch, _TYPES.get(dtype, ""), None)
        if kind is None:
            return None
        if start == end:
            tensors[name] = torch.empty(shape, dtype=kind)
            continue
        if start % kind.itemsize != 0:
            # nothing obliges a file to align what it holds
            part = torch.frombuffer(bytearray(memoryview(memory)[start:end]), dtype=kind)
        else:
            part = torch.frombuffer(memory, dtype=kind, count=math.prod(shape), offset=start)
        tensors[name] = part.reshape(shape)
    return tensors


def _make(size: int) -> tuple[mmap.mmap, Any, int]:
    """Memory of at least `size` bytes, what keeps it in place, and its address."""
    import ctypes

    try:
        memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise NotProven(
            f"there is no memory for {size} bytes: {error.strerror}; other modes are private, lease, verity"
        ) from None
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    keeper = ctypes.c_char.from_buffer(memory)
    return memory, keeper, ctypes.addressof(keeper)
