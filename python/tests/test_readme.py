"""As a new user would: a fresh environment, the wheel, and the README's lines pasted as they stand."""

import re
import subprocess
import sysconfig
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
