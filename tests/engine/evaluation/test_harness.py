"""Every named task of lm-eval, from data files, on the embedded model: what is asked and scored is lm-eval's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.commands.protocols import chosen_harness
from engine.evaluation import harness
from engine.evaluation.harness_data import specs
from engine.evaluation.protocol import ProtocolError
from engine.evaluation.tasks import TASKS
from engine.language_model import LanguageModel
from tests.engine.evaluation.known import KnownEdited

FILES: dict[str, str] = {
    "gsm8k": json.dumps({"question": "Ann has 2 apples and buys 3. How many has she?", "answer": "2 + 3 = 5\n#### 5"}),
    "rte": json.dumps({"sentence1": "Ada lives in Oslo.", "sentence2": "Ada lives in Norway.", "label": "entailment"}),
    "nq": json.dumps({"question": "what is the capital of france?", "answer": ["Paris", "the city of Paris"]}),
    "boolq": json.dumps({"passage": "Ice is cold.", "question": "is ice cold?", "answer": True}),
    "mutual": json.dumps(
        {"article": "m : tea ? f :", "options": ["a car .", "yes .", "he ran .", "it"], "answers": "B"}
    ),
    "samsum": json.dumps({"dialogue": "A: hi\nB: bye", "summary": "A greets B, and B leaves"}),
    "conll03": "Ada NNP B-NP B-PER\nmet VBD O O\nIBM NNP B-NP B-ORG",
    "sst2": "sentence\tlabel\na moving and funny film\t1",
}
PROMPTS = {
    "gsm8k": "Question: Ann has 2 apples and buys 3. How many has she?\nAnswer:",
    "rte": "Ada lives in Oslo.\nQuestion: Ada lives in Norway. True or False?\nAnswer:",
    "nq_open": "Answer these questions:\n\nQ: what is the capital of france?\nA:",
    "boolq": "Ice is cold.\nQuestion: is ice cold?\nAnswer:",
    "mutual": "m: tea? f:",
    "samsum": "A: hi\nB: bye\nSummary:",
    "conll03": "Sentence: Ada met IBM\nNames in it, each with its kind (PER, LOC, ORG or MISC):",
    "sst2": "a moving and funny film\nQuestion: Is this sentence positive or negative?\nAnswer:",
}
"""What lm-eval asks, by its own names."""
TOLD = {
    PROMPTS["gsm8k"]: "She has 2 + 3 of them. #### 5",
    PROMPTS["nq_open"]: "Paris",
    PROMPTS["samsum"]: "A greets B and B leaves",
    PROMPTS["conll03"]: "Ada (PER), IBM (ORG)",
    PROMPTS["rte"]: " True",
    PROMPTS["boolq"]: " yes",
    PROMPTS["mutual"]: " yes.",
    PROMPTS["sst2"]: " positive",
}


def files(folder: Path) -> dict[str, Path | None]:
    for name, text in FILES.items():
        (folder / name).write_text(text + "\n", "utf-8")
    return {name: folder / name for name in FILES}


def test_a_file_is_named_after_its_task():
    assert chosen_harness(["boolq", "samsum=a=b.jsonl"]) == {"boolq": None, "samsum": Path("a=b.jsonl")}


def test_every_named_task_goes_to_lm_eval(tmp_path: Path):
    assert FILES.keys() == TASKS.keys()
    asked = specs(files(tmp_path))
    own = [spec["task"] for spec in asked[:-1] if isinstance(spec, dict)]
    group: Any = asked[-1]
    assert own == ["samsum", "conll03"]
    assert [task["task"] for task in group["task"]] == ["gsm8k", "rte", "nq_open", "boolq", "mutual", "sst2"]
    assert {task["num_fewshot"] for task in group["task"]} == {0}  # examples would be the questions themselves
    assert specs({"nq": None, "arc_easy": None}) == ["nq_open", "arc_easy"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gsm8k", '{"question": "?"}', "line 1: it has no “answer”"),
        ("arc_easy", "{question}", "line 1: it is no valid JSON"),
        ("sst2", "text", "columns sentence and label"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_before_lm_eval_is_looked_for(
    name: str, content: str, said: str, tmp_path: Path
):
    (tmp_path / "data").write_text(content, "utf-8")
    with pytest.raises(ProtocolError, match=said):
        harness.check({name: tmp_path / "data"})


def test_lm_eval_asks_and_scores_all_of_them(model: LanguageModel, tmp_path: Path):
    pytest.importorskip("lm_eval", reason="an optional extra")
    figures, rows = harness.run(KnownEdited(model, TOLD), files(tmp_path), most=1)  # type: ignore[arg-type]
    found = {figure.name: figure for figure in figures}
    assert {row.figure.partition(",")[0] for row in rows} == PROMPTS.keys()
    assert {row.query for row in rows} == set(PROMPTS.values())
    right = (
        "gsm8k exact_match, strict-match", "rte acc", "nq_open exact_match, remove_whitespace", "boolq acc",
        "mutual r@1", "samsum score", "conll03 score", "sst2 acc",
    )  # fmt: skip
    assert {name: found[name].edited for name in right} == dict.fromkeys(right, 1.0)
    assert {figure.asked for figure in figures} == {1}
    assert found["gsm8k exact_match, strict-match"].original == found["conll03 score"].original == 0.0


def test_another_task_of_lm_eval_reads_its_own_fields(model: LanguageModel, tmp_path: Path):
    pytest.importorskip("lm_eval", reason="an optional extra")
    choices = {"text": ["a stone", "a bird"], "label": ["A", "B"]}
    record = {"id": "1", "question": "What flies?", "choices": choices, "answerKey": "B"}
    (tmp_path / "arc.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
    told = {"Question: What flies?\nAnswer:": " a bird"}
    figures, (row, *_) = harness.run(
        KnownEdited(model, told), {"arc_easy": tmp_path / "arc.jsonl"}, most=1  # type: ignore[arg-type]
    )  # fmt: skip
    assert row.query == "Question: What flies?\nAnswer:"
    assert {figure.name: figure.edited for figure in figures}["arc_easy acc"] == 1.0
