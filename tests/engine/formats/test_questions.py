from __future__ import annotations

import pytest

from engine.formats.questions import LINES, read_questions
from engine.formats.source import FormatError


def read(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return read_questions(path)


def test_a_text_has_one_question_a_line(tmp_path):
    found = read(tmp_path, "q.txt", "\ufeffWho?\r\n\n  城市 在 哪里? \nאיפה?\n")
    assert found.columns == {LINES: ("Who?", "城市 在 哪里?", "איפה?")}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_gives_its_columns_and_the_likely_one(tmp_path, delimiter):
    rows = [["id", "Question"], ["1", '"two\nlines"'], ["2", ""], ["3"], ["4", "=1+1"]]
    found = read(tmp_path, "q.csv", "\n".join(delimiter.join(row) for row in rows))
    assert found.columns == {"id": ("1", "2", "3", "4"), "Question": ("two lines", "=1+1")}
    assert found.likely == "Question"


def test_records_give_their_texts_by_key(tmp_path):
    found = read(tmp_path, "q.jsonl", '{"n": 1, "prompt": "Who?"}\nno json\n{"prompt": "What?", "subject": "x"}\n')
    assert found.columns == {"prompt": ("Who?", "What?"), "subject": ("x",)}
    assert found.likely == "prompt"
    assert read(tmp_path, "q.json", '["Who?", 3, "What?"]').columns == {LINES: ("Who?", "What?")}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("q.txt", "", "is empty"),
        ("q.json", "[1, 2]", "holds no question"),
        ("q.csv", "a,b\n,\n", "holds no question"),
        ("q.jsonl", "what?", "no JSON"),
        ("q.txt", b"caf\xe9", "not written in UTF-8"),
        ("q.txt", b"PK\x03\x04rest", "zip archive"),
    ],
)
def test_a_file_without_questions_is_refused_in_a_sentence(tmp_path, name, content, told):
    with pytest.raises(FormatError, match=told):
        read(tmp_path, name, content)
