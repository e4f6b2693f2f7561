"""Builds the wheel: maturin's, with the `mverify` command beside the extension module.

The command is the Rust binary itself, so that it starts as quickly as anywhere and needs no interpreter. A source
distribution is what git tracks, as it lies there, since command and extension are built from one workspace.
"""

import functools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import maturin
from maturin import (  # noqa: F401  the hooks that need nothing of ours
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
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


def _here(hook):
    """A hook that works where maturin finds its package, which is not where a source distribution is unpacked."""

    @functools.wraps(hook)
    def run(directory, *arguments):
        directory = os.path.abspath(directory)
        os.chdir(HERE)
        return hook(directory, *arguments)

    return run


prepare_metadata_for_build_wheel = _here(maturin.prepare_metadata_for_build_wheel)
prepare_metadata_for_build_editable = _here(maturin.prepare_metadata_for_build_editable)


@_here
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _command()
    return maturin.build_wheel(wheel_directory, _settings(config_settings), metadata_directory)


@_here
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _command()
    return maturin.build_editable(wheel_directory, _settings(config_settings), metadata_directory)


@_here
def build_sdist(sdist_directory, config_settings=None):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=HERE.parent, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as scratch:
        metadata = Path(scratch) / maturin.prepare_metadata_for_build_wheel(scratch) / "METADATA"
        name = metadata.parent.name.removesuffix(".dist-info")
        project = Path(scratch) / "pyproject.toml"
        text = (HERE / "pyproject.toml").read_text()
        project.write_text(text.replace('backend-path = ["build"]', 'backend-path = ["python/build"]'))
        archive = Path(sdist_directory) / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as to:
            for path in sorted(os.fsdecode(path) for path in tracked.split(b"\0") if path):
                to.add(HERE.parent / path, f"{name}/{path}", recursive=False)
            to.add(metadata, f"{name}/PKG-INFO")
            to.add(project, f"{name}/pyproject.toml")
    return archive.name
