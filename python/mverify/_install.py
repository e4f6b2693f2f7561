"""An opt-in seat belt for code that calls the usual loaders itself."""

from __future__ import annotations

import builtins
import functools
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import _native, _options
from ._errors import UsageError, refuse
from ._file import open as _open
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack

_undo: list[tuple[Any, str, Any]] = []


def install(policy: Path | Mapping[str, Any] | None = None, /, **options: Unpack[Options]) -> None:
    """Makes `torch.load`, `torch.jit.load`, `torch.hub.load_state_dict_from_url`, `joblib.load`,
    `numpy.load(allow_pickle=True)` and `pickle.load` verify what they read, and load what was verified.

    This is a seat belt, not a boundary: code that wants to get around it can, with `pickle.loads`, a name that it imported
    before (`from pickle import load`), an own unpickler, or another loader. It is for programs that are trusted and read
    files that are not. Verdicts are those of `mverify.check`; a file that only a full unpickler takes is let through where
    it is proven ok.

    Takes the options of `mverify.open`. Modules that are not imported yet are imported, where they are there. A second call
    replaces the first; `uninstall` ends it.
    """
    if policy is not None:
        options["policy"] = policy
    _native.validate(_options.native(options))  # what cannot be used is an error now
    uninstall()
    import pickle

    _patch(pickle, "load", lambda plain: _pickle_load(plain, options))
    torch = _module("torch")
    if torch is not None:
        # torch.hub.load_state_dict_from_url downloads, then loads what it has by this
        _patch(torch, "load", lambda plain: _by_argument(plain, "f", options))
        _patch(torch.jit, "load", lambda plain: _by_argument(plain, "f", options))
    joblib = _module("joblib")
    if joblib is not None:
        _patch(joblib, "load", lambda plain: _by_argument(plain, "filename", options))
    numpy = _module("numpy")
    if numpy is not None:
        _patch(numpy, "load", lambda plain: _numpy_load(plain, options))


def uninstall() -> None:
    """Puts the loaders back as they were. Does nothing where nothing is installed."""
    while _undo:
        module, name, plain = _undo.pop()
        setattr(module, name, plain)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return sys.modules.get(name)


def _patch(module: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    plain = getattr(module, name)
    _undo.append((module, name, plain))
    setattr(module, name, functools.wraps(plain)(wrap(plain)))


def _bytes_of(file: Any, options: Options) -> io.BytesIO:
    """What is left in a file object, verified, as another one."""
    data = file.read()
    if not isinstance(data, builtins.bytes):
        raise UsageError(f"mverify verifies paths and binary file objects, not {type(file).__name__}")
    name = getattr(file, "name", None)
    name = os.path.basename(name) if isinstance(name, str) else "stream"
    refuse(Report(_native.check_bytes(name, data, _options.native(options))))
    return io.BytesIO(data)


def _by_argument(plain: Any, name: str, options: Options) -> Any:
    """A loader whose first argument is a path or a file object."""

    def load(*args: Any, **kwargs: Any) -> Any:
        if name in kwargs:
            args = (kwargs.pop(name), *args)
        if not args:
            return plain(**kwargs)
        given, *rest = args
        if not isinstance(given, (str, os.PathLike)):
            return plain(_bytes_of(given, options), *rest, **kwargs)
        with _open(given, **options) as verified:
            loaded = plain(verified.path, *rest, **kwargs)
            verified.settle()
            return loaded

    return load


def _numpy_load(plain: Any, options: Options) -> Any:
    verified = _by_argument(plain, "file", options)

    def load(*args: Any, **kwargs: Any) -> Any:
        allowed = kwargs.get("allow_pickle", args[2] if len(args) > 2 else False)
        return verified(*args, **kwargs) if allowed else plain(*args, **kwargs)

    return load


def _pickle_load(plain: Any, options: Options) -> Any:
    def load(file: Any, **kwargs: Any) -> Any:
        if not isinstance(getattr(file, "name", None), (str, builtins.bytes)):
            return plain(file, **kwargs)  # not a file: a pipe, a socket, memory
        start = file.tell()
        verified = _bytes_of(file, options)
        loaded = plain(verified, **kwargs)
        file.seek(start + verified.tell())  # several pickles may follow each other
        return loaded

    return load
