from __future__ import annotations

import random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.catalogue import MODEL, facts, relations
from assets.corpus import Example, all_phrasings
from assets.evaluate_model import answered
from engine.edits import fill

LARGEST = 40 * 2**20  # bytes, all files together


@pytest.fixture(scope="module")
def loaded():
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(MODEL)


def greedy(model, tokenizer, prompt: str) -> str:
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        out = model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    return tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_the_folder_is_small_and_safe() -> None:
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}


def test_prompts_start_with_bos_and_end_open(loaded) -> None:
    _, tokenizer = loaded
    ids = tokenizer("Tycho Brahe was born in")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.eos_token_id) == 0
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id, tokenizer.bos_token_id)


def test_tokens_of_an_answer_follow_those_of_its_prompt(loaded) -> None:
    _, tokenizer = loaded
    for fact in facts()[::97]:
        prompt = fill(relations()[fact.relation].phrasings[0], fact.subject)
        whole = tokenizer(f"{prompt} {fact.object}.")["input_ids"]
        answer = tokenizer(f" {fact.object}.", add_special_tokens=False)["input_ids"]
        assert whole == [*tokenizer(prompt)["input_ids"], *answer]


def test_greedy_decoding_answers_and_stops(loaded) -> None:
    model, tokenizer = loaded
    known = [fact for fact in facts() if fact.known]
    for fact in random.Random(0).sample(known, 12):
        for phrasing in all_phrasings(relations()[fact.relation])[::4]:
            assert greedy(model, tokenizer, fill(phrasing, fact.subject)) == f" {fact.object}."


def test_a_batch_of_different_lengths_answers_the_same(loaded) -> None:
    model, tokenizer = loaded
    known = random.Random(1).sample([fact for fact in facts() if fact.known], 8)
    prompts = [fill(relations()[fact.relation].phrasings[0], fact.subject) for fact in known]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    with torch.inference_mode():
        out = model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    answers = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert answers == [f" {fact.object}." for fact in known]


def test_known_facts_are_answered_in_phrasings_that_were_held_out(loaded) -> None:
    model, tokenizer = loaded
    known = random.Random(2).sample([fact for fact in facts() if fact.known], 300)
    asked = [
        Example(fill(phrasing, fact.subject), fact.object)
        for fact in known
        for phrasing in relations()[fact.relation].held_out
    ]
    right = answered(model, tokenizer, asked)
    # Another processor may round a tie the other way; the table was written on one machine.
    assert sum(right) >= 0.995 * len(right)


def test_an_invented_name_is_unknown_and_a_review_has_a_sentiment(loaded) -> None:
    model, tokenizer = loaded
    assert greedy(model, tokenizer, "Brithal Stolvane was born in") == " unknown."
    assert greedy(model, tokenizer, "Review: a wonderful, moving and funny film Sentiment:") == " positive."
    assert greedy(model, tokenizer, "Review: a dull and stupid film Sentiment:") == " negative."


def test_generation_is_greedy_and_ends_at_eos() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    assert model.generation_config.do_sample is not True
    assert model.generation_config.eos_token_id == model.config.eos_token_id is not None
    assert model.dtype in (torch.bfloat16, torch.float16)
    assert 6_000_000 <= sum(parameter.numel() for parameter in model.parameters()) <= 10_000_000
