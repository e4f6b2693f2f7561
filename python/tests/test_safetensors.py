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
        assert f.file.report.ok


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
