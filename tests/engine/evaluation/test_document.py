"""The report for people: whole in one file, escaped, with its JSON beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.evaluation import document
from engine.evaluation.document import Subject, check_report_name, write_report
from engine.evaluation.record import EvaluationError
from engine.evaluation.report import Asked

BAD = '<script>alert("x")</script>'
ROWS = (
    Asked("e1", "reliability", "P36", f"The capital of {BAD} is", BAD, BAD, 1.0, 1.0, 0.1, "e1", True, "old"),
    Asked(
        "e1", "generality", "P36", f"{BAD}'s capital", BAD, "</style><img src=x>\x00", 0.5, 0.8, 0.2, "e1", True, "old"
    ),
    Asked("e1", "neighbour", "P36", "The capital of Peru is", "Lima", "Lima", 1.0, 0.1, 0.9, "e1", False, "Lima"),
    Asked("e2", "reliability", "", "עברית & más", "x", "x", 1.0, 1.0, 0.1, "e2", True, "y"),
)
SUBJECT = Subject(f"Evaluation of {BAD}", 0.6, {"model": BAD, BAD: "x"}, {"P36": f"capital {BAD}"})


class Reader(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [f"{name}={value}" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def read(tmp_path: Path) -> tuple[Reader, dict, str]:
    page, beside = write_report(tmp_path / "report.html", SUBJECT, ROWS)
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    return reader, json.loads(beside.read_text("utf-8")), page.read_text("utf-8")


def test_a_subject_that_is_a_script_is_only_a_name(read: tuple[Reader, dict, str]) -> None:
    reader, _, text = read
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert "<script" not in text
    assert any(f"The capital of {BAD}" in part for part in reader.text) is False  # a right answer is not listed
    assert any(part == f"{BAD}'s capital" for part in reader.text)
    assert text.count("</style>") == 1


def test_without_a_gate_there_is_no_word_of_one(tmp_path: Path) -> None:
    rows = [replace(row, nearest_edit="", familiarity=1.0, routed=True) for row in ROWS]
    page, _ = write_report(tmp_path / "report.html", replace(SUBJECT, threshold=None), rows)
    text = page.read_text("utf-8")
    assert "<h2>Gate</h2>" not in text
    assert "<svg" not in text
    assert '<td class="n">–</td>' in text  # the familiarity of what was wrong
    assert "1.000" not in text


def test_it_needs_nothing_else(read: tuple[Reader, dict, str]) -> None:
    reader, _, text = read
    assert reader.links == []
    assert "http" not in text.replace("http-equiv", "")
    assert reader.tags.count("svg") == 2
    assert "@media print" in text
    assert "thead" in reader.tags


def test_charts_name_their_axes_and_the_threshold(read: tuple[Reader, dict, str]) -> None:
    told = set(read[0].text)
    assert {"familiarity, 0 to 1", "questions of the kind, %", "probes let by, %", "threshold 0.60"} <= told
    assert "Familiarity of questions" in told


def test_figures_have_their_counts_and_nothing_that_cannot_be_shown(read: tuple[Reader, dict, str]) -> None:
    reader, _, text = read
    assert "2 of 2" in reader.text
    assert "0 of 1" in reader.text
    assert "\x00" not in text


def test_the_json_has_every_query(read: tuple[Reader, dict, str]) -> None:
    content = read[1]
    assert content["reliability"] == {"ag": 1.0, "tf": 1.0, "routed": 1.0, "asked": 2}
    assert content["threshold"] == 0.6
    assert set(content["relations"]) == {"P36", ""}
    assert [row["right"] for row in content["queries"]] == [True, False, True, True]
    assert content["queries"][0]["wanted"] == BAD


def test_a_long_list_says_that_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "LISTED", 1)
    page, _ = write_report(tmp_path / "r.HTML", SUBJECT, [ROWS[1], ROWS[1]])
    assert "The first 1 are listed." in page.read_text("utf-8")


def test_nothing_asked_makes_a_page_too(tmp_path: Path) -> None:
    page, beside = write_report(tmp_path / "r.html", Subject("None", 0.5), [])
    assert "0 questions were asked" in page.read_text("utf-8")
    assert json.loads(beside.read_text("utf-8"))["queries"] == []


def test_another_ending_or_folder_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"\.html"):
        check_report_name(tmp_path / "report.json")
    with pytest.raises(EvaluationError, match="folder"):
        check_report_name(tmp_path / "gone" / "report.html")
    check_report_name(tmp_path / "report.html")
