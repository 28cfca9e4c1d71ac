"""Edits to and from a spreadsheet: tab-separated rows on the clipboard.

A row has a subject, a relation (its name or its id) and a new object, and may have more columns, which are the
ones copied out: the original answer and the prompt. A row of two cells is a free prompt and its new object.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.edits import SLOT, EditError, Relation, check_text, fill, fold
from studio.store.edits import EditDraft
from studio.store.listing import EditRow

TITLES = ("subject", "relation", "new object", "original answer", "prompt")
MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pasted row that cannot be an edit."""

    row: int  # from 1
    reason: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a paste would add, and what it would leave out."""

    drafts: tuple[EditDraft, ...]
    refusals: tuple[Refusal, ...]


def to_tsv(rows: Iterable[EditRow]) -> str:
    """The rows under a line of titles, as spreadsheets take them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    writer.writerow(TITLES)
    for row in rows:
        writer.writerow((row.subject, row.relation_name, row.new_object, row.original_answer, row.prompt))
    return text.getvalue()


def from_tsv(text: str, relations: Mapping[str, Relation]) -> Pasted:
    """Read pasted rows; none is lost silently: each becomes a draft or a refusal."""
    by_word = {fold(relation.name): relation for relation in relations.values()}
    by_word.update({fold(key): relation for key, relation in relations.items()})
    drafts: list[EditDraft] = []
    refusals: list[Refusal] = []
    for number, cells in enumerate(_cells(text), start=1):
        if number > MOST_ROWS:
            refusals.append(Refusal(number, f"more than {MOST_ROWS:,} rows: import them from a file"))
            break
        if not any(cells) or (number == 1 and _is_titles(cells)):
            continue
        try:
            drafts.append(_draft(cells, by_word))
        except EditError as error:
            refusals.append(Refusal(number, str(error)))
    return Pasted(tuple(drafts), tuple(refusals))


def _cells(text: str) -> list[list[str]]:
    clean = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    try:
        rows = list(csv.reader(io.StringIO(clean, newline=""), dialect="excel-tab", strict=True))
    except csv.Error:
        # A stray quotation mark is no quoting at all: spreadsheets quote whole cells only.
        rows = [line.split("\t") for line in clean.split("\n")]
    return [[cell.strip() for cell in row] for row in rows]


def _is_titles(cells: Sequence[str]) -> bool:
    known = {fold(title) for title in TITLES} | {"new_object", "object", "target_new", "original_answer"}
    return len(cells) >= 2 and all(fold(cell) in known for cell in cells if cell)


def _draft(cells: Sequence[str], by_word: Mapping[str, Relation]) -> EditDraft:
    for cell in cells:
        check_text(cell)
    if len(cells) == 1:
        raise EditError("one cell is not enough: paste subject, relation and new object, or prompt and new object.")
    if len(cells) == 2:
        prompt, new_object = cells
        if not prompt or not new_object:
            raise EditError("the prompt or the new object is empty.")
        return EditDraft(new_object, prompt=prompt)
    subject, word, new_object, original, prompt = (*cells, "", "", "")[:5]
    if not new_object:
        raise EditError("the new object is empty.")
    if not subject:
        if not prompt:
            raise EditError("the subject is empty.")
        return EditDraft(new_object, prompt=prompt, original_answer=original)
    relation = by_word.get(fold(word))
    if relation is None:
        if prompt:
            return EditDraft(new_object, subject=subject, prompt=prompt, original_answer=original)
        raise EditError(f"there is no relation “{word}”: choose one of the list, or paste prompt and new object.")
    if SLOT in subject:
        raise EditError(f"the subject must not contain {SLOT}.")
    return EditDraft(
        new_object,
        subject=subject,
        relation=relation.id,
        prompt=prompt or fill(relation.phrasings[0], subject),
        original_answer=original,
    )
