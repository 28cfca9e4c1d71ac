"""How figures are written, the same everywhere: thin units, no false precision."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from studio.words import counted


def seconds(value: float) -> str:
    """A span of time for a person: “35 ms”, “0.8 s”, “42 s”, “3 min 05 s”, “2 h 10 min”."""
    if 0 < value < 0.0995:
        return f"{max(value * 1000, 1):.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def share(value: float | None) -> str:
    """A share in [0, 1] as per cent; a dash where nothing is known; never all for less, nor none for some."""
    if value is None:
        return "–"
    percent = value * 100
    if 0 < percent < 0.05:
        return "< 0.1 %"
    if 99.95 <= percent < 100:
        return "99.9 %"
    return f"{percent:.0f} %" if percent in (0.0, 100.0) else f"{percent:.1f} %"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """“1 edit”, “1,024 edits”."""
    return counted(number, singular, plural)


def file_size(size: int) -> str:
    """A size in bytes for a person: “340 kB”, “1.2 MB”, “3.4 GB”."""
    for unit, step in (("GB", 10**9), ("MB", 10**6)):
        if size >= step:
            return f"{size / step:,.1f} {unit}"
    return f"{max(1, round(size / 1000)) if size else 0} kB"


def moment(when: datetime.datetime, *, exact: bool = False) -> str:
    """A point in time in the user's zone: “2026-11-21 14:05”; with its seconds where it is to be `exact`."""
    form = "%Y-%m-%d %H:%M:%S" if exact else "%Y-%m-%d %H:%M"
    return (when.astimezone() if when.tzinfo else when).strftime(form)


def figure(figures: Mapping[str, object], name: str) -> float | None:
    """A figure of a run, where it was measured."""
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else None
