"""The CounterFact protocol: is the new object likelier than the original answer? (Meng et al. 2022, section 3.4)

A score is the share of questions for which the right one of two objects has the higher mean log-probability a token,
without a stop after it: the new object for prompts (ES) and paraphrases (PS), the answer that must stay for neighbour
probes (NS). A magnitude (EM, PM, NM) is the difference of the two probabilities, exp of those means. Both are the mean
over edits of the mean over an edit's questions. S is the harmonic mean of ES, PS and NS.

Nothing is decoded: a score can be high where the model writes something else, so that these figures stand beside
Reliability, Generality and Locality and never in their place.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, harmonic_mean
from typing import TYPE_CHECKING

from engine.edits import Edit, EditSet, ProbeKind
from engine.evaluation.answers import is_answer, spread
from engine.evaluation.protocol import Figure, Options, ProtocolReport, Row, Told, Unit
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel
    from engine.language_model import LanguageModel

BATCH = 256
SCORES = {"ES": "prompts", "PS": "paraphrases", "NS": "neighbour probes"}
"""What each score asks."""
NEW, STAYS = "log-probability of the new object", "log-probability of the original answer"
ABOUT = (
    "The mean log-probability a token of the new object against that of the original answer, after the prompt, with no "
    "stop after either; the mean over edits of each edit's mean. A neighbour's original answer is {}."
)
OWN = "what the original model writes for it"
SHARED = "that of its edit, as in the CounterFact data"


@dataclass(frozen=True, slots=True)
class _Question:
    figure: str
    edit: str
    query: str
    new: str
    original: str


def measure(
    edited: EditedModel,
    edit_set: EditSet,
    options: Options,
    *,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> ProtocolReport:
    """ES, PS, NS, S and the magnitudes on the enabled edits; see `ProtocolKind`."""
    with edited.original() as model:
        questions = _questions(edit_set.enabled(), model, options, cancel)
    kept = [one for one in questions if one.original and not is_answer(one.new, one.original)]
    asked = [one for figure in SCORES for one in spread([two for two in kept if two.figure == figure], options.most)]
    rows: list[Row] = []
    for start in range(0, len(asked), BATCH):
        rows += _weigh(edited, asked[start : start + BATCH], cancel)
        if report is not None:
            report(len(rows), len(asked))
    dropped = len(questions) - len(kept)
    notes = (f"Left out: {dropped:,} of {len(questions):,}, whose original answer is the new object, or nothing.",)
    about = ABOUT.format(SHARED if options.shared else OWN)
    return ProtocolReport(
        "counterfact", "CounterFact", about, tuple(_figures(rows)), tuple(rows), notes if dropped else ()
    )


def _questions(edits: Sequence[Edit], model: LanguageModel, options: Options, cancel: Cancel | None) -> list[_Question]:
    """What is asked of each edit; answers that nobody gave are those of the original `model`."""
    unknown = [edit.prompt for edit in edits if not edit.original_answer]
    neighbours = [] if options.shared else [text for edit in edits for text in _neighbours(edit)]
    texts = list(dict.fromkeys([*unknown, *neighbours]))
    answers = dict(zip(texts, model.answer(texts, cancel=cancel), strict=True))
    questions = []
    for edit in edits:
        original = edit.original_answer or answers[edit.prompt]
        questions.append(_Question("ES", edit.id, edit.prompt, edit.new_object, original))
        questions += [_Question("PS", edit.id, text, edit.new_object, original) for text in edit.paraphrases]
        questions += [
            _Question("NS", edit.id, text, edit.new_object, original if options.shared else answers[text])
            for text in _neighbours(edit)
        ]
    return questions


def _neighbours(edit: Edit) -> list[str]:
    return [probe.prompt for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]


def _weigh(edited: EditedModel, asked: Sequence[_Question], cancel: Cancel | None) -> list[Row]:
    queries = [one.query for one in asked]
    objects = [one.new for one in asked], [one.original for one in asked]
    after = [edited.likelihoods(queries, texts, form="object", cancel=cancel) for texts in objects]
    with edited.original() as model:
        before = [model.likelihoods(queries, texts, form="object", cancel=cancel) for texts in objects]
    rows = []
    for place, one in enumerate(asked):
        values = {name: (before[side][place].mean, after[side][place].mean) for side, name in enumerate((NEW, STAYS))}
        wanted, against = (one.original, one.new) if one.figure == "NS" else (one.new, one.original)
        rows.append(Row(one.figure, one.query, one.edit, wanted, against, values=values))
    return rows


def _figures(rows: Sequence[Row]) -> list[Figure]:
    scores = [
        _figure(name, f"Share of {texts} with the right object the likelier.", rows, name, _likelier, "share")
        for name, texts in SCORES.items()
    ]
    magnitudes = [
        _figure(f"{name[0]}M", f"How much likelier the right object is, {texts}.", rows, name, _margin, "difference")
        for name, texts in SCORES.items()
    ]
    mean = Figure(
        "S",
        "Harmonic mean of ES, PS and NS.",
        _harmonic(score.original for score in scores),
        _harmonic(score.edited for score in scores),
        sum(score.asked for score in scores),
    )
    return [*scores, mean, *magnitudes]


def _figure(
    name: str, about: str, rows: Iterable[Row], asked: str, value: Callable[[Row, int], float], unit: Unit
) -> Figure:
    by_edit: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.figure == asked:
            by_edit[row.edit].append(row)
    means = [
        fmean(fmean(value(row, side) for row in group) for group in by_edit.values()) if by_edit else None
        for side in (0, 1)
    ]
    count = sum(map(len, by_edit.values()))
    return Figure(name, about, means[0], means[1], count, unit)


def _margin(row: Row, side: int) -> float:
    """The probability of the right object less that of the other, of the original (0) or the edited model (1)."""
    new, stays = math.exp(row.values[NEW][side]), math.exp(row.values[STAYS][side])
    return stays - new if row.figure == "NS" else new - stays


def _likelier(row: Row, side: int) -> float:
    new, stays = row.values[NEW][side], row.values[STAYS][side]
    return float(stays > new if row.figure == "NS" else new > stays)


def _harmonic(scores: Iterable[float | None]) -> float | None:
    known = list(scores)
    return None if None in known else harmonic_mean([score for score in known if score is not None])
