import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"


@pytest.fixture(scope="session")
def torch():
    """The real one. Its absence is a failure, unless MVERIFY_SKIP_TORCH=1 says that it is meant."""
    if os.environ.get("MVERIFY_SKIP_TORCH") == "1":
        pytest.skip("MVERIFY_SKIP_TORCH=1")
    import torch

    return torch


@pytest.fixture(scope="session")
def command():
    """The command that the wheel brought."""
    found = Path(sys.executable).parent / "mverify"
    assert found.is_file(), "the wheel brings the command"
    return str(found)


@pytest.fixture
def evil(tmp_path):
    path = tmp_path / "evil.pt"
    path.write_bytes(b"\x80\x02cos\ngetpid\n)R.")
    return path
