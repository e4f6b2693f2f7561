import json
import math
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

    told = []
    plain, loaded = (
        load_file(file),
        mverify.safetensors.load_file(os.fsencode(file), progress=lambda *n: told.append(n)),
    )
    assert told[-1] == (file.stat().st_size,) * 2
    assert plain.keys() == loaded.keys() and all(torch.equal(plain[k], loaded[k]) for k in plain)
    file.write_bytes(b"\0" * 200)
    loaded["w"] += 1  # what was loaded is ours, and ordinary
    assert loaded["w"][0, 0] == 1
    with pytest.raises(mverify.MverifyError):
        mverify.safetensors.load_file(file)


TYPES = {
    **dict.fromkeys(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"], 1),
    **dict.fromkeys(["I16", "U16", "F16", "BF16"], 2),
    **dict.fromkeys(["I32", "U32", "F32"], 4),
    **dict.fromkeys(["I64", "U64", "F64", "C64"], 8),
}


@pytest.mark.parametrize("mode", ["sealed", "private", "lease"])
def test_every_element_type_wherever_it_lies(torch, tmp_path, mode):
    """Scalars, empty tensors and tensors that nothing aligns; names in one order in the header, bytes in another."""
    from safetensors.torch import load_file

    data, header = b"", {}
    for dtype, size in TYPES.items():
        for name, shape in (("odd", [1]), ("scalar", []), ("none", [0, 3]), ("some", [2, 3])):
            length = math.prod(shape) if name == "odd" else math.prod(shape) * size
            entry = {"dtype": "U8" if name == "odd" else dtype, "shape": shape}
            header[f"{name} {dtype}"] = entry | {"data_offsets": [len(data), len(data) + length]}
            data += bytes(n % 2 for n in range(length))
    header["four"] = {"dtype": "F4", "shape": [4], "data_offsets": [len(data), len(data) + 2]}
    for names in (sorted(header, reverse=True), sorted(set(header) - {"four"})):
        text = json.dumps({name: header[name] for name in names}).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + data + (b"\1\2" if "four" in names else b""))
        plain, loaded = load_file(path), mverify.safetensors.load_file(path, mode=mode)
        assert list(plain) == list(loaded)
        for name, tensor in plain.items():
            assert loaded[name].dtype == tensor.dtype and loaded[name].shape == tensor.shape, name
            assert bytes_of(torch, loaded[name]) == bytes_of(torch, tensor), name


def bytes_of(torch, tensor):
    return tensor.reshape(-1).view(torch.uint8).tolist() if tensor.numel() else []


@pytest.mark.parametrize("mode", ["sealed", "private", "lease"])
def test_what_was_loaded_outlives_the_file(torch, file, mode):
    """Nothing that was handed out is a mapping of the file, which somebody may write to or cut once it is loaded."""
    from safetensors.torch import load_file

    plain = {name: tensor.clone() for name, tensor in load_file(file).items()}
    with mverify.safetensors.safe_open(file, framework="pt", mode=mode) as f:
        handed = [f.get_tensors(), {name: f.get_slice(name)[:] for name in f.keys()}]  # noqa: SIM118
    handed += [mverify.safetensors.load_file(file, mode=mode), mverify.torch.load(file, mode=mode)]
    with open(file, "r+b") as writing:
        writing.write(b"\xff" * file.stat().st_size)
        writing.truncate(10)
    assert all(torch.equal(tensors[name], plain[name]) for tensors in handed for name in plain)


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
