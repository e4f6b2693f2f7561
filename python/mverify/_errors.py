"""What mverify raises. Every error carries the report, where the bytes were looked at."""

from __future__ import annotations

from ._report import Report


class MverifyError(Exception):
    """The base of all errors of mverify. `report` is None where no bytes were looked at."""

    report: Report | None

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report

    @property
    def reasons(self) -> list[str]:
        """Why, in plain words: the reasons of every file that is not ok."""
        if self.report is None:
            return [str(self)]
        return self.report.reasons

    def __reduce__(self) -> tuple[type[MverifyError], tuple[str, Report | None]]:
        return type(self), (str(self), self.report)


class Rejected(MverifyError):
    """Proven bad: a dangerous finding, or a digest or signature that does not match (exit code 1 of the command)."""


class NotProven(MverifyError):
    """Neither good nor bad: unreadable, unsupported, over a limit, changed while it was read, not covered by what was
    demanded, or the mode cannot be had here (exit code 3). Nothing is handed out."""


class UsageError(MverifyError, ValueError):
    """An argument or a policy that cannot be used (exit code 2)."""


def _make(name: str, message: str, report: str | None) -> MverifyError:
    """Called by the native module."""
    classes: dict[str, type[MverifyError]] = {"Rejected": Rejected, "NotProven": NotProven, "UsageError": UsageError}
    return classes[name](message, None if report is None else Report(report))


def refuse(report: Report) -> None:
    """Raises unless everything in the report was proven."""
    if report.ok:
        return
    reasons = report.reasons
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    first = reasons[0] if reasons else "nothing was verified"
    if report.verdict == "bad":
        raise Rejected(f"refused: {first}{more}", report)
    raise NotProven(f"not proven: {first}{more}", report)
