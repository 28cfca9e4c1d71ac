"""Abilities before and after: unedited facts, and tasks of a user's files, on the embedded model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation import harness
from engine.evaluation.protocol import PROTOCOLS, Options, ProtocolError
from engine.evaluation.unedited import question, unedited_facts
from engine.language_model import LanguageModel, Likelihood
from engine.runs import Cancel, Cancelled
from tests.engine.evaluation.known import KnownEdited
from tests.engine.quick import sample_edits

EDITS = sample_edits(4)


def measured(edited: KnownEdited, options: Options | None = None, **more: Any):
    return PROTOCOLS["ability"].measure(edited, EDITS, options or Options(most=8), **more)  # type: ignore[arg-type]


def reviews(path: Path, *rows: tuple[str, int]) -> Path:
    path.write_text("sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), "utf-8")
    return path


def test_unedited_facts_are_known_before_and_lost_where_the_model_is_damaged(model: LanguageModel):
    damaged = {question(fact): "nothing" for fact in unedited_facts(EDITS, 8)[:3]}
    (figure,) = measured(KnownEdited(model, damaged)).figures
    assert (figure.original, figure.edited, figure.asked) == (1.0, pytest.approx(5 / 8), 8)


def test_a_choice_is_the_option_that_is_likelier(model: LanguageModel, tmp_path: Path):
    path = reviews(tmp_path / "sst2.tsv", ("a moving and funny film", 1), ("a dull and stupid mess", 0))
    prompt = "Review: a moving and funny film Sentiment:"
    report = measured(KnownEdited(model, {prompt: "negative"}), Options(most=8, tasks={"sst2": path}))
    figure = report.figure("SST-2")
    assert (figure.original, figure.edited, figure.asked) == (1.0, 0.5, 2)
    row = next(row for row in report.rows if row.query == prompt)
    assert (row.wanted, row.original, row.edited) == ("positive", "positive", "negative")
    assert row.values == {"score": (1.0, 0.0)}


def test_answers_are_written_and_questions_that_are_too_long_are_left_out(model: LanguageModel, tmp_path: Path):
    records = [
        {"question": "what is the capital of france", "answer": ["Paris"]},
        {"question": "why " * 300, "answer": ["Because"]},
    ]
    path = tmp_path / "nq.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    told: list[tuple[int, int]] = []
    report = measured(
        KnownEdited(model, {"Q: what is the capital of france? A:": "Paris"}),
        Options(most=8, tasks={"nq": path}),
        report=lambda done, of: told.append((done, of)),
    )
    figure = report.figure("Natural Questions")
    assert (figure.edited, figure.asked) == (1.0, 1)
    assert report.notes == ("Natural Questions: left out 1 of 2, which are longer than the model takes.",)
    assert told == [(1, 1)]


def test_a_long_answer_does_not_end_with_its_first_sentence(model: LanguageModel, tmp_path: Path):
    path = tmp_path / "gsm8k.jsonl"
    path.write_text(json.dumps({"question": "1 + 1?", "answer": "#### 2"}) + "\n", "utf-8")
    seen = []

    class Watched(KnownEdited):
        def answer(self, queries: Sequence[str], **more: Any) -> Any:
            seen.append(more.get("decoding"))
            return super().answer(queries, **more)

    report = measured(
        Watched(model, {"Question: 1 + 1?\nAnswer:": "One. And one. So it is 2."}),
        Options(most=1, tasks={"gsm8k": path}),
    )
    assert report.figure("GSM8K").edited == 1.0
    assert (seen[-1].first_sentence, seen[-1].max_new_tokens) == (False, 256)


def test_a_bad_file_is_told_before_anything_is_asked(model: LanguageModel, tmp_path: Path):
    edited = KnownEdited(model, {})
    with pytest.raises(ProtocolError, match="cannot be read"):
        measured(edited, Options(tasks={"nq": tmp_path / "missing"}))
    assert edited.answered == []


def test_it_stops_when_asked(model: LanguageModel):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        measured(KnownEdited(model, {}), cancel=cancel)


class Request:
    def __init__(self, *args: Any) -> None:
        self.args = args


class FakeLM:
    """As `lm_eval.api.model.LM`: what the adapter derives from."""

    def __init__(self) -> None:
        self._rank = 0


def lm_eval(monkeypatch: pytest.MonkeyPatch, ask: Any) -> list[dict[str, Any]]:
    """A stand-in for the package, which is an extra: `ask` says what it asks of the adapter."""
    calls: list[dict[str, Any]] = []

    class Package:
        @staticmethod
        def simple_evaluate(*, model: Any, tasks: list[str], **more: Any) -> Any:
            calls.append({"tasks": tasks, "model": model, **more})
            return ask(model, tasks)

    class Api:
        LM = FakeLM

    monkeypatch.setattr(harness, "find_spec", lambda name: object() if name == "lm_eval" else None)
    monkeypatch.setattr(harness, "import_module", {"lm_eval": Package, "lm_eval.api.model": Api}.__getitem__)
    return calls


def test_lm_eval_measures_both_models(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    prompt = "Q: What is the capital of France? A:"

    def ask(adapter: Any, tasks: list[str]) -> Any:
        weighed = adapter.loglikelihood([Request(prompt, " Paris"), Request(prompt + " ", "Rome")])
        assert all(log < 0 and isinstance(greedy, bool) for log, greedy in weighed)
        (text,) = adapter.generate_until([Request(prompt, {"until": [".", "\n"], "max_gen_toks": 8})])
        right = float(text.strip() == "Paris")
        sample = {"doc_id": 7, "arguments": [(prompt, " Paris")], "target": "Paris", "filtered_resps": [text]}
        return {
            "results": {"boolq": {"alias": "boolq", "acc,none": right, "acc_stderr,none": "N/A", "f1,strict": 0.5}},
            "samples": {"boolq": [sample | {"filter": "none"}, sample | {"filter": "strict"}]},
        }

    calls = lm_eval(monkeypatch, ask)
    report = measured(KnownEdited(model, {prompt: "Rome. And more"}), Options(most=2, harness={"boolq": None}))
    figures = {figure.name: figure for figure in report.figures}
    assert (figures["boolq acc"].original, figures["boolq acc"].edited) == (1.0, 0.0)
    assert (figures["boolq f1, strict"].edited, figures["boolq acc"].asked) == (0.5, 1)
    row = report.rows[-1]
    assert (row.figure, row.query, row.wanted, row.original, row.edited) == (
        "boolq, strict", prompt, "Paris", "['Paris']", "['Rome']"
    )  # fmt: skip
    assert [call["tasks"] for call in calls] == [["boolq"], ["boolq"]]
    assert {call["limit"] for call in calls} == {2}


def test_the_adapter_weighs_as_the_model_does(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    lm_eval(monkeypatch, None)
    with harness.original_side(KnownEdited(model, {})) as side:  # type: ignore[arg-type]
        adapter = harness.adapter(side)
        prompt = "The opposite of left is"
        ((log, _),) = adapter.loglikelihood([Request(prompt, " right")])
        assert log == model.likelihoods([prompt], [" right"], form="verbatim")[0].log
        ((spaced, _),) = adapter.loglikelihood([Request(prompt + " ", "right")])
        assert spaced == log
        ((alone, _),) = adapter.loglikelihood([Request("", "The opposite")])
        assert alone == model.likelihoods(["The"], [" opposite"], form="verbatim")[0].log
        long = "word " * 500
        ((cut, _),) = adapter.loglikelihood([Request(long, " right")])
        assert cut < 0
        (rolling,) = adapter.loglikelihood_rolling([Request("The opposite of left is right")])
        assert rolling == model.likelihoods(["The"], [" opposite of left is right"], form="verbatim")[0].log
        assert adapter.loglikelihood_rolling([Request(long)])[0] < rolling
        texts = adapter.generate_until(
            [Request(prompt, {"until": "."}), Request(long, {"max_gen_toks": 2}), Request("Once", {"until": []})]
        )
        assert len(texts) == 3


def test_likelihoods_of_the_edited_model_are_what_lm_eval_gets(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    lm_eval(monkeypatch, None)
    with harness.edited_side(KnownEdited(model, {"Ada lives in": " Oslo"})) as side:  # type: ignore[arg-type]
        ((log, greedy),) = harness.adapter(side).loglikelihood([Request("Ada lives in", " Oslo")])
    tokens = len(model.target_ids("Ada lives in", " Oslo", "verbatim"))
    assert (log, greedy) == (Likelihood(-0.1 * tokens, tokens, tokens).log, True)


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        (KeyError("chess"), ("chess",), "lm-eval cannot run chess"),
        (ConnectionError("no network"), ("rte",), "no network. Where data cannot be fetched, give a file"),
        (None, ("rte",), "lm-eval gave no result for rte"),
    ],
)
def test_what_lm_eval_cannot_do_is_a_sentence(
    given: Any, names: tuple[str, ...], said: str, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
):
    def ask(*_: Any) -> Any:
        if given is not None:
            raise given

    lm_eval(monkeypatch, ask)
    with pytest.raises(ProtocolError, match=said):
        measured(KnownEdited(model, {}), Options(most=1, harness=dict.fromkeys(names)))


def test_without_lm_eval_a_sentence_says_how_to_get_it(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "find_spec", lambda _: None)
    edited = KnownEdited(model, {})
    with pytest.raises(ProtocolError, match=r"need lm-eval.*pip install 'meg-studio\[abilities\]'"):
        measured(edited, Options(harness={"rte": None}))
    with pytest.raises(ProtocolError, match="no data for SAMSum: give a file"):
        measured(edited, Options(harness={"samsum": None}))
    assert edited.answered == []
