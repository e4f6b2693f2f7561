"""An opt-in seat belt for code that calls the usual loaders itself."""

from __future__ import annotations

import builtins
import functools
import io
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from . import _native, _options
from ._errors import UsageError, refuse
from ._file import open as _open
from ._loading import is_verified, loading
from ._report import Report

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack


class _Patch(NamedTuple):
    module: Any
    name: str
    plain: Any


_patches: dict[Any, _Patch] = {}
"""What is installed, by the function that stands in place of the plain one."""

_changing = threading.RLock()


def install(policy: Path | Mapping[str, Any] | None = None, /, **options: Unpack[Options]) -> None:
    """Makes `torch.load`, `torch.jit.load`, `torch.hub.load_state_dict_from_url`, `joblib.load`,
    `numpy.load(allow_pickle=True)` and `pickle.load` of files verify what they read, and load what was verified.

    This is a seat belt, not a boundary: code that wants to get around it can, with `pickle.loads`, a name that it imported
    before (`from pickle import load`), an own unpickler, or another loader. It is for programs that are trusted and read
    files that are not. Verdicts are those of `mverify.check`; a file that only a full unpickler takes is let through where
    it is proven ok. Pipes, sockets and memory are no files, and `pickle.load` reads them as before.

    Takes the options of `mverify.open`, but no `mode` "lease": what these loaders map or read later would outlive it.
    Modules that are not imported yet are imported, where they are there. A second call replaces the first; `uninstall` ends
    it. Both hold for all threads at once, and for forks; a spawned process installs its own.
    """
    if policy is not None:
        options["policy"] = policy
    if options.get("mode") == "lease":
        raise UsageError('mode="lease": loaders may map a file, or read it later, when the lease is lost')
    _native.validate(_options.native(options))  # what cannot be used is an error now
    import pickle

    torch, joblib, numpy = _module("torch"), _module("joblib"), _module("numpy")
    with _changing:
        uninstall()
        _patch(pickle, "load", lambda plain: _pickle_load(plain, options))
        if torch is not None:
            # torch.hub.load_state_dict_from_url downloads, then loads what it has by this
            _patch(torch, "load", lambda plain: _torch_load(plain, options))
            _patch(torch.jit, "load", lambda plain: _by_argument(plain, "f", options))
        if joblib is not None:
            _patch(joblib, "load", lambda plain: _by_argument(plain, "filename", options))
        if numpy is not None:
            _patch(numpy, "load", lambda plain: _numpy_load(plain, options))


def uninstall() -> None:
    """Puts the loaders back as they were; what somebody else has wrapped meanwhile stays, and verifies no longer. Does
    nothing where nothing is installed."""
    with _changing:
        while _patches:
            ours, (module, name, plain) = _patches.popitem()
            if getattr(module, name) is ours:
                setattr(module, name, plain)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return sys.modules.get(name)


def _patch(module: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    plain = getattr(module, name)
    verifying = wrap(plain)

    @functools.wraps(plain)
    def ours(*args: Any, **kwargs: Any) -> Any:
        return (verifying if ours in _patches else plain)(*args, **kwargs)

    _patches[ours] = _Patch(module, name, plain)
    setattr(module, name, ours)


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
        if is_verified(given):
            return plain(*args, **kwargs)
        if not isinstance(given, (str, builtins.bytes, os.PathLike)):
            with loading(_bytes_of(given, options)) as stream:
                return plain(stream, *rest, **kwargs)
        with _open(given, **options) as verified, loading(verified.path) as path:
            return plain(path, *rest, **kwargs)

    return load


def _torch_load(plain: Any, options: Options) -> Any:
    verified = _by_argument(plain, "f", options)

    def load(*args: Any, **kwargs: Any) -> Any:
        given = kwargs.get("f", args[0] if args else None)
        if not isinstance(given, (str, os.PathLike)) or not os.fsdecode(given).endswith(".safetensors"):
            return verified(*args, **kwargs)
        from .torch import load as by_name  # which looks at the name, as torch does: that of verified bytes is another

        return by_name(given, kwargs.get("map_location", args[1] if len(args) > 1 else None), **options)

    return load


def _numpy_load(plain: Any, options: Options) -> Any:
    verified = _by_argument(plain, "file", options)

    def load(*args: Any, **kwargs: Any) -> Any:
        allowed = kwargs.get("allow_pickle", args[2] if len(args) > 2 else False)
        return verified(*args, **kwargs) if allowed else plain(*args, **kwargs)

    return load


def _pickle_load(plain: Any, options: Options) -> Any:
    # several pickles may follow each other: what was verified for the first holds for the others
    left: WeakKeyDictionary[Any, tuple[int, io.BytesIO]] = WeakKeyDictionary()

    def load(file: Any, /, **kwargs: Any) -> Any:
        if not _is_file(file) or is_verified(file):
            return plain(file, **kwargs)
        at = file.tell()
        start, verified = left.pop(file, (0, None))
        if verified is None or start + verified.tell() != at:
            if not file.read(1):
                return plain(file, **kwargs)  # which says that there is nothing
            file.seek(at)
            start, verified = at, _bytes_of(file, options)
        try:
            return plain(verified, **kwargs)
        finally:
            file.seek(start + verified.tell())
            if verified.tell() < len(verified.getbuffer()):
                left[file] = start, verified

    return load


def _is_file(file: Any) -> bool:
    """True for what reads a file of a disk, compressed or not, and for a member of an archive."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, TypeError, ValueError, OSError):  # it has no descriptor
        named = isinstance(getattr(file, "name", None), (str, builtins.bytes))
        return named and bool(getattr(file, "seekable", bool)())
