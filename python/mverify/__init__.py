"""Verify machine-learning model files before anything loads them, and load the very bytes that were verified.

    report = mverify.check("weights.pt")
    state = mverify.torch.load("weights.pt", map_location="cpu")

Offline; nothing of a file is ever run. Calls release the GIL and end on Ctrl-C; no thread outlives a call, so forks are
safe. No policy or configuration is read but the one that a call names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import _native, _options, safetensors, torch
from ._errors import MverifyError, NotProven, Rejected, UsageError
from ._file import VerifiedFile, open
from ._install import install, uninstall
from ._report import Artifact, Finding, Integrity, Report, WeightsOnly
from ._snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from ._options import Options, Path, Unpack

__all__ = [
    "Artifact",
    "Finding",
    "Integrity",
    "MverifyError",
    "NotProven",
    "Rejected",
    "Report",
    "Snapshot",
    "UsageError",
    "VerifiedFile",
    "WeightsOnly",
    "check",
    "install",
    "open",
    "safetensors",
    "snapshot",
    "torch",
    "uninstall",
]


def check(path: Path, **options: Unpack[Options]) -> Report:
    """Checks a file, or every file under a directory: one verdict, as `mverify check` gives it.

    A path that cannot be read is not an error but a report whose verdict is not ok. Raises UsageError for arguments that
    cannot be used. What is loaded later by the same path may be something else by then: see `open`.

    The options are those of `mverify.open`; `mode`, `memory` and `directory` have no effect here.
    """
    return Report(_native.check(os.fsdecode(path), _options.native(options)))
