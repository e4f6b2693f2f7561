"""As a new user would: a fresh environment, the wheel, and the README's lines pasted as they stand."""

import re
import subprocess
import sys
import sysconfig
import tarfile
import venv

from conftest import ROOT

LINES = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def test_the_readme_as_it_stands(torch, tmp_path):
    (wheel,) = (ROOT / "target" / "wheels").glob("mverify-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], check=True)
    # torch is large: it is that of the environment of the tests, behind what was installed
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "torch.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (lines,) = LINES.findall((ROOT / "README.md").read_text())
    told = "import mverify; print(mverify.__file__)\n"
    ran = subprocess.run([python, "-c", told + lines], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path)), ran.stdout
    command = subprocess.run([tmp_path / "env" / "bin" / "mverify", "--version"], capture_output=True, text=True)
    assert command.returncode == 0 and command.stdout.startswith("mverify "), command


def test_a_source_distribution_is_whole(tmp_path):
    """It is made where the project lies, and there, in turn, a wheel can be made: as far as what costs no build shows."""
    hook = (
        "import sys; sys.path.insert(0, sys.argv[1]); import backend; print(getattr(backend, sys.argv[2])(sys.argv[3]))"
    )
    run = [sys.executable, "-c", hook]
    sdist = [*run, ROOT / "python" / "build", "build_sdist", tmp_path]
    name = subprocess.run(sdist, cwd=ROOT / "python", check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(tmp_path / name) as archive:
        archive.extractall(tmp_path, filter="tar")
    (root,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for file in ["PKG-INFO", "Cargo.lock", "src/lib.rs", "python/src/lib.rs", "python/mverify/py.typed"]:
        assert (root / file).is_file(), file
    (made,) = re.findall(r'backend-path = \["(.*)"\]', (root / "pyproject.toml").read_text())
    there = [*run, root / made, "prepare_metadata_for_build_wheel", tmp_path]
    subprocess.run(there, cwd=root, check=True, capture_output=True)
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    assert metadata.read_text() == (root / "PKG-INFO").read_text()
