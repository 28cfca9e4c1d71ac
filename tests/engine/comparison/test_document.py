"""What a comparison looks like to people, and that its file has all that this is drawn from."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.comparison.charts import forgetting_charts, score_chart
from engine.comparison.comparison import Comparison, read_comparison, spread_of, write_comparison
from engine.comparison.document import summarise, write_comparison_report
from engine.evaluation.record import EvaluationError
from tests.engine.comparison.comparisons import BAD, comparison, record


class Reader(HTMLParser):
    """The tables of a page, its tags and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.fixture
def page(tmp_path: Path) -> tuple[Reader, str]:
    path, beside = write_comparison_report(tmp_path / "editors.html", comparison())
    assert beside == tmp_path / "editors.json"
    text = path.read_text("utf-8")
    reader = Reader()
    reader.feed(text)
    return reader, text


def row(reader: Reader, first: str, holds: str) -> dict[str, str]:
    """The row of the editor `first` in the table whose head has `holds`."""
    head: list[str] = []
    for cells in reader.rows:
        if cells[0] == "Editor":
            head = cells
        elif cells[0] == first and holds in head:
            return dict(zip(head, cells, strict=False))
    raise AssertionError(f"there is no {first} beside {holds}")


def test_it_is_whole_and_a_script_is_only_a_name(page: tuple[Reader, str]) -> None:
    reader, text = page
    assert "script" not in reader.tags
    assert reader.links == []
    assert "http" not in text.replace("http-equiv", "")
    assert any(BAD in part for part in reader.texts)
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_figures_are_means_with_their_spread(page: tuple[Reader, str]) -> None:
    reader, _ = page
    assert row(reader, "MEG", "Score")["Score"] == "85.00 ± 7.07"
    assert row(reader, "ROME", "Score")["Score"] == "50.00"
    costs = row(reader, "ROME", "training, s")
    assert (costs["training, s"], costs["edits/s"], costs["peak, MB"], costs["taken, MB"]) == (
        "10.0",
        "1.00",
        "150",
        "50",
    )
    assert (costs["pack, MB"], costs["ms/question"], costs["undo of one"]) == ("2.50", "12.5", "yes, 3 of 4")
    assert costs["detach"] == "bit for bit"
    assert "GPU peak, MB" not in costs


def test_who_refused_says_why_in_its_row(page: tuple[Reader, str]) -> None:
    reader, _ = page
    assert ["KN", f"refused: Edit {BAD} has no subject."] in reader.rows


def test_gates_and_other_protocols_have_tables_of_their_own(page: tuple[Reader, str]) -> None:
    reader, _ = page
    assert row(reader, "MEG", "prompts let by")["prompts let by"] == "50.00 ± 0.00"
    with pytest.raises(AssertionError):
        row(reader, "ROME", "prompts let by")
    assert row(reader, "ROME", "ES")["ES"] == "87.50 (10.00)"
    assert "ES" not in row(reader, "ROME", "Score")
    assert any("Nothing was left out." in text for text in reader.texts)


def test_how_each_was_set_and_what_is_forgotten(page: tuple[Reader, str]) -> None:
    reader, _ = page
    assert "optimiser learning rate 0.5" in row(reader, "MEG", "Settings")["Settings"]
    assert "layer chosen 3" in row(reader, "MEG", "Settings")["Settings"]
    last = row(reader, "MEG", "kept")
    assert (last["edits"], last["kept"], last["perplexity"], last["seconds"]) == ("4", "95.00", "8.00", "8.0")
    assert row(reader, "IKE (anew each time)", "kept")["kept"] == "100.00"


def test_the_charts_name_every_curve_and_axis(page: tuple[Reader, str]) -> None:
    reader, _ = page
    assert reader.tags.count("svg") == 4
    told = set(reader.texts)
    assert {"Score, %", "edits", "1", "100", "MEG", "ROME", "IKE", "perplexity, lower is better"} <= told
    assert reader.tags.count("circle") + reader.tags.count("polygon") >= 3  # every point is marked


def test_one_number_of_edits_gives_bars() -> None:
    one = comparison().model_copy(update={"records": comparison().records[:3]})
    chart = score_chart(one)
    assert chart is not None
    bars = [(bar.get("class"), float(bar.get("width", 0))) for bar in chart.iter("rect")]
    assert [kind for kind, _ in bars] == ["b0", "b1"]
    assert bars[0][1] / bars[1][1] == pytest.approx(0.85 / 0.5, abs=0.01)
    assert "85.00 %" in [text.text for text in chart.iter("text")]


def test_nothing_measured_makes_a_page_too(tmp_path: Path) -> None:
    path, _ = write_comparison_report(tmp_path / "none.html", Comparison(title="Nothing"))
    assert "<svg" not in path.read_text("utf-8")
    assert score_chart(Comparison(title="Nothing")) is None
    assert forgetting_charts(Comparison(title="Nothing")) == []
    assert summarise(Comparison(title="Nothing")) == ""


def test_lines_of_text_for_a_terminal() -> None:
    lines = summarise(comparison()).splitlines()
    assert lines[0] == "10 edits, in per cent:"
    (head, meg, rome) = (line.split() for line in lines[1:4])
    assert head[0] == "Score"
    assert meg[:4] == ["MEG", "85.00", "±", "7.07"]
    assert rome[:2] == ["ROME", "50.00"]
    assert lines[4] == f"KN: refused: Edit {BAD} has no subject."
    assert any(line.startswith("IKE (anew each time)") for line in lines)


def test_the_file_has_everything(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_comparison(path, comparison())
    assert read_comparison(path) == comparison()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "no text"),
        (b"{", "no valid JSON"),
        (b"[]", "meg compare"),
        (b'{"format": "meg-bench"}', "meg compare"),
        (b'{"format": "meg-comparison", "version": 9, "title": "x"}', "another version"),
        (b'{"format": "meg-comparison", "version": 1, "title": "x", "records": [{}]}', "records.0"),
        (b'{"format": "meg-comparison", "version": 1, "title": NaN}', "NaN"),
    ],
)
def test_what_is_no_comparison_is_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=why):
        read_comparison(path)


def test_a_figure_out_of_its_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    content = json.loads(comparison().model_dump_json())
    content["records"][0]["figures"]["score"] = "high"
    path.write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match=r"records\.0\.figures\.score"):
        read_comparison(path)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="folder is not there"):
        write_comparison_report(tmp_path / "gone" / "x.html", comparison())
    with pytest.raises(EvaluationError, match=r"\.html"):
        write_comparison_report(tmp_path / "x.txt", comparison())
    with pytest.raises(EvaluationError, match="cannot be written"):
        write_comparison(tmp_path / "gone" / "x.json", comparison())
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_comparison(tmp_path / "gone.json")


def test_the_mean_of_what_is_known() -> None:
    assert spread_of([None, None]) is None
    assert spread_of([None, 2.0]) == (2.0, None)
    assert spread_of([1.0, 3.0]) == (2.0, pytest.approx(1.4142, abs=1e-4))
    assert comparison().scores()["meg"] == [(10, pytest.approx(0.85)), (100, 0.7)]
    assert record("x", 10, 0.5).edits_a_second == 1.0
