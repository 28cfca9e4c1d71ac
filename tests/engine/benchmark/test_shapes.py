from __future__ import annotations

import pytest
import torch

from engine.benchmark import shapes
from engine.benchmark.shapes import SHAPES, check_room, choose_shape, needed_memory, random_model
from engine.model_files import ModelError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "billions"), [("phi-2", 2.78), ("gpt-j", 6.05), ("llama-3-8b", 8.03), ("qwen2.5-7b", 7.62)]
)
def test_a_whole_shape_has_as_many_weights_as_the_published_model(name: str, billions: float) -> None:
    shape = choose_shape(name)
    assert shape == SHAPES[name]
    assert shape.parameters() / 1e9 == pytest.approx(billions, abs=0.005)
    assert 2 * shape.parameters() < needed_memory(shape, torch.bfloat16, CUDA) < 4 * shape.parameters()


@pytest.mark.parametrize("name", SHAPES)
def test_a_scaled_model_is_wired_alike_and_answers(name: str) -> None:
    shape = choose_shape(name, 0.02)
    model = random_model(shape, CPU, torch.bfloat16)
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.bfloat16}
    assert (model.d_model, len(model.blocks)) == (shape.width, shape.layers)
    assert model.blocks[0].d_ff == shape.ffn
    whole = SHAPES[name]
    assert shape.width / shape.heads == whole.width / whole.heads
    assert shape.heads / shape.key_value_heads == whole.heads / whole.key_value_heads
    assert len(model.tokenizer) <= shape.vocabulary
    assert len(model.answer(["Where was Ada Lovelace born?"])) == 1


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_as_it_was() -> None:
    shape = choose_shape("phi-2", 0.02)
    state = torch.get_rng_state()
    one, same, other = (random_model(shape, CPU, torch.float32, seed).fingerprint() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one == same != other


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(ModelError, match="above 0 and at most 1"):
        choose_shape("phi-2", scale)


def test_an_unknown_shape_names_those_that_are_known() -> None:
    with pytest.raises(ModelError, match=r"phi-2, gpt-j, llama-3-8b, qwen2\.5-7b"):
        choose_shape("gpt-5")


def test_a_whole_shape_on_a_cpu_says_what_it_needs() -> None:
    need = needed_memory(SHAPES["gpt-j"], torch.bfloat16, CUDA) / 2**30
    with pytest.raises(ModelError, match=f"a CUDA GPU with {need:.1f} GiB"):
        check_room(SHAPES["gpt-j"], CPU, torch.float32)


def test_too_little_memory_says_how_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = choose_shape("phi-2", 0.02)
    check_room(shape, CPU, torch.float32)
    monkeypatch.setattr(shapes, "free_memory", lambda _: 2**20)
    with pytest.raises(ModelError, match=r"and cpu has 0\.0"):
        check_room(shape, CPU, torch.float32)
