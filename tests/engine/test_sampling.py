from __future__ import annotations

from collections import Counter

import pytest
import torch

from engine.decoding import GREEDY, Decoding
from engine.sampling import SeededDraw, processors
from engine.stopping import Extent
from tests.tiny_models import tiny_model

PROMPTS = ["The capital of France is", "Oslo lies in", "Q: Who wrote Emma? A:"]
HOT = Decoding(temperature=1.5, seed=7, max_new_tokens=12, first_sentence=False)


def test_nothing_is_drawn_in_a_greedy_answer():
    assert not processors(GREEDY, PROMPTS)
    model = tiny_model()
    far = Decoding(max_new_tokens=5, first_sentence=False)
    greedy = model.answer(PROMPTS, decoding=far)
    assert greedy == model.answer(PROMPTS, extents=[Extent(5, open=True)] * 3)
    # With one token to draw from, the likeliest, drawing changes nothing.
    drawn = Decoding(temperature=1.0, top_k=1, max_new_tokens=5, first_sentence=False)
    assert model.answer(PROMPTS, decoding=drawn) == greedy


def test_a_drawn_answer_hangs_on_seed_and_question_alone():
    model = tiny_model()
    together = model.answer(PROMPTS, decoding=HOT)
    assert together == [model.answer([prompt], decoding=HOT)[0] for prompt in PROMPTS]
    torch.manual_seed(99)
    assert together == model.answer(PROMPTS, decoding=HOT)
    assert together != model.answer(PROMPTS, decoding=Decoding(1.5, seed=8, max_new_tokens=12, first_sentence=False))
    assert together != model.answer(PROMPTS, decoding=Decoding(max_new_tokens=12, first_sentence=False))


def test_other_words_around_a_question_draw_the_same_numbers():
    same = [torch.zeros(1, 40)] * 3
    one, other = SeededDraw(1, ["Who?"]), SeededDraw(1, [" Who? "])
    assert all(torch.equal(one(None, scores), other(None, scores)) for scores in same)
    assert not torch.equal(SeededDraw(1, ["Who?"])(None, same[0]), SeededDraw(1, ["What?"])(None, same[0]))


@pytest.mark.parametrize(
    ("decoding", "wanted"),
    [
        (Decoding(temperature=1.0), [0.1, 0.2, 0.3, 0.4]),
        (Decoding(temperature=0.5), [0.01 / 0.3, 0.04 / 0.3, 0.09 / 0.3, 0.16 / 0.3]),
        (Decoding(temperature=1.0, top_k=2), [0, 0, 3 / 7, 4 / 7]),
        (Decoding(temperature=1.0, top_p=0.75), [0, 2 / 9, 3 / 9, 4 / 9]),
    ],
)
def test_tokens_are_drawn_by_their_chances(decoding, wanted):
    questions = [f"question {number}" for number in range(4_000)]
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(len(questions), 4)
    drawn = processors(decoding, questions)(torch.zeros(len(questions), 1, dtype=torch.long), scores).argmax(-1)
    counts = Counter(drawn.tolist())
    assert [counts[token] / len(questions) for token in range(4)] == pytest.approx(wanted, abs=0.03)
