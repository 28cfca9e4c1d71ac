"""Replaced outputs of an FFN block."""

from __future__ import annotations

import pytest
import torch

from engine.editors.output_slot import Outputs, Places, check_replaceable, replaceable
from engine.edits import EditError
from tests.tiny_models import CONFIGS, D_MODEL, tiny_model

PROMPTS = ["Oslo lies in", "The capital of France is", "Q: Who wrote Emma? A:"]
VALUES = torch.randn(3, D_MODEL, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("places", ["last", "all", "prompt"])
def test_the_block_gives_out_the_value_where_it_shall_and_nothing_else_changes(name: str, places: Places) -> None:
    model = tiny_model(name)
    block, batch = model.blocks[1], model.encode_targets(PROMPTS, ["ab", "abcde", "a"])
    seen = []
    with replaceable(block) as slot:
        handle = block.outlet.register_forward_hook(lambda _, __, out: seen.append(out))
        plain = model.logits(batch)
        behind = (batch.labels != -100).sum(1)
        slot.put(Outputs(VALUES[:2], behind[[0, 2]], places), torch.tensor([0, 2]), of=3)
        changed = model.logits(batch)
        slot.put(None)
        assert torch.equal(model.logits(batch), plain)
        handle.remove()
    before, after, _ = seen
    length = before.shape[1]
    for row, value in ((0, VALUES[0]), (2, VALUES[1])):
        last = length - 1 - int(behind[row])
        chosen = {"last": [last], "all": list(range(length)), "prompt": list(range(last))}[places]
        kept = [place for place in range(length) if place not in chosen]
        assert torch.equal(after[row, chosen], value.expand(len(chosen), -1))
        assert torch.equal(after[row, kept], before[row, kept])
        assert not torch.allclose(changed[row, -1], plain[row, -1])
    assert torch.equal(after[1], before[1])
    assert torch.equal(changed[1], plain[1])  # a row that is not named, bit for bit
    assert torch.equal(model.logits(batch), plain)
    assert not block.outlet._forward_hooks


@pytest.mark.parametrize("places", ["last", "all", "prompt"])
@pytest.mark.parametrize("prompt", ["Oslo lies in", "O"])
def test_decoding_with_and_without_a_cache_is_the_same(places: Places, prompt: str) -> None:
    model = tiny_model()
    for weight in model.model.parameters():  # a random model is nearly deaf
        weight.mul_(3)
    batch, written = model.encode([prompt]), []
    with replaceable(model.blocks[1]) as slot:
        for cached in (True, False):
            slot.put(Outputs.of(VALUES[:1], places))
            written.append(
                model.model.generate(
                    batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=8, use_cache=cached,
                    do_sample=False, pad_token_id=1,
                )
            )  # fmt: skip
    assert torch.equal(*written)


def test_every_beam_of_a_row_gets_its_value() -> None:
    model = tiny_model()
    seen = []
    batch = model.encode(["Oslo lies in", "Bern lies in"])
    with replaceable(model.blocks[1]) as slot:
        model.blocks[1].outlet.register_forward_hook(lambda _, __, out: seen.append(out))
        slot.put(Outputs.of(VALUES[:1], "last"), torch.tensor([1]), of=2)
        model.model.generate(
            batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=2, num_beams=3, pad_token_id=1
        )
    rows = (seen[0][:, -1] == VALUES[0]).all(1).tolist()
    assert rows in ([False, True], [False] * 3 + [True] * 3)


def test_a_block_that_mixes_rows_and_positions_is_refused() -> None:
    model = tiny_model()
    check_replaceable(model, 1)
    handles = (
        model.blocks[1].inlet.register_forward_pre_hook(lambda _, args: (args[0].flatten(0, 1),)),
        model.blocks[1].module.register_forward_hook(lambda _, args, out: out.view(args[0].shape)),
    )
    with pytest.raises(EditError, match="FFN block of layer 1 gets rows and positions in one"):
        check_replaceable(model, 1)
    for handle in handles:
        handle.remove()
