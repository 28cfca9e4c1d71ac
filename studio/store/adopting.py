"""Questions that were asked become paraphrases or probes of edits.

One step of undo, whatever their number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from engine.edits import SLOT, Edit, Probe, ProbeKind, Relation, fold
from studio.store.changes import Changes
from studio.store.journal import step
from studio.store.listing import ids_of_keys
from studio.store.project import Project
from studio.store.records import StoredEdit, read_edits, read_relations, replace_edits
from studio.words import plural


class Role(StrEnum):
    """What a question becomes."""

    PARAPHRASE = "paraphrase"
    PROBE = "probe"


def adopt_queries(project: Project, queries: Mapping[str, Sequence[str]], role: Role) -> Changes:
    """Add to each edit (by its key) its questions in `role`, as one step; a probe's kind is told by its words.

    What was a paraphrase and becomes a probe is one no longer, and the reverse. `Changes.skipped` counts the questions
    that an edit has in this role already, that are its own prompt, or whose edit is gone. Raises EditError where an
    edit cannot take more.
    """
    ids = ids_of_keys(project, list(queries))
    with project.read() as session:
        before = read_edits(session, ids.values())
        own = read_relations(session, {stored.relation for stored in before.values()})
    relations = {**project.catalogue, **own}
    after: dict[int, StoredEdit] = {}
    added = 0
    for key, texts in queries.items():
        stored = before.get(ids.get(key, -1))
        if stored is None:
            continue
        edit = stored.to_edit()
        for text in texts:
            edit, taken = _with(edit, text.strip(), role, relations.get(edit.relation))
            if taken:
                added += 1
                after[ids[key]] = StoredEdit.from_edit(edit, stored.familiarity)
    skipped = sum(len(texts) for texts in queries.values()) - added
    if not after:
        return Changes(skipped=skipped)
    told = (
        plural(added, "add {number} paraphrase", "add {number} paraphrases")
        if role is Role.PARAPHRASE
        else plural(added, "add {number} probe", "add {number} probes")
    )
    with step(project, told) as under_way:
        under_way.edits(after)
        replace_edits(under_way.session, after)
    return Changes(updated=tuple(after), skipped=skipped, undo=True)


def probe_kind(edit: Edit, relation: Relation | None, query: str) -> ProbeKind:
    """What `query` has in common with `edit`: its subject by name, or its relation by a phrasing."""
    asked = fold(query)
    if any(_names(asked, fold(name)) for name in (edit.subject, *edit.aliases)):
        return ProbeKind.SAME_SUBJECT
    for phrasing in (*relation.phrasings, *relation.held_out) if relation is not None else ():
        start, _, end = phrasing.partition(SLOT)
        before, after = (re.escape(fold(side)) for side in (start, end))
        if re.fullmatch(f"{before}{' ' * start.endswith(' ')}.+{' ' * end.startswith(' ')}{after}", asked):
            return ProbeKind.NEIGHBOUR
    return ProbeKind.FAR


def _names(asked: str, name: str) -> bool:
    """Whether `name` stands in `asked` as a word; in a script without capitals, words need no spaces around them."""
    if not name:
        return False
    if name.upper() == name:
        return name in asked
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", asked) is not None


def _with(edit: Edit, text: str, role: Role, relation: Relation | None) -> tuple[Edit, bool]:
    """`edit` with `text` in `role`, and whether it was new there."""
    asked = fold(text)
    as_probe = {fold(probe.prompt) for probe in edit.probes}
    as_paraphrase = {fold(paraphrase) for paraphrase in edit.paraphrases}
    if asked == fold(edit.prompt) or asked in (as_probe if role is Role.PROBE else as_paraphrase):
        return edit, False
    paraphrases = tuple(paraphrase for paraphrase in edit.paraphrases if fold(paraphrase) != asked)
    probes = tuple(probe for probe in edit.probes if fold(probe.prompt) != asked)
    if role is Role.PROBE:
        return replace(
            edit, paraphrases=paraphrases, probes=(*probes, Probe(probe_kind(edit, relation, text), text))
        ), True
    return replace(edit, paraphrases=(*paraphrases, text), probes=probes), True
