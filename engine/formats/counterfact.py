"""CounterFact as ROME and MEMIT publish it: nested records whose prompt is a template.

`paraphrase_prompts` are paraphrases and `neighborhood_prompts` neighbour probes. `attribute_prompts` ask about subjects
whose true answer IS the new object: an edit that leaks into them changes nothing that one could see, so that as probes
they would only flatter the locality; they are not read. `generation_prompts` measure style, not facts: not read either.

The templates of a file become the phrasings of relations that are not known yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.edits import SLOT, Edit, EditError, EditSet, Probe, ProbeKind, Relation, fill
from engine.formats.imported import Imported
from engine.formats.intake import CaseId, Draft, Intake, RowError, validated
from engine.formats.records import Outlet, read_records
from engine.formats.source import Source
from engine.formats.target import Outgoing

NAME = "counterfact"
MAX_PHRASINGS = 20
"""Templates taken over as phrasings of one relation."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Target(_Model):
    text: str = Field(alias="str")
    id: Any = None


class _Rewrite(_Model):
    prompt: str
    subject: str
    target_new: _Target
    target_true: _Target | None = None
    relation_id: str | None = None


class _Record(_Model):
    requested_rewrite: _Rewrite
    case_id: CaseId = ""
    paraphrase_prompts: list[str] = []
    neighborhood_prompts: list[str] = []
    attribute_prompts: Any = None
    generation_prompts: Any = None


def read(source: Source, relations: Mapping[str, Relation]) -> Imported:
    """The edits of `source`. Raises FormatError."""
    records = read_records(source)
    intake = Intake(source, NAME, relations.values(), unit=records.unit, of=records.of)
    templates: dict[str, dict[str, None]] = {}  # relation id -> its templates, in order

    def draft(value: object) -> Draft:
        record = validated(_Record, value, intake)
        rewrite = record.requested_rewrite
        if not rewrite.subject.strip():
            raise RowError(("requested_rewrite.subject", "it is empty"))
        try:
            prompt = fill(rewrite.prompt, rewrite.subject)
        except EditError as error:
            reason = str(error).removesuffix(".")
            raise RowError(("requested_rewrite.prompt", reason[:1].lower() + reason[1:])) from None
        if record.attribute_prompts:
            intake.note("“attribute_prompts” are left out: their answer is the new object before and after the edit")
        if record.generation_prompts:
            intake.note("“generation_prompts” are left out: they have no one answer")
        if rewrite.relation_id:
            templates.setdefault(rewrite.relation_id, {})[rewrite.prompt] = None
        return Draft(
            id=record.case_id,
            new_object=rewrite.target_new.text,
            subject=rewrite.subject,
            relation=rewrite.relation_id or "",
            prompt=prompt,
            original_answer=rewrite.target_true.text if rewrite.target_true else "",
            paraphrases=tuple(record.paraphrase_prompts),
            probes=tuple(Probe(ProbeKind.NEIGHBOUR, text) for text in record.neighborhood_prompts),
            columns={
                "id": "case_id",
                "subject": "requested_rewrite.subject",
                "new object": "requested_rewrite.target_new.str",
                "prompt": "requested_rewrite.prompt",
                "relation": "requested_rewrite.relation_id",
                "original answer": "requested_rewrite.target_true.str",
                "paraphrases": "paraphrase_prompts",
                "probes": "neighborhood_prompts",
            },
        )

    intake.take_records(records, draft)
    return _with_relations(intake.finish(), templates)


def outgoing(edit_set: EditSet, path: Path) -> Outgoing:
    """The enabled edits that have a subject: one list, or one record a line where `path` ends in .jsonl.

    Raises FormatError where the disk refuses.
    """
    out = Outlet(edit_set, path, NAME)
    for row, edit in out.enabled():
        template = _template(edit, edit_set.relations.get(edit.relation))
        if template is None:
            out.leave_out(row, "prompt", "the format wants a prompt that names its subject and has no braces")
            continue
        rewrite: dict[str, Any] = {"prompt": template, "subject": edit.subject}
        if edit.relation:
            rewrite["relation_id"] = edit.relation
        rewrite["target_new"] = {"str": edit.new_object}
        rewrite["target_true"] = {"str": edit.original_answer}
        neighbours = [probe.prompt for probe in edit.probes if probe.kind == ProbeKind.NEIGHBOUR]
        out.add(
            {
                "case_id": int(edit.id) if re.fullmatch("0|[1-9][0-9]{0,15}", edit.id) else edit.id,
                "requested_rewrite": rewrite,
                "paraphrase_prompts": list(edit.paraphrases),
                "neighborhood_prompts": neighbours,
                "attribute_prompts": [],
                "generation_prompts": [],
            }
        )
        out.note("Same-subject and far probes have no place", len(edit.probes) - len(neighbours))
        out.note("Aliases have no place", len(edit.aliases))
        out.note("Edits without an original answer, so that “target_true” is empty", not edit.original_answer)
    return out.finish()


def _with_relations(imported: Imported, templates: Mapping[str, Mapping[str, None]]) -> Imported:
    """`imported` with a relation for each id that its edits use, none is known of, and the file has templates for."""
    relations = dict(imported.edit_set.relations)
    for edit in imported.edit_set.edits:
        if edit.relation in templates and edit.relation not in relations:
            phrasings = tuple(templates[edit.relation])[:MAX_PHRASINGS]
            relations[edit.relation] = Relation(edit.relation, edit.relation, phrasings)
    return replace(imported, edit_set=replace(imported.edit_set, relations=relations))


def _template(edit: Edit, relation: Relation | None) -> str | None:
    """The prompt with a slot for its subject, such that filling it gives the prompt back; None where there is none."""
    # Loaders of the field fill in by `str.format`: no brace can stand beside the slot.
    if not edit.subject.strip() or "{" in edit.prompt or "}" in edit.prompt:
        return None
    for phrasing in relation.phrasings if relation else ():
        if fill(phrasing, edit.subject) == edit.prompt:
            return phrasing
    # As a word of its own where it can be: “a” is a subject in “The first letter is a” but not in “is”.
    whole = re.search(rf"(?<!\w){re.escape(edit.subject)}(?!\w)", edit.prompt)
    start = whole.start() if whole else edit.prompt.find(edit.subject)
    return edit.prompt[:start] + SLOT + edit.prompt[start + len(edit.subject) :] if start >= 0 else None
