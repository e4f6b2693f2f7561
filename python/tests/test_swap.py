"""A second process changes the file in every way it can while it is verified and loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("MVERIFY_SWAPS", "1500"))

WRITER = Path(__file__).with_name("swap_writer.py")

READER = r"""
import sys, mverify
path, good, rounds, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
import torch
expected = torch.load(good, weights_only=True)["w"]
loaded = refused = 0
for round in range(rounds):
    try:
        state = mverify.torch.load(path, mmap=bool(round & 1) or None, mode=mode, sha256=sys.argv[5])
    except (mverify.MverifyError, OSError):
        refused += 1
        continue
    assert torch.equal(state["w"], expected), "what was loaded is not what was proven"
    loaded += 1
print(loaded, refused)
"""


@pytest.mark.parametrize("mode", ["sealed", "private"])
def test_what_is_loaded_is_what_was_proven(torch, tmp_path, mode):
    import hashlib

    good, evil, path = tmp_path / "good.pt", tmp_path / "evil.pt", tmp_path / "weights.pt"
    torch.save({"w": torch.full((9000,), 1.0)}, good)
    torch.save({"w": torch.full((9000,), 6.0)}, evil)
    assert good.stat().st_size == evil.stat().st_size
    path.write_bytes(good.read_bytes())
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    good.chmod(0o444)
    writer = subprocess.Popen([sys.executable, WRITER, path, good, evil], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "ready\n"
        reader = subprocess.run(
            [sys.executable, "-c", READER, str(path), str(good), str(ROUNDS), mode, digest],
            capture_output=True,
            text=True,
        )
        assert writer.poll() is None, "the writer was there to the end"
    finally:
        writer.kill()
        writer.wait()
    assert reader.returncode == 0, reader.stderr
    loaded, refused = map(int, reader.stdout.split())
    assert loaded + refused == ROUNDS and loaded > 0 and refused > 0, (loaded, refused)
