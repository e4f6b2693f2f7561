"""Policies that are given as a dict, as the text that a policy file would have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._errors import UsageError

_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(code): f"\\u{code:04X}" for code in [*range(32), 127]}


def document(what: str, values: Mapping[str, Any]) -> str:
    """One line for each key. Raises UsageError, which names `what`, for a value that TOML does not have."""
    return "\n".join(_pairs(what, values))


def _pairs(what: str, values: Mapping[Any, Any]) -> list[str]:
    return [f"{_key(what, key)} = {_value(f'{what}.{key}', value)}" for key, value in values.items()]


def _value(what: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(what, value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(what, item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(_pairs(what, value))}}}"
    raise UsageError(f"{what}={value!r}: expected a text, a number, a bool, a list or a dict")


def _key(what: str, key: Any) -> str:
    if not isinstance(key, str):
        raise UsageError(f"{what}: its keys are texts, and {key!r} is none")
    return _text(what, key)


def _text(what: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what}: {text!r} is not UTF-8") from None
    return f'"{"".join(_ESCAPES.get(c, c) for c in text)}"'
