"""KnowEdit: records with groups of portability and locality prompts.

Subject_Aliasing asks the same under another name of the subject: a paraphrase, where its answer is the new object.
Relation_Specificity and Forgetfulness ask what else is known of the subject: same-subject probes. Reasoning and
Logical_Generalization ask for what follows from the edit, with an answer of their own: neither a paraphrase nor a
probe, so that they are not read. On writing, `case_id` and `relation_id` are ours, and loaders pass over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from engine.edits import EditSet, Probe, ProbeKind, Relation, fold
from engine.formats.imported import Imported
from engine.formats.intake import CaseId, Draft, Intake, as_texts, validated
from engine.formats.records import Outlet, read_records
from engine.formats.source import Source
from engine.formats.target import Outgoing

NAME = "knowedit"
Texts = Annotated[list[str], BeforeValidator(as_texts)]


def _flat(value: Any) -> Any:
    """Answers come as a text, a list of spellings, or a list of such lists: all spellings in one list."""
    if isinstance(value, list):
        return [text for item in value for text in (item if isinstance(item, list) else [item])]
    return as_texts(value)


Answers = Annotated[list[str], BeforeValidator(_flat)]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Query(_Model):
    prompt: Texts
    ground_truth: Answers = []


Queries = Annotated[list[_Query], BeforeValidator(lambda value: [] if value is None else value)]


class _Portability(_Model):
    aliasing: Queries = Field([], alias="Subject_Aliasing")
    reasoning: Queries = Field([], alias="Reasoning")
    generalization: Queries = Field([], alias="Logical_Generalization")


class _Locality(_Model):
    specificity: Queries = Field([], alias="Relation_Specificity")
    forgetfulness: Queries = Field([], alias="Forgetfulness")


class _Record(_Model):
    prompt: str = Field(validation_alias=AliasChoices("prompt", "text"))
    target_new: str = Field(validation_alias=AliasChoices("target_new", "labels"))
    subject: str = Field("", validation_alias=AliasChoices("subject", "concept"))
    rephrase: Texts = Field([], validation_alias=AliasChoices("rephrase", "rephrase_prompt"))
    ground_truth: Answers = []
    case_id: CaseId = ""
    relation_id: str = ""
    portability: _Portability | None = None
    locality: _Locality | None = None


def read(source: Source, relations: Mapping[str, Relation]) -> Imported:
    """The edits of `source`. Raises FormatError."""
    records = read_records(source)
    intake = Intake(source, NAME, relations.values(), unit=records.unit, of=records.of)

    def draft(value: object) -> Draft:
        record = validated(_Record, value, intake)
        portability = record.portability or _Portability.model_construct()
        locality = record.locality or _Locality.model_construct()
        follows = len(portability.reasoning) + len(portability.generalization)
        if follows:
            intake.note("Reasoning and Logical_Generalization prompts are left out: their answers are others", follows)
        same, other = [], 0
        for query in portability.aliasing:
            if fold(record.target_new) in map(fold, query.ground_truth):
                same += query.prompt
            else:
                other += 1
        if other:
            intake.note("Subject_Aliasing prompts with another answer than the new object are left out", other)
        return Draft(
            id=record.case_id,
            new_object=record.target_new,
            subject=record.subject,
            relation=record.relation_id,
            prompt=record.prompt,
            original_answer=next(iter(record.ground_truth), ""),
            paraphrases=(*record.rephrase, *same),
            probes=tuple(_probes((*locality.specificity, *locality.forgetfulness))),
            columns={
                "id": "case_id",
                "relation": "relation_id",
                "new object": "target_new",
                "original answer": "ground_truth",
                "probes": "locality",
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
        probes = [probe.prompt for probe in edit.probes if probe.kind == ProbeKind.SAME_SUBJECT]
        about = [{"prompt": prompt, "ground_truth": [answers.get(prompt, "")]} for prompt in probes]
        record: dict[str, Any] = {
            "case_id": edit.id,
            "relation_id": edit.relation,
            "subject": edit.subject,
            "prompt": edit.prompt,
            "target_new": edit.new_object,
        }
        if edit.original_answer:  # loaders take the first of the list and fail where there is none
            record["ground_truth"] = [edit.original_answer]
        if edit.paraphrases:
            record["rephrase"] = edit.paraphrases[0]
        # Further paraphrases under the one group whose answer is the new object.
        again = [{"prompt": text, "ground_truth": [[edit.new_object]]} for text in edit.paraphrases[1:]]
        record["portability"] = {"Subject_Aliasing": again} if again else {}
        record["locality"] = {"Relation_Specificity": about} if about else {}
        out.add(record)
        out.note("Aliases have no place", len(edit.aliases))
        out.note("Edits without a same-subject probe, which loaders that train on the file cannot batch", not probes)
        out.note("Neighbour and far probes have no place", len(edit.probes) - len(probes))
    return out.finish()


def _probes(queries: Iterable[_Query]) -> Iterable[Probe]:
    for query in queries:
        for prompt in query.prompt:
            yield Probe(ProbeKind.SAME_SUBJECT, prompt)
