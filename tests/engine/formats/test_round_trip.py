"""Exported and imported again, an edit is what it was, as far as the format holds it; what it cannot is said before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.imported import Imported, Written
from engine.formats.registry import FORMATS, ReadOptions, account_of, read_edits, write_edits
from engine.formats.zsre import FAR_PREFIX
from tests.engine.edit_strategies import edit_sets

Held = Callable[[Edit], Edit]


def there_and_back(edit_set: EditSet, format: str, *, safe: bool = False, suffix: str = "") -> tuple[Written, Imported]:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"facts{suffix or FORMATS[format].suffixes[0]}")
        account = account_of(edit_set, path, format)
        written = write_edits(edit_set, path, format, spreadsheet_safe=safe)
        options = ReadOptions(zsre_target="alt")
        chosen = None if format == "huggingface" else format
        imported = read_edits(path, chosen, relations=edit_set.relations, options=options)
    assert account == written  # what is said before is what happens
    return written, imported


def by_kind(edit: Edit) -> Edit:
    order = list(ProbeKind)
    return replace(edit, probes=tuple(sorted(edit.probes, key=lambda probe: order.index(probe.kind))))


def as_counterfact(edit: Edit) -> Edit:
    neighbours = tuple(probe for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR)
    return replace(edit, aliases=(), probes=neighbours)


def as_easyedit(edit: Edit) -> Edit:
    first = sorted(edit.probes, key=lambda probe: probe.kind is not ProbeKind.NEIGHBOUR)[:1]
    probes = tuple(_known_by_prefix(probe) for probe in first)
    return replace(edit, aliases=(), paraphrases=edit.paraphrases[:1], probes=probes)


def as_zsre(edit: Edit) -> Edit:
    order = [ProbeKind.FAR, ProbeKind.NEIGHBOUR, ProbeKind.SAME_SUBJECT]
    first = min(edit.probes, key=lambda probe: order.index(probe.kind))
    again = tuple(text for text in edit.paraphrases[:1] if text != edit.prompt)
    return replace(edit, aliases=(), paraphrases=again, probes=(replace(first, kind=ProbeKind.FAR),))


def as_knowedit(edit: Edit) -> Edit:
    same = tuple(probe for probe in edit.probes if probe.kind is ProbeKind.SAME_SUBJECT)
    return replace(edit, aliases=(), probes=same)


def _known_by_prefix(probe: Probe) -> Probe:
    if probe.kind is ProbeKind.FAR or probe.prompt.startswith(FAR_PREFIX):
        return replace(probe, kind=ProbeKind.FAR, prompt=probe.prompt.removeprefix(FAR_PREFIX))
    return replace(probe, kind=ProbeKind.NEIGHBOUR)


HELD: dict[str, Held] = {
    "jsonl": lambda edit: edit,
    "json": lambda edit: edit,
    "huggingface": by_kind,
    "csv": by_kind,
    "tsv": by_kind,
    "counterfact": as_counterfact,
    "easyedit": as_easyedit,
    "zsre": as_zsre,
    "knowedit": as_knowedit,
}


def test_every_format_has_its_say_here() -> None:
    assert HELD.keys() == FORMATS.keys()


@pytest.mark.parametrize("format", HELD)
@settings(max_examples=25)
@given(edit_set=edit_sets())
def test_what_is_exported_comes_back(format: str, edit_set: EditSet) -> None:
    written, imported = there_and_back(edit_set, format)
    left_out = {rejection.row for rejection in written.left_out}
    kept = [edit for row, edit in enumerate(edit_set.edits, start=1) if row not in left_out]
    assert written.rows == len(kept)
    assert not imported.rejections
    assert imported.edit_set.edits == tuple(map(HELD[format], kept))
    if imported.edit_set.edits != edit_set.edits:
        assert written.notes or written.left_out  # nothing is lost without a word


@pytest.mark.parametrize("format", ["counterfact", "easyedit", "zsre", "knowedit"])
@settings(max_examples=10)
@given(edit_set=edit_sets())
def test_one_record_a_line_is_the_same(format: str, edit_set: EditSet) -> None:
    if account_of(edit_set, Path("facts.json"), format).rows:  # a file without a line is refused as empty
        _, one_list = there_and_back(edit_set, format)
        _, lines = there_and_back(edit_set, format, suffix=".jsonl")
        assert lines.edit_set == one_list.edit_set


@pytest.mark.parametrize("format", ["csv", "tsv"])
def test_a_table_that_is_safe_for_spreadsheets_comes_back_to_the_letter(format: str) -> None:
    starts: Sequence[str] = ("=", "+", "-", "@", "'=", "''", "\t", "\n", "＝", " -")
    edits = tuple(Edit(f"{place}", f"{start}40", f"{start}1", f"{start}x") for place, start in enumerate(starts))
    assert there_and_back(EditSet("Set", edits), format, safe=True)[1].edit_set.edits == edits


@pytest.mark.parametrize("format", ["jsonl", "json", "huggingface"])
@settings(max_examples=10)
@given(edit_set=edit_sets())
def test_exact_formats_keep_name_and_relations(format: str, edit_set: EditSet) -> None:
    back = there_and_back(edit_set, format)[1].edit_set
    assert (back.name, dict(back.relations)) == (edit_set.name, dict(edit_set.relations))
