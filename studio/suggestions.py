"""What is suggested to a user who has not chosen yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assets import catalogue
from assets.subject_types import SUBJECT_TYPES, conceivable
from engine.edits import Edit, ProbeKind, Relation, fill, fold
from studio.store.listing import EditFilter, EditSort, edit_ids, edited_facts, get_edit, rows, unedited_facts
from studio.store.project import Project
from studio.store.relations import relations

_EDITS = 4
_LOOKED_AT = 100
"""Edits among which those of different relations are chosen."""
_PROBES = 2
_EACH = 3
"""Texts suggested of each kind."""


@dataclass(frozen=True, slots=True)
class SuggestedTexts:
    """What an edit could be given; none of it is there already."""

    paraphrases: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    same_subject: tuple[str, ...] = ()
    same_object: bool = False  # the neighbours have the object that the edit's subject had


@dataclass(frozen=True, slots=True)
class _Fact:
    subject: str
    relation: str


def watched_suggestions(project: Project) -> tuple[str, ...]:
    """A few prompts of edits, whose answers shall flip, and probes, whose answers must stay."""
    ids = edit_ids(project, filter=EditFilter.ENABLED, sort=EditSort.ENTERED)
    spread = rows(project, ids[:: max(1, len(ids) // _LOOKED_AT)][:_LOOKED_AT])
    one_of_each: dict[str, int] = {}
    for row in spread:
        one_of_each.setdefault(row.relation, row.id)
    chosen_ids = list(dict.fromkeys([*one_of_each.values(), *(row.id for row in spread)]))[:_EDITS]
    edits = [edit for edit in (get_edit(project, edit_id) for edit_id in chosen_ids) if edit is not None]
    probes = [probe.prompt for edit in edits for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]
    chosen = probes[:: max(1, len(probes) // _PROBES)][:_PROBES]
    return tuple(dict.fromkeys([*(edit.prompt for edit in edits), *chosen]))


def suggested_texts(project: Project, edit_id: int) -> SuggestedTexts:
    """Paraphrases out of the relation's phrasings, and probes about facts that no edit changes.

    Held-out phrasings come first: training never sees them, so what is measured with them was not taught.
    """
    edit = get_edit(project, edit_id)
    if edit is None or not edit.subject or not edit.relation:
        return SuggestedTexts()
    known = {row.relation.id: row.relation for row in relations(project)}
    relation = known.get(edit.relation)
    if relation is None:
        return SuggestedTexts()
    paraphrases = [fill(template, edit.subject) for template in _said(relation)]
    neighbours, same_object = _neighbours(project, edit)
    return SuggestedTexts(
        _missing(paraphrases, (edit.prompt, *edit.paraphrases), most=len(paraphrases)),
        _asked(project, edit, neighbours, known, ProbeKind.NEIGHBOUR),
        _asked(project, edit, _of_subject(project, edit, known), known, ProbeKind.SAME_SUBJECT),
        same_object,
    )


def _said(relation: Relation) -> tuple[str, ...]:
    return (*relation.held_out, *relation.phrasings)


def _neighbours(project: Project, edit: Edit) -> tuple[list[_Fact], bool]:
    """Facts of the edit's relation about other subjects; whether they have the object that the edit's subject had."""
    subject = fold(edit.subject)
    told = [fact for fact in catalogue.facts() if fact.relation == edit.relation]
    answer = edit.original_answer or next((fact.object for fact in told if fold(fact.subject) == subject), "")
    alike = [_Fact(fact.subject, fact.relation) for fact in told if answer and fold(fact.object) == fold(answer)]
    if answer:
        off = unedited_facts(project, relation=edit.relation, answer=answer)
        alike += [_Fact(row.subject, row.relation) for row in off]
    found = [fact for fact in alike if fold(fact.subject) != subject]
    if found:
        return found, True
    return [_Fact(fact.subject, fact.relation) for fact in told if fold(fact.subject) != subject], False


def _of_subject(project: Project, edit: Edit, known: dict[str, Relation]) -> list[_Fact]:
    """Other facts of the edit's subject; where none is known, what makes sense to ask of such a subject."""
    subject = fold(edit.subject)
    found = [_Fact(edit.subject, fact.relation) for fact in catalogue.facts() if fold(fact.subject) == subject]
    found += [_Fact(edit.subject, row.relation) for row in unedited_facts(project, subject=edit.subject)]
    found = [fact for fact in found if fact.relation != edit.relation]
    if not found and edit.relation in SUBJECT_TYPES:
        sensible = conceivable(edit.relation, [id for id in catalogue.relations() if id in known])
        found = [_Fact(edit.subject, id) for id in sensible if id != edit.relation]
    return found


def _asked(
    project: Project, edit: Edit, facts: list[_Fact], known: dict[str, Relation], kind: ProbeKind
) -> tuple[str, ...]:
    """Questions about the first of `facts` that no edit changes."""
    looked_at = facts[:_LOOKED_AT]
    edited = edited_facts(project, [(fact.subject, fact.relation) for fact in looked_at])
    questions = [
        fill(_said(known[fact.relation])[0], fact.subject)
        for fact in looked_at
        if fact.relation in known and (fact.subject, fact.relation) not in edited
    ]
    return _missing(questions, [probe.prompt for probe in edit.probes if probe.kind is kind], most=_EACH)


def _missing(texts: Iterable[str], there: Iterable[str], *, most: int) -> tuple[str, ...]:
    """The first of `texts` that are not `there`, each once."""
    seen = {fold(text) for text in there}
    found: dict[str, str] = {}
    for text in texts:
        if fold(text) not in seen:
            found.setdefault(fold(text), text)
    return tuple(found.values())[:most]
