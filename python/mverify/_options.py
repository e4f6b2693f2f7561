"""The keyword arguments that every call shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

from . import _toml
from ._errors import UsageError

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Mode = Literal["sealed", "private", "lease", "verity"]
Progress = Callable[[int, int], object]


class Options(TypedDict, total=False):
    """What is demanded of a file, and how it is kept until it is loaded. All of it is optional."""

    policy: Path | Mapping[str, Any] | None
    """A policy file (`mverify.toml`), or the same as a dict. It is trusted; no other is read, wherever it lies."""
    limits: Mapping[str, int | str] | None
    """Upper bounds, as in `[limits]` of a policy: {"max_file_bytes": "16G", "max_ops": 1_000_000, "timeout": 60}."""
    torch: str | Sequence[str] | None
    """torch versions that the weights_only question is asked for, as in "2.15" (default: the newest known)."""
    profile: str | Sequence[str] | None
    """Frameworks whose loaders are asked about: "accelerate", "transformers-trainer", "timm", "deepspeed"."""
    require: str | Sequence[str] | None
    """Proofs without which a loadable file fails: "weights-only", "weights-only>=2.6", "signature", "manifest"."""
    fail_on: Literal["critical", "high", "medium", "low", "info"] | None
    """Lowest severity that makes a file bad (default: "high")."""
    sha256: str | None
    """The digest that the one file must have, in hexadecimal."""
    lock: Path | Sequence[Path] | None
    """A lock (`mverify.lock`) that must be matched: nothing added, missing or changed."""
    manifest: Path | None
    """A signed manifest (OpenSSF Model Signing), as in "model.sig"; say whom to trust by one of the next."""
    key: Path | None
    """The signer's public key, PEM."""
    ca: Path | Sequence[Path] | None
    """Certificates of authorities, PEM; no others are trusted."""
    subject: str | None
    """The subject that the signer's certificate must have."""
    san: str | None
    """The alternative name that the signer's certificate must have."""
    identity: str | None
    """The signer's identity of a keyless signature, as in "name@example.org"; together with `issuer`."""
    issuer: str | None
    """Who vouches for `identity`, as in "https://accounts.google.com"."""
    trusted_root: Path | None
    """A sigstore trusted root (default: that of the public good instance)."""
    allow_symlinks: bool
    """Links to files inside the model may stand where the signer recorded that there are some."""
    allow_legacy: bool
    """Takes signatures of the forms before version 1.0, too."""
    discover: bool
    """Looks at checksum lists beside the files (default: yes). They can fail a file, never prove it."""
    strict_perms: bool
    """Refuses files and directories that group or others can write to, or that somebody else owns."""
    threads: int
    """Threads of this call (default: one per core, at most 16). They end with the call."""
    progress: bool | Progress | None
    """Called about 25 times a second with the bytes read so far and in all; True shows a bar of tqdm."""
    mode: Mode
    """What keeps verified bytes from changing. "sealed" (default): a copy in memory that nobody can write to; "private":
    a copy on disk, in a directory that only this user can enter; "lease": the file itself, under a read lease, of
    which nothing may be mapped that is used later; "verity": the file itself, where fs-verity makes it unchangeable. None
    is taken in place of another."""
    memory: int | None
    """Most bytes of a sealed copy (default: half of what the machine, or the control group, has free), or of memory that
    tensors are read into (default: seven eighths)."""
    directory: Path | None
    """Where private copies are made (default: /tmp)."""


NAMES = frozenset(Options.__annotations__)

if TYPE_CHECKING:
    from typing_extensions import Unpack as Unpack


def split(given: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """The options among keyword arguments, and the rest, which is a loader's."""
    options: Any = {name: value for name, value in given.items() if name in NAMES}
    return options, {name: value for name, value in given.items() if name not in NAMES}


def _path(name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        path = os.fspath(value)
    except TypeError:
        raise UsageError(f"{name}={value!r}: expected a path") from None
    return os.fsdecode(path)


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise UsageError(f"{name}={value!r}: expected a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name}={value!r}: it is not UTF-8") from None
    return value


def _number(name: str, value: Any, most: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise UsageError(f"{name}={value!r}: expected {what}")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, bytes, os.PathLike)) else list(value)


def _bar() -> Progress:
    from tqdm.auto import tqdm

    bar = tqdm(unit="B", unit_scale=True, unit_divisor=1024, desc="mverify", delay=0.5)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.refresh()

    return show


def native(given: Options, digests: bool = True) -> dict[str, Any]:
    """The options as the native module wants them: every key, in one form. Without `digests` none is computed but those
    that something expects."""
    unknown = sorted(set(given) - NAMES)
    if unknown:
        raise UsageError(f"unknown argument {unknown[0]!r}: expected some of {', '.join(sorted(NAMES))}")
    get = given.get
    policy, limits = get("policy"), get("limits")
    if limits is not None and not isinstance(limits, Mapping):
        raise UsageError(f"limits={limits!r}: expected a dict")
    inline = isinstance(policy, Mapping)
    progress: Any = get("progress")
    memory = get("memory")
    return {
        "policy_file": None if inline else _path("policy", policy),
        "policy_text": _toml.document("policy", policy) if isinstance(policy, Mapping) else None,
        "limits": _toml.document("limits", {"limits": limits}) if limits is not None else None,
        "torch": [str(version) for version in _list(get("torch"))],
        "profile": [str(name) for name in _list(get("profile"))],
        "require": [str(proof) for proof in _list(get("require"))],
        "fail_on": _text("fail_on", get("fail_on")),
        "sha256": _text("sha256", get("sha256")),
        "lock": [_path("lock", path) for path in _list(get("lock"))],
        "manifest": _path("manifest", get("manifest")),
        "key": _path("key", get("key")),
        "ca": [_path("ca", path) for path in _list(get("ca"))],
        "subject": _text("subject", get("subject")),
        "san": _text("san", get("san")),
        "identity": _text("identity", get("identity")),
        "issuer": _text("issuer", get("issuer")),
        "trusted_root": _path("trusted_root", get("trusted_root")),
        "allow_symlinks": bool(get("allow_symlinks", False)),
        "allow_legacy": bool(get("allow_legacy", False)),
        "discover": bool(get("discover", True)),
        "owner": os.geteuid() if get("strict_perms", False) else None,
        "threads": _number("threads", get("threads", 0), 1024, "a number up to 1024; 0 is one per core"),
        "digests": digests,
        "mode": _text("mode", get("mode")) or "sealed",
        "memory": None if memory is None else _number("memory", memory, 2**64 - 1, "a number of bytes"),
        "directory": _path("directory", get("directory")),
        "progress": _bar() if progress is True else (progress or None),
    }
