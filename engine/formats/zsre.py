"""zsRE with the keys of MEND: a question, a rephrasing, and one open question that has nothing to do with it.

The field reads the same file in two ways: the new object is `alt` for some, the first of `answers` for others. Nothing
in the file says which, so whoever reads it must. On writing both keys hold the new object, and all loaders agree;
`case_id` and `relation_id` are ours, and loaders pass over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation, fold
from engine.formats.imported import Imported
from engine.formats.intake import CaseId, Draft, Intake, RowError, as_texts, validated
from engine.formats.records import Outlet, read_records
from engine.formats.source import Source
from engine.formats.target import Outgoing

NAME = "zsre"
FAR_PREFIX = "nq question: "
"""Stands before the open question; loaders refuse a record without it."""
TargetKey = Literal["alt", "answers"]
_ORDER = (ProbeKind.FAR, ProbeKind.NEIGHBOUR, ProbeKind.SAME_SUBJECT)


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    subject: str
    src: str
    alt: str = ""
    answers: Annotated[list[str], BeforeValidator(as_texts)] = []
    pred: str = ""
    rephrase: Annotated[list[str], BeforeValidator(as_texts)] = []
    loc: Annotated[list[str], BeforeValidator(as_texts)] = []
    loc_ans: Any = None
    cond: Any = None
    case_id: CaseId = ""
    relation_id: str = ""


def read(source: Source, relations: Mapping[str, Relation], *, target: TargetKey) -> Imported:
    """The edits of `source`; `target` is the key that holds the new object. Raises FormatError."""
    records = read_records(source)
    intake = Intake(source, NAME, relations.values(), unit=records.unit, of=records.of)

    def draft(value: object) -> Draft:
        record = validated(_Record, value, intake)
        new_object = record.alt if target == "alt" else next(iter(record.answers), "")
        if not new_object.strip():
            raise RowError((target, "it is empty, and holds the new object"))
        if fold(record.subject) not in fold(record.src):
            raise RowError(("src", "it does not name the subject"))
        if record.src.count(record.subject) > 1:
            intake.note("“src” names the subject more than once, which some loaders ask differently")
        if record.loc_ans is not None:
            intake.note("“loc_ans” is not kept: a probe's answer is what the original model answers")
        if target == "answers" and len(record.answers) > 1:
            intake.note("Other spellings in “answers” are not kept")
        return Draft(
            id=record.case_id,
            new_object=new_object,
            subject=record.subject,
            relation=record.relation_id,
            prompt=record.src,
            original_answer=record.pred or _true_answer(record, new_object),
            paraphrases=tuple(text for text in record.rephrase if text != record.src),
            probes=tuple(Probe(ProbeKind.FAR, text.removeprefix(FAR_PREFIX)) for text in record.loc),
            columns={
                "id": "case_id",
                "relation": "relation_id",
                "new object": target,
                "prompt": "src",
                "original answer": "pred",
                "paraphrases": "rephrase",
                "probes": "loc",
            },
        )

    intake.take_records(records, draft)
    return intake.finish()


def outgoing(edit_set: EditSet, path: Path, *, probe_answers: Mapping[str, str] | None = None) -> Outgoing:
    """The enabled edits that have a subject and a probe: one list, or one record a line for .jsonl.

    `probe_answers` gives the original model's answers by prompt.
    """
    answers = probe_answers or {}
    out = Outlet(edit_set, path, NAME)
    for row, edit in out.enabled():
        fault = _fault(edit)
        if fault:
            out.leave_out(row, *fault)
            continue
        probe = min(edit.probes, key=lambda probe: _ORDER.index(probe.kind))
        out.add(
            {
                "case_id": edit.id,
                "relation_id": edit.relation,
                "subject": edit.subject,
                "src": edit.prompt,
                "pred": edit.original_answer,
                "rephrase": edit.paraphrases[0] if edit.paraphrases else edit.prompt,
                "alt": edit.new_object,
                "answers": [edit.new_object],
                "loc": FAR_PREFIX + probe.prompt,
                "loc_ans": answers.get(probe.prompt, ""),
                "cond": f"{edit.original_answer} >> {edit.new_object} || {edit.prompt}",
            }
        )
        out.note("Edits without a paraphrase, so that “rephrase” repeats the prompt", not edit.paraphrases)
        out.note("Paraphrases after an edit's first have no place", len(edit.paraphrases[1:]))
        out.note("Aliases have no place", len(edit.aliases))
        out.note("Probes after an edit's first have no place", len(edit.probes[1:]))
        out.note("Neighbour and same-subject probes come back as far probes", probe.kind is not ProbeKind.FAR)
        out.note("Probes whose answer is not known, so that “loc_ans” is empty", not answers.get(probe.prompt))
    return out.finish()


def _true_answer(record: _Record, new_object: str) -> str:
    """The first of “answers” where it is the true one: some files, ours among them, repeat the new object there."""
    first = next(iter(record.answers), "")
    return "" if fold(first) == fold(new_object) else first


def _fault(edit: Edit) -> tuple[str, str] | None:
    if not edit.subject.strip() or edit.prompt.count(edit.subject) != 1:
        return "subject", "the format wants a subject that the prompt names once, since loaders put a slot in its place"
    if "{" in edit.prompt or "}" in edit.prompt:
        return "prompt", "the format wants a prompt without braces, since loaders fill it in as a template"
    if not edit.probes:
        return "probes", "the format wants one question that must not change"
    return None
