"""JSON as a trustworthy file holds it: no key twice, no NaN, no number that overflows, no endless nesting.

Python's own reader takes all of these and keeps the last value, an infinity or a stack overflow.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


class JsonFault(ValueError):
    """A text that is no trustworthy JSON; the message is a clause that says why."""


class StrictDecoder:
    """Reads values one by one out of a text, so that a list's good records survive a bad one."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_int=self._int,
            parse_float=self._float,
        )

    def value_at(self, text: str, start: int) -> tuple[Any, int, str | None]:
        """The value that begins at `start`, where it ends, and what is wrong within it.

        Raises JsonFault where no value can be made out, so that its end is unknown too.
        """
        self._faults.clear()
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, character {error.colno}"
            raise JsonFault(f"it is no valid JSON at {place}: {error.msg[:1].lower()}{error.msg[1:]}") from None
        except RecursionError:
            raise JsonFault("its brackets are nested too deep") from None
        return value, end, self._faults[0] if self._faults else None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            self._faults.append(f"the key {twice[:40]!a} appears twice")
        return value

    def _constant(self, name: str) -> None:
        self._faults.append(f"{name} is no number")

    def _int(self, digits: str) -> int:
        try:
            return int(digits)
        except ValueError:  # Python refuses to convert thousands of digits
            self._faults.append(f"a number has {len(digits):,} digits")
            return 0

    def _float(self, digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            self._faults.append(f"the number {digits[:40]} is too large")
        return value


def parse(text: str) -> Any:
    """The one value that `text` holds. Raises JsonFault."""
    start = len(text) - len(text.lstrip(" \t\r\n"))
    value, end, fault = StrictDecoder().value_at(text, start)
    if fault:
        raise JsonFault(fault)
    if text[end:].strip(" \t\r\n"):
        raise JsonFault("it goes on after its end")
    return value


def dump(value: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> str:
    """`value` as JSON in UTF-8 characters, keys in their own order. Raises ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def canonical(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """The one spelling of `value` that hashes are taken of: sorted keys, no spaces."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode()
