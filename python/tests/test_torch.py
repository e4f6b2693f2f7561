import inspect
import io
import json
import os
import subprocess

import pytest
from conftest import ROOT

import mverify

REAL = ROOT.parent / "shared" / "torch" / "real" / "2.15.0"


def equal(torch, a, b):
    if isinstance(a, torch.Tensor):
        if a.is_quantized or a.layout != torch.strided or a.is_nested or a.dtype != b.dtype:
            return type(a) is type(b) and a.dtype == b.dtype and repr(a) == repr(b)
        if a.device.type == "meta":
            return a.shape == b.shape
        return a.shape == b.shape and bytes(a.untyped_storage()) == bytes(b.untyped_storage())
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(torch, a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(lambda x, y: equal(torch, x, y), a, b))
    return type(a) is type(b) and (a == b or repr(a) == repr(b) or a != a)


@pytest.mark.parametrize("how", ["zip", "mmap", "legacy", "file", "bytes"])
def test_state_dicts(torch, tmp_path, how):
    state = {"w": torch.arange(1000.0).reshape(10, 100), "b": torch.ones(7, dtype=torch.bfloat16), "step": 3}
    path = tmp_path / "weights.pt"
    torch.save(state, path, _use_new_zipfile_serialization=how != "legacy")
    if how == "file":
        with open(path, "rb") as file:
            loaded = mverify.torch.load(file)
    elif how == "bytes":
        loaded = mverify.torch.load(io.BytesIO(path.read_bytes()), map_location="cpu")
    else:
        loaded = mverify.torch.load(path, mmap=True if how == "mmap" else None, map_location="cpu")
    assert equal(torch, loaded, state)
    loaded["w"] += 1  # what was loaded is an ordinary tensor


@pytest.mark.parametrize("mode", ["sealed", "private", "lease"])
@pytest.mark.parametrize("mmap", [None, True])
def test_what_was_loaded_outlives_the_file(torch, tmp_path, mode, mmap):
    from torch.utils.serialization import config

    torch.save({"w": torch.ones(100_000)}, path := tmp_path / "weights.pt")
    if mode == "lease":
        if mmap:
            with pytest.raises(mverify.UsageError, match="sealed"):
                mverify.torch.load(path, mode=mode, mmap=True)
        mmap = None
    config.load.mmap = True  # cannot make it map the file under a lease
    try:
        loaded = mverify.torch.load(path, mode=mode, mmap=mmap)
    finally:
        config.load.mmap = False
    with open(path, "r+b") as writing:
        writing.write(b"\xff" * path.stat().st_size)
        writing.truncate(10)
    assert loaded["w"].sum() == 100_000


def test_safetensors_by_name(torch, tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(3)}, path := tmp_path / "model.safetensors")
    for where in (None, "cpu", torch.device("cpu")):
        assert mverify.torch.load(path, map_location=where)["w"].sum() == 3
    with pytest.raises(mverify.UsageError):
        mverify.torch.load(path, map_location={"cuda:0": "cpu"})
    with pytest.raises(mverify.Rejected):
        mverify.torch.load(path, sha256="0" * 64)


def test_progress_is_told(torch, tmp_path):
    torch.save({"w": torch.ones(300_000)}, path := tmp_path / "weights.pt")
    told = []
    mverify.torch.load(path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (path.stat().st_size,) * 2
    assert mverify.torch.load(path, progress=True)["w"].sum() == 300_000


def test_the_signature_is_that_of_torch_load(torch):
    def named(load):
        return [
            (p.name, p.kind, p.default) for p in inspect.signature(load).parameters.values() if p.kind != p.VAR_KEYWORD
        ]

    assert named(mverify.torch.load) == named(torch.load)


def test_only_weights_only(torch, tmp_path, evil):
    torch.save({"w": torch.ones(3)}, path := tmp_path / "weights.pt")
    assert mverify.torch.load(path, weights_only=True)["w"].sum() == 3
    import pickle

    for options in [{"weights_only": False}, {"pickle_module": pickle}]:
        with pytest.raises(mverify.UsageError):
            mverify.torch.load(path, **options)
    for given in [evil, io.BytesIO(evil.read_bytes())]:
        with pytest.raises(mverify.Rejected):
            mverify.torch.load(given)
    with pytest.raises(mverify.Rejected):
        mverify.torch.load(path, sha256="0" * 64)
    with pytest.raises(mverify.UsageError):
        mverify.torch.load(io.StringIO("text"))


def test_every_real_file_loads_where_it_loads_and_is_ok(torch):
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not here")
    if not torch.__version__.startswith("2.15.0"):
        pytest.skip(f"these are files of torch 2.15.0, and this is {torch.__version__}")
    loaded, refused = 0, 0
    for path in sorted(p for p in REAL.rglob("*") if p.is_file()):
        try:
            plain = (torch.load(path, map_location="cpu", weights_only=True),)
        except Exception:
            plain = None
        ok = mverify.check(path).ok
        try:
            through = (mverify.torch.load(path, map_location="cpu"),)
        except Exception:
            through = None
        assert (through is not None) == (plain is not None and ok), path
        if through is not None:
            assert equal(torch, through[0], plain[0]), path
            loaded += 1
        else:
            refused += 1
    assert loaded > 50 and refused > 10


def sharded(torch, directory):
    directory.mkdir()
    weight_map = {}
    for number in (1, 2):
        name = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({f"w{number}": torch.full((5,), float(number))}, directory / name)
        weight_map[f"w{number}"] = name
    index = directory / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 40}, "weight_map": weight_map}))
    return index


def test_sharded_sets(torch, tmp_path, command):
    index = sharded(torch, tmp_path / "model")
    lock = tmp_path / "mverify.lock"
    subprocess.run([command, "lock", str(index.parent), "-o", str(lock)], check=True, capture_output=True)
    for path in (index, index.parent):
        state = mverify.torch.load_sharded(path, lock=lock, require="manifest", map_location="cpu")
        assert state["w1"].sum() == 5 and state["w2"].sum() == 10
    (index.parent / "extra.bin").write_bytes((index.parent / "pytorch_model-00001-of-00002.bin").read_bytes())
    with pytest.raises(mverify.Rejected):
        mverify.torch.load_sharded(index, lock=lock)
    with pytest.raises(mverify.MverifyError, match="extra"):
        mverify.torch.load_sharded(index)
    os.remove(index.parent / "extra.bin")
    os.remove(index.parent / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(mverify.MverifyError):
        mverify.torch.load_sharded(index)
