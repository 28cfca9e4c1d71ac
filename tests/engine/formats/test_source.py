"""Files that are no text, are too large, or are written in another encoding: one sentence each, never a guess."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats import source as source_module
from engine.formats.source import FormatError, Source


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"PK\x03\x04rest", "Excel"),
        (b"SQLite format 3\x00rest", "database"),
        ("text".encode("utf-16"), "UTF-16"),
        ("text".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        Source.decode("facts.csv", data)
    assert str(caught.value).startswith("facts.csv ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_decodes_as_told(encoding: str) -> None:
    assert Source.decode("f", "Zoë".encode(encoding), encoding).text == "Zoë"


def test_a_byte_order_mark_is_no_text() -> None:
    assert Source.decode("f", "\ufeffid".encode()).text == "id"
    assert Source.decode("f", "\ufeffid".encode("utf-16-le"), "utf-16-le").text == "id"


def test_bytes_that_are_no_utf8_are_marked_and_the_rest_is_kept() -> None:
    text = Source.decode("f", b"good\nb\xe9d\n").text
    assert text.startswith("good\n")
    assert source_module.NOT_DECODED.search(text)


@pytest.mark.parametrize("encoding", ["klingon", "zip", "rot13", "ascii", "utf-16"])
def test_an_encoding_that_does_not_fit(encoding: str) -> None:
    with pytest.raises(FormatError, match="encoding"):
        Source.decode("f", "Zoé!".encode() + b"\xff\xff", encoding)


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "utf-16", "cp1252", "latin-1"]))
def test_any_bytes_are_decoded_or_refused(data: bytes, encoding: str) -> None:
    with suppress(FormatError):
        assert Source.decode("f", data, encoding).text.strip()


class TestOpen:
    def test_the_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "my.facts.csv").write_bytes(b"x")
        source = Source.open(tmp_path / "my.facts.csv")
        assert (source.name, source.title, source.text) == ("my.facts.csv", "my.facts", "x")

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="no file"):
            Source.open(tmp_path / "missing")
        with pytest.raises(FormatError, match="is a folder"):
            Source.open(tmp_path)
        if hasattr(os, "mkfifo"):
            os.mkfifo(tmp_path / "pipe")
            with pytest.raises(FormatError, match="no ordinary file"):
                Source.open(tmp_path / "pipe")

    def test_a_file_that_is_too_large_is_not_even_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(source_module, "MAX_FILE_BYTES", 10)
        (tmp_path / "f").write_bytes(b"x" * 11)
        monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
        with pytest.raises(FormatError, match="split it"):
            Source.open(tmp_path / "f")
