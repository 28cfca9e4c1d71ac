"""Tasks from data files of a user: what each format holds, and what each score counts as right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation.protocol import ProtocolError
from engine.evaluation.tasks import TASKS, Item, read_task, rouge_l, score


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_gsm8k_is_the_last_number(tmp_path: Path):
    path = lines(tmp_path / "a.jsonl", {"question": "Two and 998?", "answer": "2 + 998 = <<2+998=1000>>\n#### 1,000"})
    task, (item,) = read_task("gsm8k", path)
    assert item == Item("Question: Two and 998?\nAnswer:", ("1,000",))
    assert score(task, item, "First 2, then $1000.") == 1.0
    assert score(task, item, "It is 1000, not 998") == 0.0
    assert score(task, item, "none") == 0.0


def test_natural_questions_take_any_right_answer(tmp_path: Path):
    path = lines(tmp_path / "a.jsonl", {"question": "who sang it?", "answer": ["The Beatles", "Beatles band"]})
    task, (item,) = read_task("nq", path)
    assert item.prompt == "Q: who sang it? A:"
    assert score(task, item, " the beatles!") == score(task, item, "Beatles") == 1.0
    assert score(task, item, "Beatles and others") == 0.0


@pytest.mark.parametrize("label", [1, "1", "not_entailment"])
def test_rte_is_true_or_false(label: Any, tmp_path: Path):
    record = {"sentence1": "Ada sleeps.", "sentence2": "Ada runs.", "label": label}
    if label == "1":
        with pytest.raises(ProtocolError, match="label '1' is none of entailment"):
            read_task("rte", lines(tmp_path / "a.jsonl", record))
        return
    task, (item,) = read_task("rte", lines(tmp_path / "a.jsonl", record))
    assert item == Item("Ada sleeps.\nQuestion: Ada runs. True or False?\nAnswer:", ("False",), ("True", "False"))
    assert (score(task, item, "False"), score(task, item, "True")) == (1.0, 0.0)


@pytest.mark.parametrize("answer", [True, 1, "true"])
def test_boolq_is_yes_or_no(answer: Any, tmp_path: Path):
    path = lines(tmp_path / "a.jsonl", {"passage": "Ice is cold.", "question": "is ice cold", "answer": answer})
    _, (item,) = read_task("boolq", path)
    assert item == Item("Ice is cold.\nQuestion: is ice cold?\nAnswer:", ("yes",), ("no", "yes"))


def test_mutual_chooses_a_reply(tmp_path: Path):
    record = {"article": "m : tea ?", "options": ["f : yes", "f : a car"], "answers": "B"}
    _, (item,) = read_task("mutual", lines(tmp_path / "a.jsonl", record))
    assert item == Item("m : tea ?", ("f : a car",), ("f : yes", "f : a car"))


def test_samsum_is_measured_by_rouge_l(tmp_path: Path):
    path = lines(tmp_path / "a.jsonl", {"dialogue": "A: hi\nB: bye", "summary": "A greets B, and B leaves"})
    task, (item,) = read_task("samsum", path)
    assert item.prompt == "A: hi\nB: bye\nSummary:"
    assert score(task, item, "a greets b and b leaves.") == 1.0
    # Of six words, the longest common subsequence has “a greets b leaves”.
    assert rouge_l("A greets B leaves", item.wanted[0]) == pytest.approx(2 * 4 / (4 + 6))
    assert rouge_l("", "something") == 0.0


def test_conll_is_the_f1_of_names_in_a_sentence(tmp_path: Path):
    path = tmp_path / "a.txt"
    tagged = (
        "-DOCSTART- -X- O O\n\nAda NNP B B-PER\nLovelace NNP I I-PER\nmet VBD O O\nIBM NNP B B-ORG\nBell NNP B B-ORG\n"
    )
    path.write_text(f"{tagged}\nit PRP O O\n", "utf-8")
    task, (first, second) = read_task("conll03", path)
    assert first.prompt.startswith("Sentence: Ada Lovelace met IBM Bell\n")
    assert first.wanted == ("Ada Lovelace (PER), IBM (ORG), Bell (ORG)",)
    assert score(task, first, first.wanted[0]) == 1.0
    assert score(task, first, "Ada Lovelace (PER), IBM (LOC)") == pytest.approx(2 * 1 / (2 + 3))
    assert (score(task, second, "none"), score(task, second, "it (MISC)")) == (1.0, 0.0)


def test_sst2_is_asked_as_the_embedded_model_knows_reviews(tmp_path: Path):
    path = tmp_path / "a.tsv"
    path.write_text("sentence\tlabel\na warm , clever film . \t1\ndull \t0\n", "utf-8")
    _, items = read_task("sst2", path)
    assert items[0] == Item("Review: a warm, clever film. Sentiment:", ("positive",), ("negative", "positive"))
    assert items[1].wanted == ("negative",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gsm8k", '{"question": "?", "answer": "7"}\n', "line 1: the answer does not end in"),
        ("gsm8k", '\n{"question": "?"}\n', "line 2: it has no “answer”"),
        ("gsm8k", "[1]\n", "line 1: it has no “question”"),
        ("nq", '{"question": "?", "answer": "one"}\n', "no list of answers"),
        ("nq", "{question}\n", "line 1: it is no valid JSON"),
        ("nq", "", "no question for Natural Questions: it takes JSON lines"),
        ("mutual", '{"article": "a", "options": ["x", "y"], "answers": "C"}\n', "label 'C' is none of a, b"),
        ("mutual", '{"article": "a", "options": "x", "answers": "A"}\n', "no list of replies"),
        ("conll03", "Ada NNP\n", "line 1: it does not end in a tag"),
        ("sst2", "text\tlabel\n", "columns sentence and label"),
        ("chess", "", "There is no task “chess”"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(name: str, content: str, said: str, tmp_path: Path):
    path = tmp_path / "data"
    path.write_text(content, "utf-8")
    with pytest.raises(ProtocolError, match=said):
        read_task(name, path)


@pytest.mark.parametrize("name", ["gsm8k", "sst2"])
def test_a_file_that_is_missing_is_a_sentence(name: str, tmp_path: Path):
    with pytest.raises(ProtocolError, match="cannot be read"):
        read_task(name, tmp_path / "missing")


def test_every_task_that_the_field_names_is_there():
    assert {task.title for task in TASKS.values()} == {
        "GSM8K", "RTE", "Natural Questions", "BoolQ", "MuTual", "SAMSum", "CoNLL-03", "SST-2"
    }  # fmt: skip
    assert [name for name, task in TASKS.items() if task.harness is None] == ["samsum", "conll03"]
