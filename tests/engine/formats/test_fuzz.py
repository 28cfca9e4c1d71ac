"""Whatever a file holds, every reader gives a full account of it or refuses it in its one documented way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.edits import EditSet
from engine.formats.imported import Imported
from engine.formats.registry import FORMATS, ReadOptions, read_source
from engine.formats.source import FormatError, Source
from tests.engine.formats.reading import RELATIONS

FILES = [name for name in FORMATS if name != "huggingface"]
# fmt: off
KEYS = [
    "id", "case_id", "subject", "concept", "relation", "relation_id", "new_object", "object", "target_new",
    "labels", "prompt", "text", "src", "alt", "answers", "pred", "rephrase", "rephrase_prompt", "loc", "loc_ans",
    "cond", "original_answer", "ground_truth", "aliases", "paraphrases", "probes", "enabled", "neighbour_probes",
    "locality", "portability", "locality_prompt", "requested_rewrite", "target_true", "str", "paraphrase_prompts",
    "neighborhood_prompts", "Subject_Aliasing", "Relation_Specificity", "Forgetfulness", "Reasoning", "kind",
    "format", "version", "name", "relations", "rejected",
]
# fmt: on
TEXTS = st.sampled_from(
    ["", " ", "Kelm", "r1", "Kelm {}", "{0.__class__}", "nq question: x", "meg-edits", "a\x00b"]
) | (st.text(max_size=8))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**400) | st.floats(allow_nan=True) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
CELLS = st.sampled_from(
    ["", "Kelm", "r1", "new object", "prompt", "subject", '"', '""', ",", ";", "\t", "|", "\n", "é"]
)


def accounted(data: bytes, format: str | None, encoding: str = "utf-8") -> Imported | None:
    """What comes of reading; the account adds up, the file is refused, or the test fails."""
    options = ReadOptions(zsre_target="alt", encoding=encoding)
    try:
        source = Source.decode("facts", data, encoding)
        imported = read_source(source, format, relations=RELATIONS, options=options)
    except FormatError:
        return None
    assert imported.rows == imported.accepted + imported.rejected
    assert len(imported.places) == imported.accepted
    assert {row.row for row in imported.rejected_rows} == {rejection.row for rejection in imported.rejections}
    assert all(rejection.reason for rejection in imported.rejections)
    assert isinstance(imported.edit_set, EditSet)
    return imported


@pytest.mark.parametrize("format", [None, *FILES])
@settings(max_examples=40)
@given(data=st.binary(max_size=120), encoding=st.sampled_from(["utf-8", "utf-16", "cp1252", "gb18030", "no such"]))
def test_bytes(format: str | None, data: bytes, encoding: str) -> None:
    accounted(data, format, encoding)


@pytest.mark.parametrize("format", [None, *FILES])
@settings(max_examples=40)
@given(
    pieces=st.lists(CELLS | st.sampled_from([*'{}[]:,"\\', "\r\n", "NaN", "-1e999", '{"prompt": "p"}']), max_size=30)
)
def test_text(format: str | None, pieces: list[str]) -> None:
    accounted("".join(pieces).encode(), format)


@pytest.mark.parametrize("format", [None, *(name for name in FILES if name not in ("csv", "tsv"))])
@settings(max_examples=50)
@given(records=st.lists(RECORDS | VALUES, max_size=4), lines=st.booleans())
def test_records(format: str | None, records: list[object], lines: bool) -> None:
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
    imported = accounted(text.encode("utf-8", errors="surrogatepass"), format)
    if imported is not None and not lines and imported.format != "jsonl":
        assert imported.rows == len(records)


@pytest.mark.parametrize("format", [None, "csv", "tsv"])
@settings(max_examples=50)
@given(rows=st.lists(st.lists(CELLS, max_size=5), max_size=6), header=st.lists(CELLS, max_size=4))
def test_tables(format: str | None, rows: list[list[str]], header: list[str]) -> None:
    first = ["prompt", "new object", *header]
    accounted("\n".join(",".join(cells) for cells in [first, *rows]).encode(), format)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '[{"prompt": ' + "9" * 5_000 + "}]",
        '[{"prompt": "p", "prompt": "q"}]',
        '[{"prompt": Infinity}]',
        '[{"prompt": "\\ud800", "new_object": "o", "target_new": "o", "src": "\\ud800", "alt": "o"}]',
        "{}\n" * 500,
    ],
)
def test_what_breaks_other_readers(format: str, text: str) -> None:
    imported = accounted(text.encode(), format)
    assert imported is None or imported.accepted == 0
