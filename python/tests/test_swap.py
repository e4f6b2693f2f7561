"""A second process changes the file in every way it can while it is verified and loaded."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("MVERIFY_SWAPS", "350"))  # of each way


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        ("checkpoint", "sealed"),
        ("mapped", "sealed"),
        ("mapped", "private"),
        ("checkpoint", "lease"),
        ("tensors", "sealed"),
        ("parts", "sealed"),
    ],
)
def test_what_is_loaded_is_what_was_proven(torch, tmp_path, command, how, mode):
    from safetensors.torch import save_file

    good, evil = tmp_path / "good" / "weights", tmp_path / "evil" / "weights"
    for path, value in ((good, 1.0), (evil, 6.0)):
        path.parent.mkdir()
        state = {"w": torch.full((30_000,), value)}
        save_file(state, path) if how in ("tensors", "parts") else torch.save(state, path)
    assert good.stat().st_size == evil.stat().st_size
    options = {"mode": mode, "sha256": hashlib.sha256(good.read_bytes()).hexdigest()}
    if how == "parts":
        key, signature = tmp_path / "key", tmp_path / "model.sig"
        subprocess.run([command, "keygen", "-o", key], check=True, capture_output=True)
        sign = [command, "sign", good.parent, "--key", key, "--shards", "16384", "-o", signature]
        subprocess.run(sign, check=True, capture_output=True)
        options = {"manifest": str(signature), "key": f"{key}.pub", "require": "signature"}
    path = tmp_path / "model" / "weights"
    path.parent.mkdir()
    path.write_bytes(good.read_bytes())
    arguments = ["swap_reader.py", how, path, good, str(ROUNDS), json.dumps(options)]
    writer = subprocess.Popen(
        [sys.executable, HERE / "swap_writer.py", path, good, evil], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "ready\n"
        reader = subprocess.run([sys.executable, *arguments], cwd=HERE, capture_output=True, text=True)
        assert writer.poll() is None, "the writer was there to the end"
    finally:
        writer.kill()
        writer.wait()
    assert reader.returncode == 0, reader.stderr
    loaded, refused = map(int, reader.stdout.split())
    assert loaded + refused == ROUNDS and refused > 0, (loaded, refused)
    # a writer that never pauses leaves no lease to be had
    assert loaded > 0 or mode == "lease", (loaded, refused)
