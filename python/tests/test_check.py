import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import FIXTURES, ROOT

import mverify


def test_a_report_says_what_the_command_says(command):
    os.chdir(ROOT)
    for name in ["fixtures/weights.pt", "fixtures/pickle", "fixtures/format", "no such file"]:
        report = mverify.check(name, torch=["2.15", "1.13"])
        ran = subprocess.run(
            [command, "--no-config", "--format", "json", "--torch", "2.15", "--torch", "1.13", name],
            capture_output=True,
            text=True,
        )
        assert report.to_json() == ran.stdout
        assert {"ok": 0, "bad": 1, "unknown": 3}[report.verdict] == ran.returncode


def test_attributes(evil):
    report = mverify.check(evil, torch="2.15")
    assert (report.ok, report.verdict, report.coverage) == (False, "bad", "complete")
    finding = next(f for f in report.findings if f.global_name == "os.getpid")
    assert finding.rule.startswith("MV-PKL-") and finding.severity in ("critical", "high") and finding.offset == 2
    answer = report.weights_only[0]
    assert (answer.torch, answer.outcome, answer.global_name) == ("2.15", "blocked", "os.getpid")
    artifact = report.artifacts[0]
    assert artifact.path == str(evil) and artifact.size == 16
    assert artifact.digests["sha256"] == hashlib.sha256(evil.read_bytes()).hexdigest()
    assert report.reasons and report.reasons[0].startswith(str(evil))
    assert json.loads(report.to_json())["schema"] == "mverify.report/v1"
    assert pickle.loads(pickle.dumps(report)) == report
    assert "bad" in repr(report)
    with pytest.raises(TypeError):
        bool(report)


def test_demands(tmp_path, evil):
    good = FIXTURES / "weights.pt"
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    assert mverify.check(good).ok
    assert mverify.check(good, sha256=digest, require="manifest").ok
    assert mverify.check(good, sha256="0" * 64).verdict == "bad"
    assert mverify.check(good, require="manifest").verdict == "unknown"
    assert mverify.check(good, require=["weights-only>=2.0"]).ok
    assert mverify.check(good, policy={"formats": ["safetensors"]}).verdict == "bad"
    policy = tmp_path / "mverify.toml"
    policy.write_text('require = ["signature"]\n')
    assert not mverify.check(good, policy=policy).ok
    assert not mverify.check(evil, policy={"fail-on": "critical"}).ok, "nothing makes a bad file ok"
    answers = mverify.check(good, profile=["accelerate", "timm"], torch="2.15").weights_only
    assert len(answers) == 2 and {answer.outcome for answer in answers} == {"loads"}


def test_a_dict_is_as_good_as_a_policy_file(tmp_path, evil):
    good = str(FIXTURES / "weights.pt")
    digest = hashlib.sha256(evil.read_bytes()).hexdigest()
    for policy, path, verdict in [
        ({"model": [{"path": good, "require": ["signature"]}]}, good, "unknown"),
        ({"deny": {"sha256": [hashlib.sha256(Path(good).read_bytes()).hexdigest()]}}, good, "bad"),
        ({"override": [{"path": str(tmp_path / "**"), "require": ["manifest"]}]}, good, "ok"),
        ({"trusted-globals": ["it's \"\x7f\n.ünique"], "limits": {"max_ops": "1K"}}, good, "ok"),
        ({"limits": {"max_ops": 1}}, good, "unknown"),
        ({"deny": {"sha256": [digest]}}, evil, "bad"),
    ]:
        assert mverify.check(path, policy=policy).verdict == verdict, policy


def test_limits(tmp_path):
    good = FIXTURES / "weights.pt"
    assert mverify.check(good, limits={"max_file_bytes": "1M", "timeout": 60}).ok
    assert mverify.check(good, limits={"max_file_bytes": 10}).verdict == "unknown"
    assert mverify.check(good, policy={"limits": {"max_ops": 1}}, limits={"max_ops": 100_000}).ok, "the call counts"
    big = tmp_path / "big.bin"
    with open(big, "wb") as file:
        file.truncate(64 << 30)
    began = time.monotonic()
    report = mverify.check(big, limits={"timeout": 1}, threads=1)
    assert report.verdict == "unknown" and time.monotonic() - began < 20, "minutes otherwise"


def test_strict_permissions(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes((FIXTURES / "weights.pt").read_bytes())
    path.chmod(0o600)
    assert mverify.check(path, strict_perms=True).ok
    path.chmod(0o666)
    assert not mverify.check(path, strict_perms=True).ok and mverify.check(path).ok


def test_locks(tmp_path, command):
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.pt").write_bytes((FIXTURES / "weights.pt").read_bytes())
    lock = tmp_path / "mverify.lock"
    subprocess.run([command, "lock", str(model), "-o", str(lock)], check=True, capture_output=True)
    assert mverify.check(model, lock=lock, require="manifest").ok
    (model / "extra.json").write_text("{}")
    assert mverify.check(model, lock=lock).verdict == "bad"


@pytest.mark.parametrize(
    "options",
    [
        {"torch": "new"},
        {"require": "luck"},
        {"sha256": "12"},
        {"fail_on": "severe"},
        {"policy": {"fail-of": "low"}},
        {"policy": {"fail-on": object()}},
        {"policy": "/no/such/policy"},
        {"lock": "/no/such/lock"},
        {"key": "/no/such/key"},
        {"identity": "somebody"},
        {"subject": "CN=x"},
        {"key": __file__, "ca": [__file__]},
        {"threads": -1},
        {"profile": "unknown"},
        {"limits": {"max_op": 3}},
        {"limits": {"max_ops": -1}},
        {"limits": 3},
        {"policy": {"model": [{"require": []}]}},
        {"policy": {"formats": ["\ud800"]}},
        {"policy": {3: 4}},
        {"look": 3},
        {"manifest": 3},
        {"memory": -1},
        {"memory": "1G"},
        {"memory": True},
        {"sha256": b"00"},
        {"mode": 3},
        {"subject": "\ud800", "ca": __file__},
    ],
)
def test_what_cannot_be_used_is_an_error(options):
    with pytest.raises(mverify.UsageError) as raised:
        mverify.check(FIXTURES / "weights.pt", **options)
    assert isinstance(raised.value, mverify.MverifyError) and isinstance(raised.value, ValueError)


def test_a_digest_is_that_of_one_file():
    with pytest.raises(mverify.UsageError):
        mverify.check(FIXTURES, sha256="0" * 64)


def test_names_that_are_not_utf8(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"we\xffights.pt")
    Path(os.fsdecode(path)).write_bytes((FIXTURES / "weights.pt").read_bytes())
    assert mverify.check(os.fsdecode(path)).ok


def test_progress_is_told_and_its_errors_end_the_call(tmp_path):
    big = tmp_path / "big.bin"
    with open(big, "wb") as file:
        file.truncate(256 << 20)
    told = []
    mverify.check(big, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (256 << 20, 256 << 20) and told == sorted(told)

    def fail(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        mverify.check(big, progress=fail)
    assert mverify.check(big, progress=True).verdict == "unknown"


def test_the_gil_is_released(tmp_path):
    big = tmp_path / "big.bin"
    with open(big, "wb") as file:
        file.truncate(512 << 20)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    mverify.check(big, threads=1)
    done.set()
    ticker.join()
    assert len(ticks) > 20


def test_import_is_quick_and_brings_nothing_heavy():
    code = (
        "import sys, time; t = time.process_time(); import mverify; t = time.process_time() - t; "
        "assert not {'torch', 'numpy', 'safetensors', 'tqdm'} & set(sys.modules); print(t)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(7)
    ]
    assert min(times) < 0.030, times


def test_a_small_file_takes_less_than_a_millisecond(tmp_path):
    small = tmp_path / "small.json"
    small.write_text('{"a": "' + "x" * 1000 + '"}')
    times = []
    for _ in range(200):
        began = time.perf_counter()
        mverify.check(small)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.001, min(times)
