"""Operations that change edits: each is one transaction, one step of undo, and says what it changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from engine.edits import SLOT, Edit, EditError, Probe, ProbeKind, Relation, fill, fold, storable
from studio.store.changes import Changes
from studio.store.journal import Step, step
from studio.store.project import Project
from studio.store.records import (
    StoredEdit,
    among,
    among_texts,
    delete_edit_rows,
    insert_edits,
    next_edit_id,
    read_edits,
    read_relations,
    refresh_derived,
    replace_edits,
    replace_relations,
    switch_edits,
)
from studio.store.schema import EditRecord
from studio.words import counted, tr


@dataclass(frozen=True, slots=True)
class EditDraft:
    """An edit as it is entered: a subject, a relation and a new object, or a free prompt and a new object.

    An empty `prompt` is made of the relation's first phrasing. `key` is the edit's id in an edit set, made up when
    empty or taken.
    """

    new_object: str
    subject: str = ""
    relation: str = ""  # the relation's id
    prompt: str = ""
    original_answer: str = ""
    aliases: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    enabled: bool = True
    key: str = ""


class EditFields(TypedDict, total=False):
    """The parts of an edit that `update_edit` can change."""

    subject: str
    relation: str
    new_object: str
    prompt: str
    original_answer: str
    aliases: tuple[str, ...]
    paraphrases: tuple[str, ...]
    probes: tuple[Probe, ...]
    enabled: bool


def add_edits(project: Project, drafts: Iterable[EditDraft], *, name: str = "") -> Changes:
    """Add edits as one step; `name` names it for undo ("paste 12 edits"), else "add 12 edits".

    Raises EditError, and adds none, where a draft cannot be an edit: the sentence names its row (from 1).
    """
    drafts = list(drafts)
    if not drafts:
        return Changes()
    with step(project, name or tr("add {edits}", edits=counted(len(drafts), "edit"))) as under_way:
        known = usable_relations(project, under_way.session, {draft.relation for draft in drafts})
        keys = _Keys(under_way.session, [draft.key for draft in drafts])
        edits = [
            StoredEdit.from_edit(_edit_of(draft, keys, known, tr("Row {row}: ", row=row) if len(drafts) > 1 else ""))
            for row, draft in enumerate(drafts, start=1)
        ]
        adopted = adopt(under_way, known.values())
        return replace(_insert(under_way, edits), relations=adopted)


def update_edit(project: Project, edit_id: int, **fields: Unpack[EditFields]) -> Changes:
    """Change parts of one edit; nothing happens where it is gone.

    A new subject or relation carries the prompt with it: it is phrased anew where it came from the relation, else the
    subject is replaced in it, in the paraphrases and in the same-subject probes; EditError where the prompt does not
    name the subject. A new relation empties the paraphrases, which ask for the old one. A new prompt empties the
    original answer and the familiarity, which belong to the old one. EditError where a new paraphrase or probe cannot
    measure anything.
    """
    with step(project, tr("change an edit")) as under_way:
        session = under_way.session
        stored = read_edits(session, [edit_id]).get(edit_id)
        if stored is None:
            return Changes()
        before = stored.to_edit()
        known = usable_relations(project, session, {before.relation, fields.get("relation", "")})
        after = updated_edit(before, fields, known)
        if after == before:
            return Changes()
        _check_texts(session, edit_id, before, after)
        under_way.edits([edit_id])
        adopted = adopt(under_way, [known[after.relation]] if after.relation in known else [])
        familiarity = stored.familiarity if after.prompt == before.prompt else None
        replace_edits(session, {edit_id: StoredEdit.from_edit(after, familiarity)})
        return Changes(updated=(edit_id,), relations=adopted, undo=True)


def delete_edits(project: Project, edit_ids: Iterable[int]) -> Changes:
    """Delete edits as one step; ids that are gone are ignored."""
    with project.read() as session:
        there = tuple(session.execute(select(EditRecord.id).where(among(EditRecord.id, edit_ids))).scalars())
    if not there:
        return Changes()
    with step(project, tr("delete {edits}", edits=counted(len(there), "edit"))) as under_way:
        under_way.edits(there)
        delete_edit_rows(under_way.session, there)
    return Changes(removed=there, undo=True)


def set_enabled(project: Project, edit_ids: Iterable[int], enabled: bool) -> Changes:
    """Switch edits on or off as one step."""
    with project.read() as session:
        differing = select(EditRecord.id).where(among(EditRecord.id, edit_ids), EditRecord.enabled.is_not(enabled))
        changing = tuple(session.execute(differing).scalars())
    if not changing:
        return Changes()
    edits = counted(len(changing), "edit")
    told = tr("switch {edits} on", edits=edits) if enabled else tr("switch {edits} off", edits=edits)
    with step(project, told) as under_way:
        under_way.edits(changing)
        switch_edits(under_way.session, changing, enabled)
    return Changes(updated=changing, undo=True)


def set_original_answers(project: Project, answers: Mapping[int, str]) -> Changes:
    """Fill in what the original model answers, as one step; what cannot be stored of an answer becomes �."""
    clean = {edit_id: storable(answer) for edit_id, answer in answers.items()}
    with project.read() as session:
        there = session.execute(
            select(EditRecord.id, EditRecord.original_answer).where(among(EditRecord.id, clean))
        ).all()
    changing = [edit_id for edit_id, answer in there if clean[edit_id] != answer]
    if not changing:
        return Changes()
    with step(project, tr("fill in {answers}", answers=counted(len(changing), "original answer"))) as under_way:
        before = under_way.edits(changing)
        replace_edits(
            under_way.session,
            {edit_id: replace(edit, original_answer=clean[edit_id]) for edit_id, edit in before.items()},
        )
    return Changes(updated=tuple(changing), undo=True)


def set_familiarity(project: Project, familiarity: Mapping[int, float | None]) -> Changes:
    """Note how familiar each edit's prompt is to the editor, in [0, 1]. A measurement, not a step of undo."""
    for value in familiarity.values():
        if value is not None and not 0.0 <= value <= 1.0:
            raise ValueError(f"A familiarity lies between 0 and 1, not at {value}.")
    with project.write() as session:
        there = tuple(session.execute(select(EditRecord.id).where(among(EditRecord.id, familiarity))).scalars())
        if there:
            table = EditRecord.__table__
            session.connection().execute(
                update(table)  # type: ignore[arg-type]
                .where(table.c.id == bindparam("row_id"))
                .values(familiarity=bindparam("measured")),
                [{"row_id": edit_id, "measured": familiarity[edit_id]} for edit_id in there],
            )
    return Changes(updated=there)


def forget_familiarity(project: Project) -> Changes:
    """Note that no pack is in use that an edit could be familiar to. No step of undo either."""
    with project.write() as session:
        measured = tuple(session.execute(select(EditRecord.id).where(EditRecord.familiarity.is_not(None))).scalars())
        session.execute(update(EditRecord).where(EditRecord.familiarity.is_not(None)).values(familiarity=None))
    return Changes(updated=measured)


class _Keys:
    """Which keys are taken, and new ones that are not."""

    def __init__(self, session: Session, wanted: Iterable[str]) -> None:
        found = session.execute(
            select(EditRecord.key, EditRecord.id).where(among_texts(EditRecord.key, filter(None, wanted)))
        )
        self.ids = {row.key: row.id for row in found}
        self._taken = set(self.ids)

    def take(self, key: str) -> str:
        """`key`, or another one where it is empty or taken."""
        key = key if key and key not in self._taken else self.free()
        self._taken.add(key)
        return key

    def free(self) -> str:
        """A key that no edit anywhere has: sets made in different projects can be put together."""
        return secrets.token_hex(8)


def _insert(under_way: Step, edits: list[StoredEdit]) -> Changes:
    if not edits:
        return Changes()
    start = next_edit_id(under_way.session)
    numbered = dict(enumerate(edits, start=start))
    under_way.edits(numbered)
    insert_edits(under_way.session, numbered)
    return Changes(added=tuple(numbered), undo=True)


def usable_relations(project: Project, session: Session, relation_ids: set[str]) -> dict[str, Relation]:
    """The relations of `relation_ids` that the project or the catalogue knows."""
    own = read_relations(session, relation_ids)
    return {
        relation_id: own.get(relation_id) or project.catalogue[relation_id]
        for relation_id in relation_ids
        if relation_id in own or relation_id in project.catalogue
    }


def adopt(under_way: Step, relations: Iterable[Relation]) -> bool:
    """Copy relations into the project that it has not got yet; says whether there were any."""
    wanted = {relation.id: relation for relation in relations}
    own = read_relations(under_way.session, wanted)
    new = [relation for relation_id, relation in wanted.items() if relation_id not in own]
    if not new:
        return False
    under_way.relations([relation.id for relation in new])
    replace_relations(under_way.session, new)
    # Edits may have named the relation before anyone said what it is.
    refresh_derived(under_way.session, [relation.id for relation in new])
    return True


def _edit_of(draft: EditDraft, keys: _Keys, known: Mapping[str, Relation], row: str) -> Edit:
    """The edit that a draft makes; EditError, beginning with `row`, where it makes none."""
    subject, new_object, prompt = draft.subject.strip(), draft.new_object.strip(), draft.prompt.strip()
    if draft.relation and draft.relation not in known:
        raise EditError(tr("{row}There is no relation “{relation}” in this project.", row=row, relation=draft.relation))
    if not new_object:
        raise EditError(tr("{row}The new object is empty: say what the model shall answer.", row=row))
    if not prompt and not (subject and draft.relation):
        missing = tr("subject") if draft.relation else tr("relation") if subject else tr("prompt")
        raise EditError(
            tr(
                "{row}The {missing} is empty: give a subject and a relation, or a whole prompt.",
                row=row,
                missing=missing,
            )
        )
    try:
        return Edit(
            id=keys.take(draft.key),
            prompt=prompt or fill(known[draft.relation].phrasings[0], subject),
            new_object=new_object,
            subject=subject,
            relation=draft.relation,
            original_answer=draft.original_answer,
            aliases=draft.aliases,
            paraphrases=draft.paraphrases,
            probes=draft.probes,
            enabled=draft.enabled,
        )
    except EditError as error:
        raise EditError(f"{row}{error}") from error


def updated_edit(before: Edit, fields: EditFields, known: Mapping[str, Relation]) -> Edit:
    """`before` with `fields`, its prompt, paraphrases and probes following its subject and relation."""
    entered = EditFields(**fields)
    for name in ("subject", "new_object", "prompt"):
        if name in entered:
            entered[name] = entered[name].strip()
    if entered.get("prompt") == "":
        raise EditError(tr("The prompt is empty: write what the model is asked."))
    if entered.get("new_object") == "":
        raise EditError(tr("The new object is empty: write what the model shall answer."))
    following = _following(before, entered, known)
    following.update(entered)
    after = replace(before, **following)
    if after.relation and after.relation != before.relation and after.relation not in known:
        raise EditError(tr("There is no relation “{relation}” in this project.", relation=after.relation))
    if after.prompt != before.prompt and "original_answer" not in entered:
        after = replace(after, original_answer="")
    return after


def _check_texts(session: Session, edit_id: int, before: Edit, after: Edit) -> None:
    """Raise EditError where a paraphrase or probe that was not there before contradicts what it is for."""
    prompt = fold(after.prompt)
    paraphrases = [fold(text) for text in after.paraphrases]
    for place, text in enumerate(after.paraphrases):
        if text in before.paraphrases:
            continue
        if SLOT in text:
            raise EditError(
                tr("The paraphrase “{words}” has {slot} in it: write the subject there.", words=text, slot=SLOT)
            )
        if paraphrases[place] == prompt:
            raise EditError(tr("The paraphrase “{words}” is the prompt itself: say it in other words.", words=text))
        if paraphrases[place] in paraphrases[:place]:
            raise EditError(tr("The paraphrase “{words}” is there twice: remove one.", words=text))
    probes = [(probe.kind, fold(probe.prompt)) for probe in after.probes]
    new = [place for place, probe in enumerate(after.probes) if probe not in before.probes]
    for place in new:
        text, folded = after.probes[place].prompt, probes[place][1]
        if SLOT in text:
            raise EditError(tr("The probe “{words}” has {slot} in it: write a subject there.", words=text, slot=SLOT))
        if folded == prompt or folded in paraphrases:
            raise EditError(
                tr("The probe “{words}” asks for this edit, whose answer shall change: ask something else.", words=text)
            )
        if probes[place] in probes[:place]:
            raise EditError(tr("The probe “{words}” is there twice: remove one.", words=text))
    edited = session.execute(
        select(EditRecord.prompt).where(
            EditRecord.enabled,
            EditRecord.id != edit_id,
            among_texts(EditRecord.prompt_key, [probes[place][1] for place in new]),
        )
    ).first()
    if edited is not None:
        raise EditError(
            tr(
                "The probe “{prompt}” is the prompt of another edit, whose answer shall change too.",
                prompt=edited.prompt,
            )
        )


def _following(before: Edit, entered: EditFields, known: Mapping[str, Relation]) -> EditFields:
    """What a new subject or relation means for the texts that were not entered."""
    subject, relation = entered.get("subject", before.subject), entered.get("relation", before.relation)
    following = EditFields()
    if relation and relation != before.relation:
        following["paraphrases"] = ()
        if subject and relation in known:
            following["prompt"] = fill(known[relation].phrasings[0], subject)
            return following
    if subject == before.subject or not before.subject:
        return following
    if not subject:
        if relation and "prompt" not in entered:
            raise EditError(tr("The subject is empty: an edit of a relation needs one."))
        return following
    following["prompt"] = _renamed_prompt(before, subject, known)
    if relation == before.relation:
        following["paraphrases"] = tuple(text.replace(before.subject, subject) for text in before.paraphrases)
    following["probes"] = tuple(
        replace(probe, prompt=probe.prompt.replace(before.subject, subject))
        if probe.kind is ProbeKind.SAME_SUBJECT
        else probe
        for probe in before.probes
    )
    if following["prompt"] == before.prompt and "prompt" not in entered:
        raise EditError(
            tr(
                "The prompt “{prompt}” does not name “{subject}”: change the prompt with the subject.",
                prompt=before.prompt,
                subject=before.subject,
            )
        )
    return following


def _renamed_prompt(before: Edit, subject: str, known: Mapping[str, Relation]) -> str:
    """The prompt of `before` for another subject: in the phrasing it was made of, else with the name replaced."""
    for phrasing in _all_phrasings(known.get(before.relation)):
        if fill(phrasing, before.subject) == before.prompt:
            return fill(phrasing, subject)
    return before.prompt.replace(before.subject, subject)


def _all_phrasings(relation: Relation | None) -> Iterator[str]:
    if relation is not None:
        yield from relation.phrasings
        yield from relation.held_out
