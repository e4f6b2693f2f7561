"""Signals, forks, spawned workers, and what is shared between processes."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import FIXTURES

import mverify

GOOD = FIXTURES / "weights.pt"


@pytest.mark.parametrize(
    ("call", "size"),
    [
        ("check({path!r}, threads=1)", 64 << 30),
        ("open({path!r}, threads=1)", 2 << 30),
        ("safetensors.load_file({path!r}, threads=1, sha256='00' * 32)", 1 << 30),
    ],
)
def test_ctrl_c_ends_it(request, tmp_path, call, size):
    path = tmp_path / "big.bin"
    with open(path, "wb") as file:
        file.truncate(size)
    if "safetensors" in call:
        request.getfixturevalue("torch")
    code = (
        # a shell that runs the tests in the background has SIGINT ignored, and children inherit that
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        + ("import torch; " if "safetensors" in call else "")
        + f"import mverify; print('go', flush=True); mverify.{call.format(path=str(path))}"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "go\n"
    time.sleep(0.1)
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in errors and child.returncode in (1, -signal.SIGINT)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers(evil, method):
    """The parent has used threads, and holds a file, before it forks."""
    mverify.check(FIXTURES, threads=4)
    with mverify.open(GOOD) as held, mverify.open(GOOD, mode="private") as private:
        with multiprocessing.get_context(method).Pool(3) as pool:
            asked = [(str(FIXTURES), 4), (str(evil), 1), (str(GOOD), 2)] * 4
            assert pool.map_async(verdict, asked).get(timeout=120) == ["bad", "bad", "ok"] * 4
        assert held.bytes() == private.bytes(), "children that end take nothing away"
        assert os.path.exists(private.path)


def verdict(asked):
    path, threads = asked
    return mverify.check(path, threads=threads).verdict


class Shards:
    """A data set whose workers load what they are asked for."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return mverify.torch.load(self.paths[index], threads=2)["w"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader(torch, tmp_path, method):
    paths = []
    for number in range(8):
        paths.append(tmp_path / f"{number}.pt")
        torch.save({"w": torch.full((1000,), float(number))}, paths[-1])
    assert Shards(paths)[3].sum() == 3000, "the parent has loaded before it forks"
    loader = torch.utils.data.DataLoader(Shards(paths), num_workers=2, multiprocessing_context=method)
    assert [batch.mean().item() for batch in loader] == list(range(8))


def test_one_copy_serves_all_ranks_of_a_host(torch):
    """By descriptor for children that inherit it, and by /proc for others of this user; nobody copies it again."""
    with mverify.open(GOOD) as held:
        digest = held.report.artifacts[0].digests["sha256"]
        shared = held.share()
        try:
            code = (
                "import mverify, hashlib, sys\nwith mverify.open(f'/proc/self/fd/{sys.argv[1]}', memory=1) as v:"
                "\n    print(hashlib.sha256(v.bytes()).hexdigest())"
            )
            command = [sys.executable, "-c", code, str(shared)]
            out = subprocess.run(command, pass_fds=[shared], capture_output=True, text=True, check=True)
            assert out.stdout.strip() == digest
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                asked = [(f"/proc/{os.getpid()}/fd/{shared}", digest)] * 2
                assert pool.map_async(rank, asked).get(timeout=120) == [digest] * 2
        finally:
            os.close(shared)


def rank(asked):
    path, digest = asked
    with mverify.open(path, memory=1, sha256=digest) as verified:
        mverify.torch.load(path, memory=1, sha256=digest)
        return hashlib.sha256(verified.bytes()).hexdigest()
