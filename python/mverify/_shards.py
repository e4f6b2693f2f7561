"""Sharded checkpoints: an index that names the file of each tensor."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._errors import NotProven, Rejected, UsageError
from ._snapshot import snapshot

if TYPE_CHECKING:
    from ._options import Options, Path


@contextmanager
def verified(path: Path, suffix: str, options: Options) -> Iterator[dict[str, list[str]]]:
    """The verified shards of a set, and the tensors that the index expects in each: path -> names. `path` is the index
    or its directory."""
    path = os.fsdecode(path)
    directory, index = (path, None) if os.path.isdir(path) else os.path.split(path)
    with snapshot(directory or ".", **options) as copy:
        names = os.listdir(copy)
        if index is None:
            found = sorted(name for name in names if name.endswith(suffix + ".index.json"))
            if len(found) != 1:
                raise UsageError(f"{path}: expected one index (*{suffix}.index.json), found {len(found)}: name it")
            index = found[0]
        shards = _shards(os.path.join(copy, index), index)
        missing = sorted(set(shards) - set(names))
        if missing:
            raise NotProven(f"{index}: it names {missing[0]!r}, which is not there")
        extra = sorted(name for name in names if name.endswith(suffix) and name not in shards)
        if extra:
            raise Rejected(f"{index}: {extra[0]!r} lies beside the shards, and the index does not name it")
        yield {os.path.join(copy, shard): names for shard, names in sorted(shards.items())}


def _shards(path: str, shown: str) -> dict[str, list[str]]:
    with open(path, "rb") as file:
        text = file.read()
    try:
        weights = json.loads(text)["weight_map"]
        pairs = [(str(name), str(shard)) for name, shard in weights.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NotProven(f"{shown}: it is no index: it has no weight_map of names to files") from None
    shards: dict[str, list[str]] = {}
    for name, shard in pairs:
        if not shard or shard in (".", "..") or "/" in shard or "\\" in shard or "\0" in shard:
            raise Rejected(f"{shown}: the file of {name!r} is {shard!r}, which is no name of a file beside it")
        shards.setdefault(shard, []).append(name)
    return shards
