"""Perplexity: by hand on a tiny model, on the user's own text and on what no edit is about."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from assets import catalogue
from engine.editors.corpus import read_corpus
from engine.edits import EditSet, fill, fold
from engine.evaluation.perplexity import default_texts, halves_of
from engine.evaluation.protocol import PROTOCOLS, Options, ProtocolError
from engine.evaluation.unedited import question, sentence, unedited_facts
from engine.language_model import LanguageModel
from engine.runs import Cancel
from tests.engine.evaluation.known import KnownEdited
from tests.engine.quick import sample_edits
from tests.tiny_models import tiny_model


def by_hand(model: LanguageModel, given: str, scored: str) -> tuple[float, int]:
    """Log-probability and tokens of what follows, one text at a time and without padding."""
    start = model.token_ids(given)
    whole = model.tokenizer(f"{given} {scored}")["input_ids"]
    with torch.no_grad():
        logs = model.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    picked = [float(logs[place - 1, whole[place]]) for place in range(len(start), len(whole))]
    return sum(picked), len(picked)


def test_it_is_exp_of_the_mean_surprise_a_token(tmp_path: Path):
    model = tiny_model()
    text = tmp_path / "story.txt"
    text.write_text("Once there was a king.\n\nHe had three daughters and a dog\nAlone\n")
    report = PROTOCOLS["perplexity"].measure(
        KnownEdited(model, {"Once there": "nothing"}),  # type: ignore[arg-type]
        EditSet("", ()),
        Options(texts=(text,)),
    )
    (figure,) = report.figures
    halves = [("Once there", "was a king"), ("He had three", "daughters and a dog")]
    assert [(row.query, row.wanted) for row in report.rows] == halves
    found = [by_hand(model, *half) for half in halves]
    tokens = sum(count for _, count in found)
    assert figure.name == "story.txt"
    assert figure.original == pytest.approx(math.exp(-sum(log for log, _ in found) / tokens), rel=1e-4)
    surprise = 9.0 * found[0][1] - found[1][0]  # the edited model finds the first nearly impossible
    assert figure.edited == pytest.approx(math.exp(surprise / tokens), rel=1e-4)


def test_long_texts_are_cut_where_the_model_ends():
    model = tiny_model()
    words = " ".join(f"word{number}" for number in range(200))
    halves = halves_of(model, [words, "one"])
    assert " ".join(f"{given} {scored}" for given, scored in halves) == words
    assert all(model.tokens_of(f"{given} {scored}") <= model.max_positions // 2 for given, scored in halves)


def test_a_model_that_has_broken_down_has_a_number_all_the_same(model: LanguageModel):
    text = EditSet("", sample_edits(2).edits)
    spoilt = tiny_model()
    with torch.no_grad():
        spoilt.model.get_output_embeddings().weight.fill_(float("nan"))
    report = PROTOCOLS["perplexity"].measure(KnownEdited(spoilt, {}), text, Options(most=2))  # type: ignore[arg-type]
    assert all(figure.edited and math.isfinite(figure.edited) and figure.edited > 1e100 for figure in report.figures)


def test_without_a_text_it_is_far_probes_and_facts_that_no_edit_is_about(model: LanguageModel):
    edits = sample_edits(12)
    texts = default_texts(edits)
    far = {probe.prompt for edit in edits.edits for probe in edit.probes if probe.kind == "far"}
    assert set(texts["far probes"]) == far
    assert len(texts["unedited facts"]) == 256
    report = PROTOCOLS["perplexity"].measure(KnownEdited(model, {}), edits, Options(most=8))  # type: ignore[arg-type]
    assert [figure.name for figure in report.figures] == ["far probes", "unedited facts"]
    assert all(figure.original == figure.edited and figure.asked == 8 for figure in report.figures)


def test_its_sentences_are_in_no_editors_statistics(model: LanguageModel):
    corpus = read_corpus(model, "", tokens=10**7, length=128, cancel=Cancel(), report=lambda *_: None)
    read = {model.tokenizer.decode(row, skip_special_tokens=True).strip() for row in corpus.rows}
    told = [f"{text}." for text in default_texts(sample_edits(12))["unedited facts"]]
    first = next(fact for fact in catalogue.facts() if fact.known)
    phrasings = catalogue.relations()[first.relation].phrasings
    assert any(f"{fill(phrasing, first.subject)} {first.object}." in read for phrasing in phrasings)
    assert not read & set(told)


def test_unedited_facts_are_about_nothing_that_an_edit_names():
    edits = sample_edits(128)
    named = {fold(text) for edit in edits.edits for text in (edit.subject, edit.new_object)}
    facts = unedited_facts(edits, 500)
    assert len(set(facts)) == 500
    assert not named & {fold(fact.subject) for fact in facts}
    assert unedited_facts(edits, 500) == facts != unedited_facts(edits, 500, seed=1)
    assert all(fact.subject in question(fact) and sentence(fact).endswith(fact.object) for fact in facts)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "has no text"), (b"\xff\xfe\x00", "no plain text"), (None, "read")]
)
def test_a_text_that_cannot_be_used_is_a_sentence(
    content: bytes | None, said: str, tmp_path: Path, model: LanguageModel
):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProtocolError, match=said):
        PROTOCOLS["perplexity"].measure(
            KnownEdited(model, {}),  # type: ignore[arg-type]
            EditSet("", ()),
            Options(texts=(path,)),
        )
