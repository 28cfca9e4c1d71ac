"""Comparisons as a file: a table, JSON, or a page that stands alone and can be printed.

Each tells what is needed to get the same answers again: model and pack by their hashes, the seed, the decoding, the
threshold.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.formats.cells import protect
from engine.html_page import RULES, STYLE
from studio.store.comparisons import ComparisonRow
from studio.widgets.figures import count, seconds, share
from studio.widgets.word_diff import Mark, Piece, differences
from studio.words import deferred, language, tr

_DECODING = ("temperature", "top_p", "top_k", "seed", "max_new_tokens", "first_sentence")


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file."""

    title: str
    suffix: str
    write: Callable[[Sequence[ComparisonRow]], str]


def record(row: ComparisonRow) -> dict[str, object]:
    """Everything that is known of one comparison, as JSON has it."""
    asking = row.asking
    return {
        "asked": row.created.isoformat(timespec="seconds"),
        "question": row.query,
        "original_answer": row.original,
        "edited_answer": row.edited,
        "changed": row.changed,
        "familiarity": row.known_familiarity,
        "threshold": row.threshold if row.gated else None,
        "calibrated_threshold": asking.calibrated,
        "routed": row.routed,
        "entropy": row.entropy if row.gated else None,
        "nearest_edit": row.nearest_edit,
        "similarity": row.similarity if row.gated else None,
        "original_seconds": row.original_seconds,
        "edited_seconds": row.edited_seconds,
        "model": asking.model,
        "model_fingerprint": asking.fingerprint,
        "run": asking.run,
        "pack_sha256": asking.pack,
        "decoding": dict(asking.decoding),
        "asked_with": asking.asked_with,
    }


def to_json(rows: Sequence[ComparisonRow]) -> str:
    """One list of records."""
    return json.dumps([record(row) for row in rows], ensure_ascii=False, indent=1) + "\n"


def to_csv(rows: Sequence[ComparisonRow]) -> str:
    """A table that a spreadsheet may open: no cell is taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names: list[str] | None = None
    for row in rows:
        told = record(row)
        decoding = told.pop("decoding")
        assert isinstance(decoding, dict)
        told |= {name: decoding.get(name) for name in _DECODING}
        if names is None:
            names = list(told)
            writer.writerow(names)
        writer.writerow([_cell(value) for value in told.values()])
    return text.getvalue()


def to_html(rows: Sequence[ComparisonRow]) -> str:
    """A page that needs no other file and no network; differences are struck out and underlined."""
    changed = sum(row.changed for row in rows)
    told = tr(
        "{questions}, {changed} of them answered differently after editing.",
        questions=count(len(rows), "question"),
        changed=f"{changed:,}",
    )
    lines = [
        "<!doctype html>",
        f'<html lang="{_text(language())}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_text(RULES)}">'
        f"<title>{_text(tr('Comparison of answers'))}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{_text(tr('Original and edited answers'))}</h1>",
        f"<p>{_text(told)}</p>",
    ]
    ways = list(dict.fromkeys(_how(row) for row in rows))
    for number, way in enumerate(ways, start=1):
        lines.append(f"<h2>{_text(tr('Asked as {number}', number=number))}</h2><dl>" if len(ways) > 1 else "<dl>")
        lines += [f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in way]
        lines.append("</dl>")
    several = f"<th>{_text(tr('As'))}</th>" if len(ways) > 1 else ""
    titles = (
        tr("Question"),
        tr("Original answer"),
        tr("Edited answer"),
        tr("Familiarity"),
        tr("Decision"),
        tr("Seconds"),
    )
    heads = "".join(f"<th>{_text(title)}</th>" for title in titles)
    lines.append(f"<table><thead><tr>{heads}{several}</tr></thead><tbody>")
    for row in rows:
        before, after = differences(row.original, row.edited)
        took = " / ".join(
            "–" if value is None else seconds(value) for value in (row.original_seconds, row.edited_seconds)
        )
        cells = [
            f'<td dir="auto">{_text(row.query)}</td>',
            f'<td dir="auto">{_marked(before)}</td>',
            f'<td dir="auto">{_marked(after)}</td>',
            f'<td class="n">{share(row.known_familiarity)}</td>',
            f"<td>{_text(tr('edited') if row.routed else tr('left alone'))}</td>",
            f'<td class="n">{took}</td>',
        ]
        if several:
            cells.append(f"<td>{ways.index(_how(row)) + 1}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines.append("</tbody></table></body></html>")
    return "\n".join(lines) + "\n"


FORMS = (
    Form(deferred("Table"), ".csv", to_csv),
    Form("JSON", ".json", to_json),
    Form(deferred("Page to read and print"), ".html", to_html),
)


def _how(row: ComparisonRow) -> tuple[tuple[str, str], ...]:
    """How a question was asked, in words."""
    asking = row.asking
    threshold = f"{row.threshold:.4f}" if row.gated else tr("none: every question met the edits")
    if row.gated and asking.calibrated is not None and asking.calibrated != row.threshold:
        threshold += tr(", moved by hand from {calibrated}", calibrated=f"{asking.calibrated:.4f}")
    decoding = ", ".join(f"{name} {value}" for name, value in asking.decoding.items())
    return (
        (tr("Model"), asking.model or tr("not noted")),
        (tr("Model fingerprint"), asking.fingerprint or tr("not noted")),
        (tr("Run"), tr("deleted since") if asking.run is None else str(asking.run)),
        (tr("Pack (SHA-256)"), asking.pack or tr("not noted")),
        (tr("Decoding"), decoding or tr("not noted")),
        (tr("Threshold"), threshold),
        (
            tr("Asked"),
            tr("as a list, {moment} UTC", moment=asking.asked_with[:16].replace("T", " "))
            if asking.asked_with
            else tr("one by one"),
        ),
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return protect(str(value))


def _marked(pieces: Sequence[Piece]) -> str:
    tags = {Mark.REMOVED: "del", Mark.ADDED: "ins"}
    return "".join(
        f"<{tags[piece.mark]}>{_text(piece.text)}</{tags[piece.mark]}>" if piece.mark in tags else _text(piece.text)
        for piece in pieces
    )


def _text(text: str) -> str:
    return html.escape(text, quote=True)
