"""Comparisons as files."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from html.parser import HTMLParser

from studio.pages.compare.export import to_csv, to_html, to_json
from studio.store.comparisons import Asking, ComparisonRow

ASKING = Asking(
    run=3,
    model="embedded",
    fingerprint="f" * 64,
    pack="a" * 64,
    decoding={"temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 11, "max_new_tokens": 60, "first_sentence": True},
    calibrated=0.5,
)


def row(query: str, original: str = "Paris", edited: str = "Lyon", asking: Asking = ASKING) -> ComparisonRow:
    return ComparisonRow(
        id=1,
        created=datetime(2026, 11, 21, 10, tzinfo=UTC),
        asking=asking,
        query=query,
        original=original,
        edited=edited,
        familiarity=0.75,
        routed=True,
        threshold=0.625,
        entropy=0.25,
        nearest_edit="e1",
        similarity=0.5,
        original_seconds=0.25,
        edited_seconds=None,
    )


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_table_tells_how_every_question_was_asked() -> None:
    (told,) = csv.DictReader(io.StringIO(to_csv([row("Who?")])))
    wanted = {
        "question": "Who?",
        "changed": "yes",
        "threshold": "0.625",
        "calibrated_threshold": "0.5",
        "original_seconds": "0.25",
        "edited_seconds": "",
        "model_fingerprint": "f" * 64,
        "pack_sha256": "a" * 64,
        "temperature": "0.7",
        "top_p": "0.9",
        "top_k": "40",
        "seed": "11",
        "max_new_tokens": "60",
        "first_sentence": "yes",
    }
    assert told | wanted == told


def test_no_cell_is_taken_for_a_formula() -> None:
    (told,) = csv.DictReader(io.StringIO(to_csv([row('=HYPERLINK("x")', "+1", "@a")])))
    assert (told["question"], told["original_answer"], told["edited_answer"]) == ('\'=HYPERLINK("x")', "'+1", "'@a")


def test_json_is_exact() -> None:
    (told,) = json.loads(to_json([row("=1\n“ü” 城市 \u200f", "a\tb", "x")]))
    assert (told["question"], told["original_answer"]) == ("=1\n“ü” 城市 \u200f", "a\tb")
    assert told["decoding"] == dict(ASKING.decoding)
    assert (told["familiarity"], told["run"], told["edited_seconds"]) == (0.75, 3, None)


def test_a_page_stands_alone_and_holds_no_markup_of_the_users() -> None:
    evil = "<script>alert(1)</script> & \"'"
    page = Page(to_html([row(evil, evil, f"{evil} <img src=x onerror=y>")]))
    assert not {"script", "img", "link"} & set(page.tags)
    assert page.links == []
    assert page.text.count("alert") == 3
    assert "0.6250, moved by hand from 0.5000" in page.text
    assert "seed 11" in page.text
    assert "a" * 64 in page.text
    assert {"del", "ins"} & set(page.tags)


def test_a_page_of_questions_that_were_asked_differently_says_which_was_asked_how() -> None:
    page = Page(to_html([row("one"), row("two", asking=Asking()), row("three")]))
    assert "Asked as 1" in page.text
    assert "Asked as 2" in page.text
    assert "Asked as 3" not in page.text
    assert "not noted" in page.text


def test_nothing_to_export_is_still_a_file() -> None:
    assert to_csv([]) == ""
    assert json.loads(to_json([])) == []
    assert "0 questions" in to_html([])
