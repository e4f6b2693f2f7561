"""What this thread is loading just now, verified already: loaders call each other on it, and `install` wraps them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Loading(threading.local):
    def __init__(self) -> None:
        self.verified: list[Any] = []


_here = _Loading()


@contextmanager
def loading(verified: Any) -> Iterator[Any]:
    """While a path of verified bytes, or a file object over them, is loaded."""
    _here.verified.append(verified)
    try:
        yield verified
    finally:
        _here.verified.pop()


def is_verified(given: Any) -> bool:
    """True for a path, or a file object, that is being loaded, and for a file object opened by such a path."""
    if isinstance(given, (str, bytes, os.PathLike)):
        path = os.fsdecode(given)
        return any(isinstance(one, str) and one == path for one in _here.verified)
    if any(one is given for one in _here.verified):
        return True
    name = getattr(given, "name", None)
    return isinstance(name, str) and is_verified(name)
