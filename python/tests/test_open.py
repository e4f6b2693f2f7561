import fcntl
import os
import pickle
import struct
import subprocess
import sys

import pytest
from conftest import FIXTURES

import mverify

GOOD = FIXTURES / "weights.pt"


@pytest.mark.parametrize("mode", ["sealed", "private"])
def test_what_is_handed_out_is_what_was_verified(tmp_path, mode):
    path = tmp_path / "weights.pt"
    good = GOOD.read_bytes()
    path.write_bytes(good)
    with mverify.open(path, mode=mode) as v:
        path.write_bytes(b"something else")
        assert v.report.ok and v.report.artifacts[0].path == str(path)
        assert v.bytes() == good
        with v.file() as first, v.file() as second:
            assert first.read(10) == good[:10] and second.read() == good, "each has an offset of its own"
        with open(v.path, "rb") as file:
            assert file.read() == good
        assert os.pread(v.fileno(), 4, 0) == good[:4]
        kept = v.path
    for use in [v.bytes, v.fileno, v.file, v.settle, lambda: v.path, lambda: v.report]:
        with pytest.raises(ValueError):
            use()
    v.close()
    if mode == "private":
        assert not os.path.exists(kept)


def test_sealed_bytes_cannot_be_written_to():
    with mverify.open(GOOD) as v, pytest.raises(OSError), open(v.path, "r+b") as file:
        file.write(b"x")
        file.flush()


def test_refusals_carry_the_report(evil, tmp_path):
    with pytest.raises(mverify.Rejected) as raised:
        mverify.open(evil)
    assert raised.value.report.verdict == "bad" and "os.getpid" in str(raised.value)
    assert raised.value.reasons[0].startswith(str(evil))
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.report == raised.value.report and str(again) == str(raised.value)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(GOOD.read_bytes()[:-30])
    with pytest.raises(mverify.MverifyError) as raised:
        mverify.open(cut)
    assert not raised.value.report.ok
    with pytest.raises(FileNotFoundError):
        mverify.open(tmp_path / "nothing")
    with pytest.raises(mverify.NotProven):
        mverify.open(tmp_path)
    with pytest.raises(mverify.UsageError):
        mverify.open(GOOD, mode="stat")


def test_no_mode_is_taken_in_place_of_another():
    with pytest.raises(mverify.NotProven, match="private") as raised:
        mverify.open(GOOD, memory=10)
    assert "sealed" in str(raised.value) and "lease" in str(raised.value)
    with pytest.raises(mverify.NotProven):
        mverify.open("/proc/self/status", mode="verity")


def test_a_lease_that_is_lost_is_an_error(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(GOOD.read_bytes())
    try:
        held = mverify.open(path, mode="lease")
    except mverify.NotProven as error:
        pytest.skip(f"no leases here: {error}")
    with pytest.raises(mverify.NotProven), held:
        code = f"import os; os.open({str(path)!r}, os.O_RDWR | os.O_NONBLOCK)"
        subprocess.run([sys.executable, "-c", code], capture_output=True)
    with mverify.open(path, mode="lease") as v:
        assert v.bytes() == path.read_bytes()


def test_verity(tmp_path):
    """Where the file system has fs-verity; elsewhere the mode is refused."""
    path = tmp_path / "weights.pt"
    path.write_bytes(GOOD.read_bytes())
    with pytest.raises(mverify.NotProven, match="verity"):
        mverify.open(path, mode="verity")
    enable = 0x40806685  # FS_IOC_ENABLE_VERITY of linux/fsverity.h, with SHA-256 and blocks of 4096 bytes
    arguments = struct.pack("=IIIIQIIQ88x", 1, 1, 4096, 0, 0, 0, 0, 0)
    with open(path, "rb") as file:
        try:
            fcntl.ioctl(file, enable, arguments)
        except OSError as error:
            pytest.skip(f"no fs-verity here: {error}")
    with mverify.open(path, mode="verity") as v:
        assert v.bytes() == GOOD.read_bytes() and v.report.ok
        with pytest.raises(OSError):
            path.write_bytes(b"something else")
