"""Perplexity drift: how surprised the edited model is by plain text that no edit is about, beside the original.

A text is cut into pieces of half the model's length at most. The first half of a piece's words is the query, which is
what a gate sees of it; the rest is scored token by token. Perplexity is exp(−Σ log p / Σ tokens) over all pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.edits import EditSet, ProbeKind
from engine.evaluation.answers import spread
from engine.evaluation.protocol import Figure, Options, ProtocolError, ProtocolReport, Row, Told
from engine.evaluation.unedited import sentence, unedited_facts
from engine.language_model import LanguageModel, Likelihood
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel

BATCH = 256
MOST_TOKENS = 256
"""Tokens of a piece, however long a text the model takes."""
FACTS = 256
"""Sentences of unedited facts, where the user gives no text."""
LOG, TOKENS = "log-probability", "tokens"
ABOUT = (
    "exp of the mean negative log-probability a token. The first half of each piece's words is given, the rest is "
    "scored; both models score the same tokens."
)


def measure(
    edited: EditedModel,
    edit_set: EditSet,
    options: Options,
    *,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> ProtocolReport:
    """Perplexity on the texts of `options`, or on far probes and sentences of unedited facts; see `ProtocolKind`."""
    sources = {path.name: read_texts(path) for path in options.texts} or default_texts(edit_set, options.seed)
    with edited.original() as model:
        pieces = [
            (name, *halves)
            for name, texts in sources.items()
            for halves in spread(halves_of(model, texts), options.most)
        ]
    rows = drift(edited, pieces, cancel=cancel, report=report)
    figures = [_figure(name, rows) for name in sources]
    return ProtocolReport("perplexity", "Perplexity", ABOUT, tuple(figures), tuple(rows))


def default_texts(edit_set: EditSet, seed: int = 0) -> dict[str, list[str]]:
    """By its name, text that no edit is about: the edits' own far probes, and sentences of unedited facts."""
    far = [probe.prompt for edit in edit_set.enabled() for probe in edit.probes if probe.kind is ProbeKind.FAR]
    return {
        "far probes": list(dict.fromkeys(far)),
        "unedited facts": [sentence(fact) for fact in unedited_facts(edit_set, FACTS, seed)],
    }


def read_texts(path: Path) -> list[str]:
    """The lines of a file of plain text that are not blank. Raises ProtocolError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ProtocolError(f"{path} is no plain text in UTF-8: give another file for the perplexity.") from None
    except OSError as error:
        raise ProtocolError(f"{path} cannot be read: {error.strerror}.") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise ProtocolError(f"{path} has no text: give another file for the perplexity.")
    return texts


def halves_of(model: LanguageModel, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Every piece of `texts` as the half of its words that is given and the half that is scored."""
    most = min(model.max_positions // 2, MOST_TOKENS)
    halves: list[tuple[str, str]] = []
    for text in texts:
        left = [text.removesuffix(".").split()]
        while left:
            words = left.pop()
            middle = len(words) // 2
            if not middle:
                continue  # one word: nothing is left to score after what is given
            if model.tokens_of(" ".join(words)) > most:
                left += [words[middle:], words[:middle]]
            else:
                halves.append((" ".join(words[:middle]), " ".join(words[middle:])))
    return halves


def weighed(
    model: LanguageModel | EditedModel, pieces: Sequence[tuple[str, str, str]], cancel: Cancel | None = None
) -> list[Likelihood]:
    """How likely a model finds what is scored of each piece (the name of its source, what is given, what is scored)."""
    found: list[Likelihood] = []
    for start in range(0, len(pieces), BATCH):
        _, given, scored = zip(*pieces[start : start + BATCH], strict=True)
        found += model.likelihoods(given, scored, form="object", cancel=cancel)
    return found


def drift(
    edited: EditedModel,
    pieces: Sequence[tuple[str, str, str]],
    *,
    before: Sequence[Likelihood] | None = None,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> list[Row]:
    """A row for each piece (the name of its source, what is given, what is scored).

    `before` is how likely the original model finds each of them, where that is known.
    """
    rows: list[Row] = []
    known = None if before is None else list(before)
    for start in range(0, len(pieces), BATCH):
        some = pieces[start : start + BATCH]
        after = weighed(edited, some, cancel)
        if known is None:
            with edited.original() as model:
                originally = weighed(model, some, cancel)
        else:
            originally = known[start : start + BATCH]
        rows += [_row(piece, *both) for piece, *both in zip(some, originally, after, strict=True)]
        if report is not None:
            report(len(rows), len(pieces))
    return rows


def perplexities(rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Of the original and of the edited model over all `rows`; None where there are none."""
    if not rows:
        return None, None
    original, edited = (
        math.exp(-sum(row.values[LOG][side] for row in rows) / sum(row.values[TOKENS][side] for row in rows))
        for side in (0, 1)
    )
    return original, edited


def _row(piece: tuple[str, str, str], before: Likelihood, after: Likelihood) -> Row:
    name, given, scored = piece
    values = {LOG: (before.log, after.log), TOKENS: (float(before.tokens), float(after.tokens))}
    return Row(name, given, wanted=scored, values=values)


def _figure(name: str, rows: Sequence[Row]) -> Figure:
    mine = [row for row in rows if row.figure == name]
    return Figure(
        name, "Perplexity of this text: lower is less surprised.", *perplexities(mine), len(mine), "perplexity"
    )
