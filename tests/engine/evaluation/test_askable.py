"""What a model cannot be asked is left out and named; the rest is measured."""

from __future__ import annotations

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.evaluation.askable import NAMED, askable
from tests.tiny_models import tiny_model

LONG = "far " * 900


def edit(number: int, paraphrases: tuple[str, ...], probes: tuple[str, ...]) -> Edit:
    return Edit(
        id=f"e{number}",
        prompt="The capital of France is",
        new_object="Lyon",
        paraphrases=paraphrases,
        probes=tuple(Probe(ProbeKind.FAR, prompt) for prompt in probes),
    )


def test_what_is_too_long_is_left_out_and_named() -> None:
    edits = EditSet("some", (edit(1, ("France's capital is", LONG), ("Water is",)), edit(2, (), (LONG, "Snow is"))))
    sentences: list[str] = []
    left = askable(tiny_model(), edits, sentences.append)
    assert [one.paraphrases for one in left.edits] == [("France's capital is",), ()]
    assert [[probe.prompt for probe in one.probes] for one in left.edits] == [["Water is"], ["Snow is"]]
    assert len(sentences) == 2
    assert sentences[0].startswith("A paraphrase of edit e1 is left out. The question “far far")
    assert sentences[0].endswith("at most.")
    assert sentences[1].startswith("A probe of edit e2 is left out.")


def test_what_can_be_asked_stays_the_same_set() -> None:
    edits = EditSet("all", (edit(1, ("France's capital is",), ("Water is",)),))
    sentences: list[str] = []
    left = askable(tiny_model(), edits, sentences.append)
    assert left is edits
    assert sentences == []


def test_of_many_the_first_are_named() -> None:
    sentences: list[str] = []
    askable(tiny_model(), EditSet("long", (edit(1, (LONG,) * (NAMED + 3), ()),)), sentences.append)
    assert len(sentences) == NAMED + 1
    assert sentences[-1] == "3 more paraphrases and probes cannot be asked and are left out."
