import io
import pickle

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


def test_torch(torch, tmp_path, evil):
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
    assert pickle.load is plain
