"""EasyEdit's flat records: one prompt, at most one rephrasing and one locality prompt an edit.

The answers that EasyEdit wants beside a locality prompt are the original model's; a probe carries none, so that they
are not read, and on writing come from `probe_answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from engine.edits import EditSet, Probe, ProbeKind, Relation
from engine.formats.imported import Imported
from engine.formats.intake import CaseId, Draft, Intake, as_texts, validated
from engine.formats.records import Outlet, read_records
from engine.formats.source import Source
from engine.formats.target import Outgoing
from engine.formats.zsre import FAR_PREFIX

NAME = "easyedit"
Texts = Annotated[list[str], BeforeValidator(as_texts)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    prompt: str
    target_new: str
    case_id: CaseId = ""
    subject: str = ""
    ground_truth: Texts = []
    rephrase_prompt: Texts = []
    locality_prompt: Texts = []
    locality_ground_truth: Any = None
    relation_id: str = ""


def read(source: Source, relations: Mapping[str, Relation]) -> Imported:
    """The edits of `source`. Raises FormatError."""
    records = read_records(source)
    intake = Intake(source, NAME, relations.values(), unit=records.unit, of=records.of)

    def draft(value: object) -> Draft:
        record = validated(_Record, value, intake)
        if record.locality_ground_truth is not None:
            intake.note("“locality_ground_truth” is not kept: a probe's answer is what the original model answers")
        return Draft(
            id=record.case_id,
            new_object=record.target_new,
            subject=record.subject,
            relation=record.relation_id,
            prompt=record.prompt,
            original_answer=next(iter(record.ground_truth), ""),
            paraphrases=tuple(record.rephrase_prompt),
            probes=tuple(map(_probe, record.locality_prompt)),
            columns={
                "id": "case_id",
                "new object": "target_new",
                "relation": "relation_id",
                "original answer": "ground_truth",
                "paraphrases": "rephrase_prompt",
                "probes": "locality_prompt",
            },
        )

    intake.take_records(records, draft)
    return intake.finish()


def outgoing(edit_set: EditSet, path: Path, *, probe_answers: Mapping[str, str] | None = None) -> Outgoing:
    """The enabled edits: one list, or one record a line where `path` ends in .jsonl.

    `probe_answers` gives the original model's answers by prompt.
    """
    answers = probe_answers or {}
    out = Outlet(edit_set, path, NAME)
    for _, edit in out.enabled():
        probes = sorted(edit.probes, key=lambda probe: probe.kind != ProbeKind.NEIGHBOUR)
        out.add(
            {
                "case_id": edit.id,
                "prompt": edit.prompt,
                "subject": edit.subject,
                "target_new": edit.new_object,
                "ground_truth": edit.original_answer,
                "rephrase_prompt": edit.paraphrases[0] if edit.paraphrases else "",
                "locality_prompt": _prompt(probes[0]) if probes else "",
                "locality_ground_truth": answers.get(probes[0].prompt, "") if probes else "",
                "relation_id": edit.relation,
            }
        )
        out.note("Paraphrases after an edit's first have no place", len(edit.paraphrases[1:]))
        out.note("Probes after an edit's first have no place", len(probes[1:]))
        changed = bool(probes) and probes[0].kind is ProbeKind.SAME_SUBJECT
        out.note("Same-subject probes come back as neighbour probes", changed)
        unanswered = bool(probes) and not answers.get(probes[0].prompt)
        out.note("Probes whose answer is not known, so that “locality_ground_truth” is empty", unanswered)
        out.note("Aliases have no place", len(edit.aliases))
        out.note("Edits without an original answer, so that “ground_truth” is empty", not edit.original_answer)
    return out.finish()


def _probe(prompt: str) -> Probe:
    if prompt.startswith(FAR_PREFIX):
        return Probe(ProbeKind.FAR, prompt.removeprefix(FAR_PREFIX))
    return Probe(ProbeKind.NEIGHBOUR, prompt)


def _prompt(probe: Probe) -> str:
    return FAR_PREFIX + probe.prompt if probe.kind == ProbeKind.FAR else probe.prompt
