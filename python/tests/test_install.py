import bz2
import concurrent.futures
import gzip
import io
import lzma
import os
import pickle
import time
import zipfile

import pytest

import mverify


@pytest.fixture(autouse=True)
def undone():
    yield
    mverify.uninstall()


def test_pickles_from_files(tmp_path, evil):
    plain = pickle.load
    path = tmp_path / "two.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    mverify.install()
    with open(path, "rb") as file:
        assert pickle.load(file) == {"a": 1} and file.tell() == path.stat().st_size
    with open(evil, "rb") as file, pytest.raises(mverify.Rejected):
        pickle.load(file)
    assert pickle.load(io.BytesIO(evil.read_bytes())), "memory is not a file: this is a seat belt"
    mverify.uninstall()
    assert pickle.load is plain
    mverify.uninstall()


def test_every_way_to_open_a_file(tmp_path, evil):
    path = tmp_path / "good.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    packed = []
    for pack in (gzip, bz2, lzma):
        for file in (path, evil):
            packed.append((pack.open, tmp_path / f"{file.stem}.{pack.__name__}", file == path))
            with pack.open(packed[-1][1], "wb") as to:
                to.write(file.read_bytes())
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.write(path, "good")
        archive.write(evil, "evil")
    by_number = [
        (lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb"), file, file == path) for file in (path, evil)
    ]
    members = [(zipfile.ZipFile(tmp_path / "both.zip").open, name, name == "good") for name in ("good", "evil")]
    mverify.install()
    for opened, given, good in packed + by_number + members:
        with opened(given) as file:
            if good:
                assert pickle.load(file) == [1, 2]
            else:
                with pytest.raises(mverify.Rejected):
                    pickle.load(file)


def test_pickles_one_after_the_other_are_verified_once(tmp_path, evil):
    path = tmp_path / "many.pkl"
    path.write_bytes(b"".join(pickle.dumps({"n": n, "x": "y" * 500}) for n in range(2000)))
    mverify.install()
    began, loaded = time.monotonic(), []
    with open(path, "rb") as file:
        with pytest.raises(EOFError):
            while True:
                loaded.append(pickle.load(file)["n"])
        file.seek(0)
        assert pickle.load(file)["n"] == 0, "from wherever it is put"
    assert loaded == list(range(2000)) and time.monotonic() - began < 5
    with open(path, "ab") as file:
        file.write(evil.read_bytes())
    with open(path, "rb") as file, pytest.raises(mverify.Rejected):
        pickle.load(file)


def test_a_pipe_is_no_file():
    mverify.install()
    reading, writing = os.pipe()
    with open(reading, "rb") as file, open(writing, "wb", buffering=0) as to:
        to.write(pickle.dumps("first"))
        assert pickle.load(file) == "first", "and is not read to its end, which may never come"


def test_others_may_patch_too_and_many_threads_install(tmp_path, evil):
    plain = pickle.load
    mverify.install()
    ours = pickle.load
    pickle.load = lambda file: ours(file)
    theirs = pickle.load
    mverify.uninstall()
    try:
        assert pickle.load is theirs, "what is not ours is left alone"
        with open(evil, "rb") as file:
            assert pickle.load(file), "and verifies no longer"
    finally:
        pickle.load = plain
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: mverify.install() if n % 2 else mverify.uninstall(), range(40)))
    mverify.uninstall()
    assert pickle.load is plain


def test_torch(torch, tmp_path, evil):
    from safetensors.torch import save_file

    torch.save({"w": torch.ones(2)}, path := tmp_path / "weights.pt")
    plain = torch.load, torch.jit.load
    mverify.install({"require": ["weights-only"]})
    assert torch.load(path)["w"].sum() == 2
    assert torch.load(f=path, map_location="cpu")["w"].sum() == 2
    for load in (torch.load, torch.jit.load):
        with pytest.raises(mverify.Rejected):
            load(str(evil))
    with open(evil, "rb") as file, pytest.raises(mverify.Rejected):
        torch.load(file, weights_only=False)
    url = evil.as_uri()
    with pytest.raises(mverify.Rejected):
        torch.hub.load_state_dict_from_url(url, model_dir=str(tmp_path / "hub"))
    assert torch.hub.load_state_dict_from_url(path.as_uri(), model_dir=str(tmp_path / "hub"))["w"].sum() == 2
    # of which torch itself reads one pickle after the other, by pickle.load
    torch.save({"w": torch.ones(2)}, old := tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file({"w": torch.ones(2)}, named := tmp_path / "model.safetensors")
    mverify.install()
    for given in (old, named, path):
        assert torch.load(given, weights_only=False)["w"].sum() == 2
    with open(old, "rb") as file:
        assert torch.load(file, weights_only=False)["w"].sum() == 2
    mverify.install(sha256="0" * 64)
    with pytest.raises(mverify.Rejected):
        torch.load(named)
    # mverify's own calls load what they have verified, by whatever path
    mverify.install(sha256="0" * 64)
    with open(path, "rb") as file:
        for given in (path, named, file):
            assert mverify.torch.load(given)["w"].sum() == 2
    mverify.install()
    mverify.uninstall()
    assert (torch.load, torch.jit.load) == plain


def test_numpy_and_joblib(tmp_path, evil):
    numpy, joblib = pytest.importorskip("numpy"), pytest.importorskip("joblib")
    numpy.save(tmp_path / "plain.npy", numpy.arange(5))
    numpy.save(tmp_path / "objects.npy", numpy.array([1, "a", None], dtype=object))
    joblib.dump({"a": numpy.arange(5)}, tmp_path / "model.joblib")
    mverify.install()
    assert numpy.load(tmp_path / "plain.npy").sum() == 10
    assert len(numpy.load(tmp_path / "objects.npy", allow_pickle=True)) == 3
    assert joblib.load(tmp_path / "model.joblib")["a"].sum() == 10
    for load in (lambda: numpy.load(evil, allow_pickle=True), lambda: joblib.load(evil)):
        with pytest.raises(mverify.Rejected):
            load()


def test_what_cannot_be_used_installs_nothing():
    plain = pickle.load
    with pytest.raises(mverify.UsageError):
        mverify.install({"fail-of": 1})
    with pytest.raises(mverify.UsageError):
        mverify.install(look=3)
    with pytest.raises(mverify.UsageError, match="lease"):
        mverify.install(mode="lease")
    assert pickle.load is plain
