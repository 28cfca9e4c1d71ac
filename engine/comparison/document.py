"""A comparison for people: a table in a terminal, and one HTML page that needs nothing else, with its JSON beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from engine import atomic
from engine.comparison.charts import SCORE, forgetting_charts, score_chart
from engine.comparison.comparison import Comparison, spread_of, write_comparison
from engine.comparison.record import Curve, Record, Shares
from engine.evaluation.document import check_report_name
from engine.evaluation.record import EvaluationError
from engine.html_page import begin_page, figure, table, written

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of the tables: a figure of a record."""

    title: str
    of: Callable[[Record], float | None]
    digits: int = 2
    factor: float = 1.0


def _share(part: str, way: str) -> Callable[[Record], float | None]:
    def of(record: Record) -> float | None:
        shares: Shares | None = getattr(record.figures, part) if record.figures else None
        return getattr(shares, way) if shares else None

    return of


QUALITY = (
    Measure("Score", lambda record: record.figures.score if record.figures else None, factor=100),
    *(
        Measure(f"{short} {way.upper()}", _share(part, way), factor=100)
        for part, short in (("reliability", "Rel."), ("generality", "Gen."), ("locality", "Loc."))
        for way in ("ag", "tf")
    ),
)
"""The figures that make up the Score, all in per cent."""
COSTS = (
    Measure("training, s", lambda record: record.cost.seconds, 1),
    Measure("edits/s", lambda record: record.edits_a_second, 2),
    Measure("peak, MB", lambda record: record.cost.memory_peak, 0, 1e-6),
    Measure("stated, MB", lambda record: record.cost.memory_stated, 0, 1e-6),
    Measure("taken, MB", lambda record: record.memory_taken, 0, 1e-6),
    Measure("GPU peak, MB", lambda record: record.cost.memory_peak_cuda, 0, 1e-6),
    Measure("pack, MB", lambda record: record.cost.pack, 2, 1e-6),
    Measure("ms/question", lambda record: record.cost.answer, 1),
)
"""What it takes."""
GATE = tuple(
    Measure(f"{name} let by", _share(part, "routed"), factor=100)
    for part, name in (("reliability", "prompts"), ("generality", "paraphrases"), ("locality", "probes"))
)
"""Of editors with a gate alone, in per cent."""
ABOUT_FIGURES = (
    "In per cent; of several seeds the mean ± the standard deviation. AG: the decoded answer is exactly what it shall "
    "be. TF: share of its tokens that are likeliest given the true ones before. Rel.: edits' own prompts. Gen.: "
    "paraphrases. Loc.: probes, which shall be answered as the original model answers them; the mean of the kinds of "
    "probe. Score: the harmonic mean of the six."
)
ABOUT_COSTS = (
    "Training: from edits to pack; statistics of the model that an editor keeps for the next one are counted where "
    "they were made. Peak: most memory of the process during the training; stated: what the editor said before it that "
    "it would take beside the model at most; taken: of the peak, what was not in use before. Pack: room on disk. "
    "ms/question: the median of a question about an edit, asked alone. Undo of one: edits taken back one at a time, "
    "and how many were answered by the original answer again. Detach: whether the original weights came back bit for "
    "bit."
)
ABOUT_FORGETTING = (
    "Edits are learnt one batch after the other, each on top of all before it; after each number of edits all of them "
    "are asked again. An editor that cannot go on from its pack is trained anew on all edits so far each time: it "
    "forgets nothing by their order, and pays for it in seconds."
)


def cell(values: Sequence[float | None], measure: Measure) -> str:
    """The mean of what is known of `values`, of several ± their standard deviation."""
    found = spread_of([None if value is None else measure.factor * value for value in values])
    if found is None:
        return NOTHING
    middle, spread = found
    return f"{middle:,.{measure.digits}f}" + (f" ± {spread:,.{measure.digits}f}" if spread is not None else "")


def undo_words(records: Sequence[Record]) -> str:
    """Whether one edit can be taken back, and what came of trying."""
    known = [record.undo for record in records if record.undo is not None]
    if not known or not all(undo.one for undo in known):
        return "no" if known else NOTHING
    tried = sum(undo.tried for undo in known)
    return f"yes, {sum(undo.original for undo in known)} of {tried}" if tried else "yes, not tried"


def detach_words(records: Sequence[Record]) -> str:
    """Whether the original weights came back bit for bit, wherever that was looked at."""
    known = [record.undo.exact for record in records if record.undo is not None and record.undo.exact is not None]
    return ("bit for bit" if all(known) else "NOT exact") if known else NOTHING


def sentences(records: Sequence[Record]) -> str:
    """Why something was not measured, each sentence once."""
    told = {f"{record.outcome}: {record.sentence}": None for record in records if record.outcome != "measured"}
    return " ".join(told)


def summarise(comparison: Comparison) -> str:
    """Lines of text: a table for each number of edits, then one of what is forgotten."""
    lines: list[str] = []
    for edits in comparison.sizes():
        rows = comparison.of_size(edits)
        measured = {name: records for name, records in rows.items() if any(record.figures for record in records)}
        shown = [measure for measure in (*QUALITY, *COSTS) if _known(measured, measure)]
        cells = [["", *(measure.title for measure in shown), "undo of one", "detach"]]
        for name, records in measured.items():
            told = [cell([measure.of(record) for record in records], measure) for measure in shown]
            cells.append([comparison.titles()[name], *told, undo_words(records), detach_words(records)])
        lines += ["", f"{_edits(edits)}, in per cent:", *(_aligned(cells) if measured else ())]
        for name, records in rows.items():
            if sentences(records):
                lines.append(f"{comparison.titles()[name]}: {sentences(records)}")
    if comparison.curves:
        lines += ["", "Learnt one batch after the other:", *_aligned(_forgetting_rows(comparison))]
        lines += [
            f"{curve.title}, seed {curve.seed}: {curve.sentence}" for curve in comparison.curves if curve.sentence
        ]
    return "\n".join(lines[1:])


def write_comparison_report(path: Path, comparison: Comparison) -> tuple[Path, Path]:
    """Write the page to `path` and everything it is drawn from to the JSON file beside it; returns both paths.

    Raises EvaluationError where the name does not end in .html, or where the disk refuses.
    """
    check_report_name(path)
    beside = path.with_suffix(".json")
    write_comparison(beside, comparison)
    try:
        atomic.write_file(path, [comparison_page(comparison, beside.name)])
    except OSError as error:
        raise EvaluationError(f"The report cannot be written to {path}: {error.strerror}.") from error
    return path, beside


def comparison_page(comparison: Comparison, beside: str) -> bytes:
    """The whole HTML file; `beside` is the name of the JSON file."""
    html, body = begin_page(comparison.title)
    told = f"{len(comparison.titles()):,} editors on the same edits, with the same questions and seeds."
    SubElement(body, "p", {"class": "muted"}).text = f"{told} Everything that is drawn here is in {beside}."
    chart = score_chart(comparison)
    if chart is not None:
        figure(SubElement(body, "div", {"class": "charts"}), SCORE, chart)
    for edits in comparison.sizes():
        _size(body, comparison, edits)
    _protocols(body, comparison)
    _forgetting(body, comparison)
    _settings(body, comparison)
    _about(body, comparison)
    return written(html)


def _size(body: Element, comparison: Comparison, edits: int) -> None:
    rows = comparison.of_size(edits)
    SubElement(body, "h2").text = _edits(edits)
    _measures(body, comparison, rows, QUALITY, ABOUT_FIGURES)
    extra = (("undo of one", undo_words), ("detach", detach_words))
    _measures(body, comparison, rows, COSTS, ABOUT_COSTS, extra)
    gated = {name: records for name, records in rows.items() if any(_known({name: records}, one) for one in GATE)}
    if gated:
        _measures(body, comparison, gated, GATE, "Questions that a gate lets by as about an edit, per cent.")


def _measures(
    body: Element,
    comparison: Comparison,
    rows: Mapping[str, list[Record]],
    measures: Sequence[Measure],
    about: str,
    extra: Sequence[tuple[str, Callable[[Sequence[Record]], str]]] = (),
) -> None:
    """A table with a row a contender; one of which nothing was measured says why in its row."""
    shown = [measure for measure in measures if _known(rows, measure)]
    cells = []
    for name, records in rows.items():
        why = sentences(records)
        told = [cell([measure.of(record) for record in records], measure) for measure in shown]
        if why and all(one == NOTHING for one in told):
            cells.append([comparison.titles()[name], why])
            continue
        told += [words(records) for _, words in extra]
        cells.append([comparison.titles()[name], *told])
        if why:
            cells.append(["", why])
    titles = ("Editor", *(measure.title for measure in shown), *(title for title, _ in extra))
    table(SubElement(body, "div", {"class": "wide"}), titles, cells, numbers=range(1, 1 + len(shown)))
    SubElement(body, "p", {"class": "muted"}).text = about


def _protocols(body: Element, comparison: Comparison) -> None:
    """What other protocols found: a table each, since their figures are none of Reliability, Generality, Locality."""
    names = dict.fromkeys(name for record in comparison.records for name in record.protocols)
    for name in names:
        told = [record.protocols[name] for record in comparison.records if name in record.protocols]
        SubElement(body, "h2").text = told[0].title
        figures = list(dict.fromkeys(one.name for part in told for one in part.figures))
        cells = []
        notes: dict[str, None] = {}
        for edits in comparison.sizes():
            for contender, records in comparison.of_size(edits).items():
                parts = [record.protocols[name] for record in records if name in record.protocols]
                notes.update(dict.fromkeys(note for part in parts for note in part.notes))
                if any(part.figures for part in parts):
                    values = [
                        _protocol_cell([one for part in parts for one in part.figures if one.name == figure])
                        for figure in figures
                    ]
                    cells.append([comparison.titles()[contender], f"{edits:,}", *values])
        if cells:
            titles = ("Editor", "edits", *figures)
            table(SubElement(body, "div", {"class": "wide"}), titles, cells, numbers=range(1, len(titles)))
        about = [
            told[0].about,
            *(f"{one.name}: {one.about}" for one in next((p.figures for p in told if p.figures), [])),
        ]
        SubElement(body, "p", {"class": "muted"}).text = " ".join([*about, *notes])


def _protocol_cell(figures: Sequence[Any]) -> str:
    """The edited model's figure, and the original's in brackets."""
    unit = figures[0].unit if figures else "share"
    measure = Measure("", lambda _: None, 2 if unit in ("share", "perplexity") else 4, 100 if unit == "share" else 1)
    edited = cell([one.edited for one in figures], measure)
    original = cell([one.original for one in figures], measure)
    return edited if original == NOTHING else f"{edited} ({original})"


def _forgetting(body: Element, comparison: Comparison) -> None:
    if not comparison.curves:
        return
    SubElement(body, "h2").text = "Forgetting"
    row = SubElement(body, "div", {"class": "charts"})
    for title, chart in forgetting_charts(comparison):
        figure(row, title, chart)
    titles, *rows = _forgetting_rows(comparison)
    table(SubElement(body, "div", {"class": "wide"}), titles, rows, numbers=range(1, len(titles)))
    why = [f"{curve.title}, seed {curve.seed}: {curve.sentence}" for curve in comparison.curves if curve.sentence]
    SubElement(body, "p", {"class": "muted"}).text = " ".join([ABOUT_FORGETTING, *why])


def _forgetting_rows(comparison: Comparison) -> list[list[str]]:
    """A row a curve with its last point; the first row has the titles."""
    rows = [
        ["Editor", "seed", "edits", "at edit", "kept", "paraphrases", "unrelated", "perplexity", "original", "seconds"]
    ]
    for curve in comparison.curves:
        title = f"{curve.title} (anew each time)" if curve.anew else curve.title
        rows.append([title, str(curve.seed), *_last_point(curve)])
    return rows


def _last_point(curve: Curve) -> list[str]:
    if not curve.points:
        return [NOTHING] * 8
    last = curve.points[-1]
    shares = [cell([value], Measure("", lambda _: None, 2, 100)) for value in (last.at_edit, last.kept)]
    shares += [cell([value], Measure("", lambda _: None, 2, 100)) for value in (last.generality, last.unrelated)]
    plain = [cell([value], Measure("", lambda _: None)) for value in (last.perplexity, last.original_perplexity)]
    return [f"{last.edits:,}", *shares, *plain, f"{last.seconds:,.1f}"]


def _settings(body: Element, comparison: Comparison) -> None:
    SubElement(body, "h2").text = "How each was set"
    rows: dict[tuple[str, str], str] = {}
    for record in comparison.records:
        layer = record.pack_figures.get("layer")
        found = [] if layer is None else [f"layer chosen {layer}"]
        told = " · ".join([f"preset {record.preset}", *found, *_flat(record.settings)])
        rows.setdefault((record.title, told), "")
    table(body, ("Editor", "Settings"), list(rows))


def _flat(settings: Mapping[str, Any], before: str = "") -> list[str]:
    """“generator steps 300”, “chat automatic”: each setting with its way, in one list."""
    told = []
    for name, value in settings.items():
        way = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            told += _flat(value, f"{way} ")
        else:
            told.append(f"{way} {'automatic' if value is None else value}")
    return told


def _about(body: Element, comparison: Comparison) -> None:
    told = _flat(comparison.command) + _flat(comparison.machine)
    if told:
        SubElement(body, "h2").text = "What was compared, and on what"
        SubElement(body, "p").text = " · ".join(told)


def _edits(number: int) -> str:
    return "1 edit" if number == 1 else f"{number:,} edits"


def _known(rows: Mapping[str, Sequence[Record]], measure: Measure) -> bool:
    return any(measure.of(record) is not None for records in rows.values() for record in records)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal length as lines, the first column at the left and all others at the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
