"""Edits to and from a spreadsheet: tab-separated cells on the clipboard.

Whole rows travel under a line of titles, which say what the columns hold, in any order: subject, relation (its name or
its id), new object, and more where there is more. Without titles the cells stand in that order, and a row of two cells
is a free prompt and its new object. A rectangle of cells travels as it stands, and can be pasted over other cells.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.edits import SLOT, EditError, Relation, check_text, fill, fold
from engine.formats.csv import column_of
from studio.pages.facts.columns import FREE_PROMPT, HEADINGS, Column, cell_text
from studio.store.edits import EditDraft, EditFields
from studio.store.listing import EditRow
from studio.words import tr

TITLES = ("subject", "relation", "new object", "original answer", "prompt")
MOST_ROWS = 100_000
_ON, _OFF = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pasted cell that cannot be taken; the whole row where the column is empty."""

    row: int  # of what was pasted, from 1
    column: str
    reason: str  # a clause, without a full stop

    def __str__(self) -> str:
        column = tr(", column “{column}”", column=self.column) if self.column else ""
        return tr("Row {row}{column}: {reason}.", row=f"{self.row:,}", column=column, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a paste would add, and what it would leave out."""

    drafts: tuple[EditDraft, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What pasting over cells would change: fields by the edit's row id, and where each came from."""

    fields: Mapping[int, EditFields]
    pasted_rows: Mapping[int, int]  # the edit's row id -> the row of what was pasted, from 1
    refusals: tuple[Refusal, ...]


class _CellFault(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def to_tsv(rows: Iterable[EditRow]) -> str:
    """The rows under a line of titles, as spreadsheets take them."""
    lines = ((row.subject, row.relation_name, row.new_object, row.original_answer, row.prompt) for row in rows)
    return _written([TITLES, *lines])


def cells_to_tsv(rows: Iterable[tuple[EditRow, Collection[Column]]]) -> str:
    """The selected cells of each row, as they stand: the columns between the first and the last that is selected."""
    chosen = list(rows)
    columns = sorted({column for _, selected in chosen for column in selected})
    return _written(
        [shown_text(row, column) if column in selected else "" for column in columns] for row, selected in chosen
    )


def shown_text(row: EditRow, column: Column) -> str:
    """What a cell says, in words."""
    if column is Column.ENABLED:
        return _ON[0] if row.enabled else _OFF[0]
    return cell_text(row, column)


def from_tsv(text: str, relations: Mapping[str, Relation]) -> Pasted:
    """Read pasted rows as new edits; none is lost silently: each becomes a draft or a refusal."""
    by_word = _by_word(relations)
    drafts: list[EditDraft] = []
    refusals: list[Refusal] = []
    titles: tuple[str, ...] = ()
    for number, cells in enumerate(read_cells(text), start=1):
        if number > MOST_ROWS:
            refusals.append(
                Refusal(
                    number, "", tr("more than {most_rows} rows: import them from a file", most_rows=f"{MOST_ROWS:,}")
                )
            )
            break
        if not any(cells):
            continue
        if number == 1 and _are_titles(cells):
            titles = tuple(map(column_of, cells))
            if missing := _missing(titles):
                return Pasted((), (Refusal(number, "", missing),))
            continue
        try:
            drafts.append(_draft(_by_title(cells, titles), by_word))
        except _CellFault as fault:
            refusals.append(Refusal(number, fault.column, fault.reason))
    return Pasted(tuple(drafts), tuple(refusals))


def over(
    cells: Sequence[Sequence[str]], rows: Sequence[EditRow | None], first: Column, relations: Mapping[str, Relation]
) -> Overwritten:
    """What writing `cells` over `rows` would change, the first column of `cells` over the column `first`.

    A row of None is an edit that is gone. A cell that says what is there already changes nothing, whatever its column.
    """
    by_word = _by_word(relations)
    fields: dict[int, EditFields] = {}
    pasted_rows: dict[int, int] = {}
    refusals: list[Refusal] = []
    for number, texts in enumerate(cells, start=1):
        if number > len(rows):
            refusals.append(Refusal(number, "", tr("there is no edit in the table to paste it over")))
            continue
        row = rows[number - 1]
        if row is None:
            refusals.append(Refusal(number, "", tr("the edit was deleted meanwhile")))
            continue
        part = EditFields()
        beyond = len(texts) - (len(Column) - first)
        if beyond > 0:
            refusals.append(Refusal(number, "", tr("{beyond} of its cells lie beyond the last column", beyond=beyond)))
        for column, text in zip(range(first, len(Column)), texts, strict=False):
            try:
                if text != shown_text(row, Column(column)):
                    part.update(_field(row, Column(column), text, by_word))
            except _CellFault as fault:
                refusals.append(Refusal(number, fault.column, fault.reason))
        if part:
            fields[row.id] = part
            pasted_rows[row.id] = number
    return Overwritten(fields, pasted_rows, tuple(refusals))


def spread(cells: Sequence[Sequence[str]], height: int, width: int) -> list[list[str]]:
    """`cells` as often as they fit into `height` × `width` selected cells exactly, else once."""
    rows, columns = len(cells), max((len(row) for row in cells), default=0)
    if not rows or not columns:
        return []
    down = height // rows if height % rows == 0 else 1
    across = width // columns if width % columns == 0 else 1
    padded = [[*row, *[""] * (columns - len(row))] if across > 1 else list(row) for row in cells]
    return [row * max(across, 1) for row in padded] * max(down, 1)


def read_cells(text: str) -> list[list[str]]:
    """The cells of what a spreadsheet put on the clipboard."""
    clean = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    try:
        rows = list(csv.reader(io.StringIO(clean, newline=""), dialect="excel-tab", strict=True))
    except csv.Error:
        # A stray quotation mark is no quoting at all: spreadsheets quote whole cells only.
        rows = [line.split("\t") for line in clean.split("\n")]
    return [[cell.strip() for cell in row] for row in rows]


def _written(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, dialect="excel-tab", lineterminator="\n").writerows(lines)
    return text.getvalue()


def _by_word(relations: Mapping[str, Relation]) -> dict[str, Relation]:
    by_word = {fold(relation.name): relation for relation in relations.values()}
    by_word.update({fold(key): relation for key, relation in relations.items()})
    return by_word


def _are_titles(cells: Sequence[str]) -> bool:
    return len(cells) >= 2 and all(column_of(cell) in TITLES for cell in cells if cell)


def _missing(titles: Sequence[str]) -> str:
    """Why rows under these titles cannot be edits, as a clause; empty where they can."""
    twice = next((title for title in TITLES if titles.count(title) > 1), None)
    if twice is not None:
        return tr("two columns are titled “{title}”: keep one of them", title=twice)
    if "new object" in titles and ("prompt" in titles or {"subject", "relation"} <= set(titles)):
        return ""
    return tr("its titles make no edit: name the columns subject, relation, new object, or prompt and new object")


def _field(row: EditRow, column: Column, text: str, by_word: Mapping[str, Relation]) -> EditFields:
    """What `text` in a cell of `row` means for the edit."""
    title = tr(HEADINGS[column].title)
    _check(title, text)
    match column:
        case Column.ENABLED:
            if fold(text) not in (*_ON, *_OFF):
                raise _CellFault(title, tr("“{words}” is neither yes nor no", words=text))
            return EditFields(enabled=fold(text) in _ON)
        case Column.SUBJECT if not text:
            raise _CellFault(title, tr("it is empty"))
        case Column.SUBJECT if row.subject and SLOT in text:
            raise _CellFault(title, tr("it must not contain {slot}", slot=SLOT))
        case Column.SUBJECT:
            return EditFields(subject=text) if row.subject else EditFields(prompt=text)
        case Column.RELATION:
            relation = by_word.get(fold(text))
            if relation is None:
                raise _CellFault(title, tr("there is no relation “{words}”", words=text))
            if not row.subject:
                raise _CellFault(title, tr("a {free_prompt} has no relation", free_prompt=tr(FREE_PROMPT)))
            return EditFields(relation=relation.id)
        case Column.NEW_OBJECT if not text:
            raise _CellFault(title, tr("it is empty"))
        case Column.NEW_OBJECT:
            return EditFields(new_object=text)
        case Column.ORIGINAL_ANSWER:
            return EditFields(original_answer=text)
        case _:
            raise _CellFault(title, tr("it is worked out and cannot be entered"))


def _check(title: str, text: str) -> None:
    try:
        check_text(text)
    except EditError as error:
        reason = str(error).removesuffix(".")
        raise _CellFault(title, reason[:1].lower() + reason[1:]) from None


def _by_title(cells: Sequence[str], titles: Sequence[str]) -> dict[str, str]:
    """Each cell by what it holds, which the titles say; where there are none, the number of cells does."""
    columns = titles or (TITLES if len(cells) > 2 else ("prompt", "new object"))
    if len(cells) == 1 and not titles:
        raise _CellFault(
            "", tr("one cell is not enough: paste subject, relation, new object, or prompt and new object")
        )
    for place, cell in enumerate(cells):
        untitled = bool(titles) and not any(titles[place : place + 1])
        title = tr("cell {place}", place=place + 1) if untitled or place >= len(columns) else columns[place]
        _check(title, cell)
        if cell and untitled:
            raise _CellFault(title, tr("it has no title"))
    return dict(zip(columns, cells, strict=False))


def _draft(cells: Mapping[str, str], by_word: Mapping[str, Relation]) -> EditDraft:
    subject, word, new_object, original, prompt = (cells.get(title, "") for title in TITLES)
    if not new_object:
        raise _CellFault("new object", tr("it is empty"))
    if not subject:
        if not prompt:
            raise _CellFault("subject" if "subject" in cells else "prompt", tr("it is empty"))
        return EditDraft(new_object, prompt=prompt, original_answer=original)
    relation = by_word.get(fold(word))
    if relation is None:
        if prompt:
            return EditDraft(new_object, subject=subject, prompt=prompt, original_answer=original)
        raise _CellFault(
            "relation", tr("there is no relation “{word}”: choose one of the list, or paste a prompt too", word=word)
        )
    if SLOT in subject:
        raise _CellFault("subject", tr("it must not contain {slot}", slot=SLOT))
    return EditDraft(
        new_object,
        subject=subject,
        relation=relation.id,
        prompt=prompt or fill(relation.phrasings[0], subject),
        original_answer=original,
    )
