"""Reports: the wire form `mverify.report/v1` of the command, with attributes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, NamedTuple

Verdict = Literal["ok", "bad", "unknown"]
Coverage = Literal["complete", "partial"]


class Finding(NamedTuple):
    """One thing that was found. `mverify explain RULE` tells what it means and what to do."""

    rule: str
    """Stable id, as in `MV-PKL-001`."""
    severity: Literal["critical", "high", "medium", "low", "info"]
    message: str
    member: str | None
    """Path of archive members that leads there, joined with `!`."""
    offset: int | None
    """Bytes from the start of the file, or of the member."""
    global_name: str | None
    """The global concerned, as in `os.system`."""


class WeightsOnly(NamedTuple):
    """What `torch.load(weights_only=True)` does with the file, in one torch version."""

    torch: str
    outcome: Literal["loads", "blocked", "corrupt", "unprovable"]
    rule: str
    global_name: str | None
    reason: str


class Integrity(NamedTuple):
    """One comparison with what is expected."""

    source: str
    trust: Literal["signed", "pinned", "self-asserted"]
    signer: str | None
    status: Literal["match", "mismatch", "missing", "extra", "not-covered"]
    note: str | None


class Artifact(NamedTuple):
    """One file."""

    path: str
    format: str
    role: Literal["loadable", "config", "inert", "code", "opaque"]
    size: int
    """Bytes."""
    digests: dict[str, str]
    """Lower-case hexadecimal, by algorithm."""
    verdict: Verdict
    coverage: Coverage
    reasons: list[str]
    """Why the verdict is not ok, in plain words."""
    weights_only: list[WeightsOnly]
    integrity: list[Integrity]
    findings: list[Finding]


def _artifact(wire: dict[str, Any]) -> Artifact:
    weights_only = [
        WeightsOnly(w["torch"], w["outcome"], w["rule"], w["global"], w["reason"]) for w in wire["weights_only"]
    ]
    integrity = [Integrity(i["source"], i["trust"], i["signer"], i["status"], i.get("note")) for i in wire["integrity"]]
    findings = [
        Finding(f["rule"], f["severity"], f["message"], f["member"], f["offset"], f["global"]) for f in wire["findings"]
    ]
    plain: Any = {name: wire[name] for name in Artifact._fields[:8]}
    return Artifact(**plain, weights_only=weights_only, integrity=integrity, findings=findings)


class Report:
    """What a check says. Equal, hashable and picklable by its JSON. It is not a truth value: ask `ok`."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _wire(self) -> dict[str, Any]:
        import json  # here, so that importing mverify stays quick

        wire: dict[str, Any] = json.loads(self._text)
        return wire

    @property
    def ok(self) -> bool:
        """True if everything that was asked for was proven."""
        return self.verdict == "ok"

    @property
    def verdict(self) -> Verdict:
        """`ok`, `bad` or `unknown`: that of the worst file. Nothing at all is `unknown`."""
        verdict: Verdict = self._wire["verdict"]
        return verdict

    @property
    def coverage(self) -> Coverage:
        """`complete`, or `partial` where something could not be looked at. What is ok is complete."""
        coverage: Coverage = self._wire["coverage"]
        return coverage

    @cached_property
    def artifacts(self) -> list[Artifact]:
        """One entry per file, sorted by path."""
        return [_artifact(artifact) for artifact in self._wire["artifacts"]]

    @property
    def findings(self) -> list[Finding]:
        """The findings of all files."""
        return [finding for artifact in self.artifacts for finding in artifact.findings]

    @property
    def weights_only(self) -> list[WeightsOnly]:
        """The answers for all files, for each torch version asked for."""
        return [answer for artifact in self.artifacts for answer in artifact.weights_only]

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is not ok: path and reason, for every file that is not ok, proven bad ones first."""
        worst_first = sorted(self.artifacts, key=lambda artifact: artifact.verdict != "bad")
        return [f"{a.path}: {reason}" for a in worst_first if a.verdict != "ok" for reason in a.reasons]

    def to_json(self) -> str:
        """The report as `mverify --format json` writes it (`mverify.report/v1`)."""
        return self._text

    def __bool__(self) -> bool:
        raise TypeError("a report has no truth value: ask report.ok")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[Report], tuple[str]]:
        return Report, (self._text,)

    def __repr__(self) -> str:
        count = len(self._wire["artifacts"])
        return f"<mverify.Report {self.verdict}, {self.coverage}, {count} file{'' if count == 1 else 's'}>"
