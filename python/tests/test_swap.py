"""A second process changes the file in every way it can while it is verified and loaded."""

import os
import subprocess
import sys

import pytest

ROUNDS = int(os.environ.get("MVERIFY_SWAPS", "1500"))

WRITER = r"""
import mmap, os, random, sys, time
path, good, evil = sys.argv[1], open(sys.argv[2], "rb").read(), open(sys.argv[3], "rb").read()
link = path + ".link"
# a mapping that was dirtied before anybody looked: later writes through it change no time of the file
handle = os.open(path, os.O_RDWR)
shared = mmap.mmap(handle, len(good))
shared[0:1] = shared[0:1]
print("ready", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    way = random.randrange(6)
    try:
        if way == 0:
            fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW); os.pwrite(fd, evil, 0); os.pwrite(fd, good, 0); os.close(fd)
        elif way == 1:
            with open(path + ".new", "wb") as f: f.write(random.choice((good, evil)))
            os.rename(path + ".new", path)
        elif way == 2:
            fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW); os.ftruncate(fd, 40); os.pwrite(fd, good, 0); os.close(fd)
        elif way == 3:
            if os.path.lexists(link): os.unlink(link)
            os.symlink(random.choice((sys.argv[2], sys.argv[3])), link); os.rename(link, path)
        elif way == 4:
            shared[:] = evil; shared[:] = good
        else:
            os.unlink(path); os.link(sys.argv[2], path + ".l"); os.rename(path + ".l", path)
            with open(path + ".new", "wb") as f: f.write(good)
            os.rename(path + ".new", path); os.close(handle); handle = os.open(path, os.O_RDWR)
            shared.close(); shared = mmap.mmap(handle, len(good)); shared[0:1] = shared[0:1]
    except (OSError, ValueError):
        pass
"""

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
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(good), str(evil)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "ready\n"
        reader = subprocess.run(
            [sys.executable, "-c", READER, str(path), str(good), str(ROUNDS), mode, digest],
            capture_output=True,
            text=True,
        )
    finally:
        writer.kill()
        writer.wait()
    assert reader.returncode == 0, reader.stderr
    loaded, refused = map(int, reader.stdout.split())
    assert loaded + refused == ROUNDS and loaded > 0 and refused > 0, (loaded, refused)
