import json
import os
import subprocess

import pytest

import mverify


@pytest.fixture
def file(torch, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"w": torch.arange(100.0).reshape(4, 25), "b": torch.ones(3)}, path, metadata={"format": "pt"})
    return path


def test_load_file(torch, file):
    from safetensors.torch import load_file

    plain, loaded = load_file(file), mverify.safetensors.load_file(file)
    assert plain.keys() == loaded.keys() and all(torch.equal(plain[k], loaded[k]) for k in plain)
    file.write_bytes(b"\0" * 200)
    loaded["w"] += 1  # what was loaded is ours, and ordinary
    assert loaded["w"][0, 0] == 1
    with pytest.raises(mverify.MverifyError):
        mverify.safetensors.load_file(file)


def test_safe_open(torch, file):
    with mverify.safetensors.safe_open(file, framework="pt") as f:
        assert set(f.keys()) == {"w", "b"} and f.metadata() == {"format": "pt"}
        assert torch.equal(f.get_tensor("b"), torch.ones(3))
        assert f.get_slice("w")[1:2].shape == (1, 25)
        assert f.report.ok and f.offset_keys()[0] in ("w", "b")
        assert f.proven == [(0, file.stat().st_size)]
        with pytest.raises(Exception, match="nothing"):
            f.get_tensor("nothing")
    with pytest.raises(ValueError):
        f.keys()


@pytest.fixture
def signed(torch, tmp_path, command):
    """A model that was signed in shards, what it holds, and the options that trust its signer."""
    from safetensors.torch import save_file

    model = tmp_path / "signed"
    model.mkdir()
    path = model / "model.safetensors"
    tensors = {
        "a": torch.arange(2_000_000.0),
        "b": torch.ones(300, 500, dtype=torch.bfloat16),
        "c": torch.zeros(0, 3),
        "d": torch.tensor(3, dtype=torch.int64),
        "e": torch.arange(500_000, dtype=torch.uint8).to(torch.float8_e4m3fn),
    }
    save_file(tensors, path, metadata={"format": "pt"})
    subprocess.run([command, "keygen", "-o", "signer.pem"], cwd=tmp_path, check=True, capture_output=True)
    signature, key = tmp_path / "model.sig", tmp_path / "signer.pem"
    subprocess.run(
        [command, "sign", model, "--key", key, "--shards", "65536", "-o", signature], check=True, capture_output=True
    )
    return path, tensors, {"manifest": signature, "key": tmp_path / "signer.pem.pub"}


def test_safe_open_proves_what_is_asked_for(torch, signed):
    path, tensors, trust = signed
    for framework in ("pt", "np"):
        with mverify.safetensors.safe_open(path, framework=framework, **trust) as f:
            assert f.keys() == sorted(tensors) and f.metadata() == {"format": "pt"} and f.report.ok
            before = sum(end - start for start, end in f.proven)
            got = f.get_tensor("b") if framework == "pt" else f.get_tensor("d")
            assert got.tolist() == tensors["b" if framework == "pt" else "d"].tolist()
            after = sum(end - start for start, end in f.proven)
            assert before <= after < path.stat().st_size / 2, "the rest was not read"
    with mverify.safetensors.safe_open(path, framework="pt", require="signature", **trust) as f:
        for name, tensor in tensors.items():
            loaded = f.get_tensor(name)
            assert loaded.dtype == tensor.dtype and loaded.shape == tensor.shape
            assert torch.equal(loaded.reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))
        assert f.get_slice("b")[3:5, :2].shape == (2, 2)
        with pytest.raises(mverify.UsageError):
            f.get_tensor("nothing")


def test_a_changed_tensor_is_refused_when_it_is_asked_for(torch, signed):
    path, tensors, trust = signed
    bytes = bytearray(path.read_bytes())
    bytes[-1] ^= 1  # in the last tensor of the file
    path.write_bytes(bytes)
    with pytest.raises(mverify.Rejected):
        mverify.safetensors.load_file(path, **trust)
    bytes[-1] ^= 1
    bytes[-300_000] ^= 1
    path.write_bytes(bytes)
    with mverify.safetensors.safe_open(path, framework="pt", **trust) as f:
        refused = []
        for name in f.keys():  # noqa: SIM118  not a dict
            try:
                assert f.get_tensor(name).shape == tensors[name].shape
            except mverify.Rejected as error:
                refused.append(name)
                assert "signed" in str(error)
    assert len(refused) == 1
    # what only the whole file can prove is proven of the whole file
    with pytest.raises(mverify.Rejected):
        mverify.safetensors.safe_open(path, framework="pt", sha256="0" * 64, **trust)


def test_sharded_sets(torch, tmp_path, command):
    from safetensors.torch import save_file

    model = tmp_path / "model"
    model.mkdir()
    shards = {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    for name, shard in shards.items():
        save_file({name: torch.full((5,), 2.0)}, model / shard, metadata={"format": "pt"})
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 40}, "weight_map": shards}))
    subprocess.run([command, "keygen", "-o", "signer.pem"], cwd=tmp_path, check=True, capture_output=True)
    key = next(path for path in tmp_path.iterdir() if path.suffix == ".pub" or ".pub." in path.name)
    signature = tmp_path / "model.sig"
    subprocess.run(
        [command, "sign", str(model), "--key", str(tmp_path / "signer.pem"), "-o", str(signature)],
        check=True,
        capture_output=True,
    )
    trust = {"manifest": signature, "key": key, "require": "signature"}
    assert mverify.check(model, **trust).ok, mverify.check(model, **trust).reasons
    state = mverify.safetensors.load_sharded(index, **trust)
    assert sorted(state) == ["w1", "w2"] and state["w1"].sum() == 10
    with mverify.snapshot(model, **trust) as private:
        assert sorted(os.listdir(private)) == sorted(os.listdir(model))
    assert not os.path.exists(private)
    (model / "model-00003-of-00003.safetensors").write_bytes((model / shards["w1"]).read_bytes())
    with pytest.raises(mverify.Rejected):
        mverify.safetensors.load_sharded(index, **trust)
    with pytest.raises(mverify.MverifyError):
        mverify.safetensors.load_sharded(index)
    for hostile in ("../evil.safetensors", "/etc/passwd", "..", "a/b"):
        index.write_text(json.dumps({"weight_map": {"w": hostile}}))
        with pytest.raises(mverify.MverifyError):
            mverify.safetensors.load_sharded(index)
