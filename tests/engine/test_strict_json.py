"""What Python's own reader lets through and ours does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.strict_json import JsonFault, canonical, dump, parse

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "'a' appears twice"),
        ('[{"b": {"c": 1, "c": 1}}]', "'c' appears twice"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "too large"),
        ("9" * 5_000, "5,000 digits"),
        ("[" * 100_000, "too deep"),
        ('{"a": ' * 100_000, "too deep"),
        ('{"a": 1', "no valid JSON"),
        ("", "no valid JSON"),
        ("{} {}", "goes on after its end"),
        ("\x00", "no valid JSON"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(JsonFault, match=reason):
        parse(text)


@given(values)
def test_reads_what_it_writes(value: object) -> None:
    assert parse(dump([value])) == [value]
    assert parse(dump([value], indent=2)) == [value]


@given(st.text())
def test_any_text_is_read_as_python_reads_it_or_refused(text: str) -> None:
    try:
        value = parse(text)
    except JsonFault:
        return
    assert value == json.loads(text)


def test_refuses_to_write_what_is_no_json() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            dump([value])
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical([value])


def test_one_content_has_one_canonical_spelling() -> None:
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == b'{"a":"\\u00e9","b":1}'
