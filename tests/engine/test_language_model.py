from __future__ import annotations

import pytest
import torch

from engine import language_model
from engine.language_model import LEAST_LOG, QueryError, load, target_likelihoods, target_loss, targets_right
from engine.model_files import ModelError
from engine.runs import Cancel, Cancelled
from engine.stopping import MAX_NEW_TOKENS, Extent
from tests.tiny_models import CONFIGS, tiny_model

PROMPTS = ["The capital of France is", "Oslo lies in", "Q: Who wrote Emma? A:"]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("layer", [0, 2, 3])
def test_the_cached_passage_gives_the_same_logits(name, layer):
    model = tiny_model(name)
    batch = model.encode(PROMPTS)
    whole = model.logits(batch, keep=3)
    passage = model.passage(batch, layer)
    torch.testing.assert_close(model.logits_after(batch, passage.before, layer, keep=3), whole)
    torch.testing.assert_close(model.logits_after(batch, passage.after, layer + 1, keep=3), whole)
    torch.testing.assert_close(model.logits(batch, keep=3), whole, rtol=0, atol=0)


def test_answers_do_not_depend_on_what_else_is_in_the_batch():
    model = tiny_model()
    assert model.answer(PROMPTS) == [model.answer([prompt])[0] for prompt in PROMPTS]


def test_a_long_prompt_leaves_the_others_of_its_batch_their_room():
    model = tiny_model()
    long = "x" * (model.max_positions - MAX_NEW_TOKENS - 1)  # and the start token
    prompts, extents = [*PROMPTS, long], [Extent(90, open=True)] * 3 + [Extent(MAX_NEW_TOKENS, open=True)]
    alone = [model.answer([prompt], extents=[extent])[0] for prompt, extent in zip(prompts, extents, strict=True)]
    assert model.answer(prompts, extents=extents) == alone
    assert [len(rows) for rows in model.batches(prompts, extents)] == [3, 1]
    assert sorted(row for rows in model.batches(prompts, [Extent()] * 4) for row in rows) == [0, 1, 2, 3]
    assert [len(rows) for rows in model.batches(prompts, [Extent()] * 4)] == [4]


def test_answer_equals_plain_greedy_decoding():
    model = tiny_model()
    ids = model.tokenizer(PROMPTS[0], return_tensors="pt").input_ids
    for _ in range(24):
        ids = torch.cat([ids, model.model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
        if ids[0, -1] == model.tokenizer.eos_token_id:
            break
    text = model.tokenizer.decode(ids[0, len(model.token_ids(PROMPTS[0])) :], skip_special_tokens=True)
    assert model.answer([PROMPTS[0]]) == [Extent().clip(text)]


def test_answers_are_decoded_as_far_as_each_goes():
    model = tiny_model()
    extents = [Extent(), Extent(60), Extent(3)]
    answers = model.answer(PROMPTS, extents=extents)
    assert answers[0] == model.answer(PROMPTS[:1])[0]
    for answer, prompt, extent in zip(answers, PROMPTS, extents, strict=True):
        assert answer == model.answer([prompt], extents=[extent])[0]
    assert len(answers[1].encode()) > len(model.answer(PROMPTS[1:2])[0].encode())
    assert model.extent("ab").tokens == 24
    assert model.extent("ab" * 40).tokens == len(" " + "ab" * 40 + ".") + 4


def test_a_new_object_that_leaves_no_room_is_refused_in_a_sentence():
    with pytest.raises(QueryError, match="is 302 tokens long: with its question that is more than the 256"):
        tiny_model().encode_targets(["Oslo lies in"], ["a" * 300])


def test_what_a_model_takes_is_what_can_be_encoded():
    model = tiny_model()
    assert model.takes("Oslo lies in", "Norway")
    for prompt, target in (("Oslo lies in", "a" * 300), ("a" * 300, "Norway"), (" ", "Norway")):
        assert not model.takes(prompt, target)
        with pytest.raises(QueryError):
            model.encode_targets([prompt], [target])


def test_targets_are_scored_on_their_own_tokens():
    model = tiny_model()
    batch = model.encode_targets(["Oslo lies in", "A much longer prompt is"], ["Norway", "x"])
    assert (batch.labels != -100).sum(1).tolist() == [len(" Norway."), len(" x.")]
    logits = model.logits(batch)
    perfect = torch.nn.functional.one_hot(batch.labels.clamp(min=0).roll(-1, 1), logits.shape[-1]).float() * 99
    assert [one.share for one in target_likelihoods(perfect, batch)] == [1.0, 1.0]
    assert target_loss(perfect, batch.labels).max() < 1e-6
    keep = len(" Norway.") + 1
    torch.testing.assert_close(target_loss(logits[:, -keep:], batch.labels), target_loss(logits, batch.labels))
    assert targets_right(perfect[:, -keep:], batch.labels).all()
    perfect[0, -2] = -perfect[0, -2]  # the last token alone
    assert targets_right(perfect, batch.labels).tolist() == [False] + [True] * (len(perfect) - 1)


def test_an_answer_that_says_nothing_is_its_stop_alone():
    model = tiny_model()
    stop = model.tokenizer(".", add_special_tokens=False)["input_ids"]
    assert model.target_ids("Oslo lies in", "") == model.target_ids("Oslo lies in", " ") == stop
    for form in ("answer", "object"):
        (said,) = model.likelihoods(["Oslo lies in"], [""], form=form)
        assert said.tokens == len(stop)


def test_teacher_forcing_agrees_with_decoding():
    model = tiny_model()
    shares = model.teacher_forced(PROMPTS, ["Norway"] * 3)
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_likelihoods_are_those_of_each_target_alone(name: str):
    model = tiny_model(name)
    prompts, targets = [*PROMPTS, "Two and two make"], ["Norway", "x", "four"]
    prompts = prompts[-3:]
    for form, tail in (("answer", " {}."), ("object", " {}"), ("verbatim", "{}")):
        found = model.likelihoods(prompts, targets, form=form)  # type: ignore[arg-type]
        for prompt, target, likelihood in zip(prompts, targets, found, strict=True):
            start = model.token_ids(prompt)
            rest = model.tokenizer(tail.format(target), add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logs = model.model(torch.tensor([start + rest])).logits[0, len(start) - 1 : -1].log_softmax(-1)
            picked = logs.gather(-1, torch.tensor(rest)[:, None])[:, 0]
            assert likelihood.log == pytest.approx(float(picked.sum()), rel=1e-4)
            assert likelihood.tokens == len(rest)
            assert likelihood.right == int((logs.argmax(-1) == torch.tensor(rest)).sum())
            assert likelihood.mean == pytest.approx(likelihood.log / len(rest))
    found = model.likelihoods(prompts, targets, form="object")
    assert model.teacher_forced(prompts, targets) == [one.share for one in found]


def test_a_stop_that_is_guessed_right_is_no_part_of_what_is_right():
    model = tiny_model()
    (stop,) = model.tokenizer(".", add_special_tokens=False)["input_ids"]
    bias = torch.zeros(model.model.get_output_embeddings().weight.shape[0])
    bias[stop] = 1e6  # a model that says nothing but stops
    model.model.get_output_embeddings().register_forward_hook(lambda _, __, logits: logits + bias)
    assert model.teacher_forced(["Oslo lies in"], ["Norway"]) == [0.0]
    assert [one.right for one in model.likelihoods(["Oslo lies in"], ["Norway"])] == [1]


def test_the_head_is_given_no_more_positions_than_tell_of_the_targets():
    model = tiny_model()
    seen = []
    model.model.get_output_embeddings().register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    whole = model.likelihoods(["Oslo lies in", "A much longer prompt is"], ["Norway", "x"])
    assert seen == [len(" Norway.") + 1]
    batch = model.encode_targets(["Oslo lies in", "A much longer prompt is"], ["Norway", "x"])
    for one, other in zip(whole, target_likelihoods(model.logits(batch), batch), strict=True):
        assert one.log == pytest.approx(other.log, rel=1e-5)
    (nothing,) = model.likelihoods(["Oslo lies in"], [""], form="verbatim")
    assert (nothing.tokens, nothing.log) == (0, 0.0)


def test_a_model_of_no_numbers_any_more_has_the_least_likelihood():
    batch = tiny_model().encode_targets(["Oslo lies in"], ["Norway"])
    (likelihood,) = target_likelihoods(torch.full((1, batch.input_ids.shape[1], 258), float("nan")), batch)
    assert likelihood.mean == LEAST_LOG


def test_next_tokens_are_ranked_probabilities():
    chances = tiny_model().next_tokens("Oslo lies in", k=5)
    values = [chance.probability for chance in chances]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    assert 0 < sum(values) <= 1


def test_a_reading_is_what_the_next_token_is_read_from():
    model = tiny_model("llama")
    prompts = ["Oslo is the capital of the country", "Who"]
    tokens = torch.tensor([3, 5, 7])
    reading = model.read(prompts, tokens)
    head = model.model.get_output_embeddings()
    torch.testing.assert_close(head(reading.states).softmax(-1)[:, tokens], reading.chances)
    assert torch.equal(head(reading.states).argmax(-1), reading.likeliest)
    for row, prompt in enumerate(prompts):
        alone = model.logits(model.encode([prompt]), keep=1)[0, -1]
        torch.testing.assert_close(alone.softmax(-1)[tokens], reading.chances[row])
    assert model.read(prompts).chances.shape == (2, 0)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        model.read(prompts, cancel=cancel)


def test_an_empty_or_endless_question_is_refused_in_a_sentence():
    model = tiny_model()
    with pytest.raises(QueryError, match="empty"):
        model.answer(["  "])
    with pytest.raises(QueryError, match="232 at most"):
        model.answer(["word " * 100])


def test_cancel_stops_an_answer():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        tiny_model().answer(PROMPTS, cancel=cancel)


def test_the_fingerprint_names_the_weights():
    assert tiny_model().fingerprint() == tiny_model().fingerprint()
    assert tiny_model().fingerprint() != tiny_model(seed=1).fingerprint()


def test_the_fingerprint_sees_every_number():
    model = tiny_model()
    before = model.fingerprint()
    for name, weight in model.model.named_parameters():
        number = torch.randint(weight.numel(), (1,))
        own = weight.view(-1)[number].clone()
        weight.view(-1)[number] = 2 * own + 1
        assert model.fingerprint() != before, name
        weight.view(-1)[number] = own
    assert model.fingerprint() == before


def test_the_fingerprint_does_not_hang_on_the_number_format(tmp_path):
    model = tiny_model()
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    formats = [load(str(tmp_path), device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")]
    assert formats[1].model.dtype is torch.bfloat16
    assert len({one.fingerprint() for one in formats}) == 1


def test_a_model_that_does_not_fit_is_refused_in_a_sentence_however_its_numbers_are_kept(tmp_path, monkeypatch):
    model = tiny_model()
    model.model.to(torch.bfloat16).save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    size = sum(weight.numel() for weight in model.model.state_dict().values())
    monkeypatch.setattr(language_model, "free_memory", lambda _: 3 * size)
    assert load(str(tmp_path), device="cpu", dtype="bfloat16").size
    with pytest.raises(ModelError, match="close other programs"):
        load(str(tmp_path), device="cpu", dtype="float32")


def test_what_the_models_own_settings_add_to_decoding_is_left_out():
    model = tiny_model()
    plain = model.answer(PROMPTS)
    model.model.generation_config.update(repetition_penalty=5.0, no_repeat_ngram_size=1, do_sample=True)
    own = model.model.generation_config
    assert model.answer(PROMPTS) == plain
    assert model.model.generation_config is own


@pytest.mark.parametrize("name", ["gpt2", "gemma"])
def test_a_model_loads_from_a_folder(tmp_path, name):
    model = tiny_model(name)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    loaded = load(str(tmp_path), device="cpu")
    assert loaded.answer(PROMPTS) == model.answer(PROMPTS)
    assert loaded.fingerprint() == model.fingerprint()
