"""Builds the wheel: maturin's, with the `mverify` command beside the extension module.

The command is the Rust binary itself, so that it starts as quickly as anywhere and needs no interpreter.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import maturin
from maturin import (  # noqa: F401  the hooks that need nothing of ours
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

HERE = Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")
PLATFORM = os.environ.get("MVERIFY_WHEEL_PLATFORM")  # as in manylinux_2_35; else the wheel is for this machine
PROFILE = os.environ.get("MVERIFY_WHEEL_PROFILE", "release")  # tests build with dev, which they have anyway
SCRIPTS = HERE / "mverify.data" / "scripts"
SCRIPTS.mkdir(parents=True, exist_ok=True)  # maturin looks for it also where only metadata is asked for


def _command() -> None:
    # both at once: cargo gives packages that are built together the same features, and so one build of what they share
    packages = ["-p", "mverify", "-p", "mverify-python", "--bin", "mverify", "--lib"]
    subprocess.run([CARGO, "build", "--profile", PROFILE, "--locked", *packages], cwd=HERE, check=True)
    metadata = [CARGO, "metadata", "--no-deps", "--format-version", "1"]
    target = json.loads(subprocess.run(metadata, cwd=HERE, check=True, capture_output=True).stdout)["target_directory"]
    name = "mverify.exe" if os.name == "nt" else "mverify"
    shutil.copy2(Path(target) / ("debug" if PROFILE == "dev" else PROFILE) / name, SCRIPTS / name)


def _settings(settings):
    platform = f" --compatibility {PLATFORM}" if PLATFORM else ""
    return {"build-args": f"--locked --profile {PROFILE}{platform}", **(settings or {})}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _command()
    return maturin.build_wheel(wheel_directory, _settings(config_settings), metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _command()
    return maturin.build_editable(wheel_directory, _settings(config_settings), metadata_directory)
