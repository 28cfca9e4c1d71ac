from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from engine.language_model import LanguageModel
from engine.neuron import Neurons, NeuronSlot, attached
from tests.tiny_models import CONFIGS, D_MODEL, LAYERS, tiny_model

PROMPTS = ["The capital of France is", "Oslo lies in", "Q: Who wrote Emma? A:"]
PLAIN = ["gpt2", "gptj", "gpt_neox", "phi"]  # the last three beside their attention, GPT-2's map is a Conv1D
GATED = ["llama", "mistral", "qwen2", "gemma"]


def random_neurons(n, each=1):
    generator = torch.Generator().manual_seed(1)
    return Neurons.from_flat(torch.randn(n, each * (2 * D_MODEL + 1), generator=generator), D_MODEL)


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_neurons_add_their_output_to_the_block(name, each):
    model = tiny_model(name)
    block = model.blocks[1]
    neurons = random_neurons(3, each)
    seen = {}
    block.inlet.register_forward_pre_hook(lambda _, args: seen.update(h=args[0]))
    handle = block.outlet.register_forward_hook(lambda _, __, out: seen.update(plain=out))
    model.logits(model.encode(PROMPTS))
    handle.remove()
    with attached(block) as slot:
        slot.put(neurons)
        block.outlet.register_forward_hook(lambda _, __, out: seen.update(edited=out))
        model.logits(model.encode(PROMPTS))
    fired = block.activation(torch.einsum("rtd,rmd->rtm", seen["h"], neurons.k) + neurons.b[:, None])
    torch.testing.assert_close(seen["edited"], seen["plain"] + fired @ neurons.v)


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_without_a_neuron_keep_their_logits_bit_for_bit(name):
    model = tiny_model(name)
    batch = model.encode(PROMPTS)
    original = model.logits(batch)
    with attached(model.blocks[LAYERS - 2]) as slot:
        slot.put(random_neurons(1), torch.tensor([1]))
        edited = model.logits(batch)
        slot.put(None)
        assert torch.equal(model.logits(batch), original)
    assert torch.equal(edited[[0, 2]], original[[0, 2]])
    assert not torch.allclose(edited[1], original[1])
    assert torch.equal(model.logits(batch), original)


def test_the_always_on_neuron_does_nothing_yet_and_can_learn():
    model = tiny_model()
    batch = model.encode(PROMPTS)
    neurons = Neurons.always_on(3, D_MODEL, model.device)
    neurons.v.requires_grad_()
    with attached(model.blocks[2]) as slot:
        slot.put(neurons)
        logits = model.logits(batch)
        assert torch.equal(logits, model.logits(batch))
        logits.square().sum().backward()
    assert (neurons.v.grad.abs().sum(1) > 0).all()


def test_of_several_neurons_no_two_start_alike():
    neurons = Neurons.always_on(2, D_MODEL, torch.device("cpu"), each=3)
    assert torch.equal(neurons.k[:, 0], torch.zeros(2, D_MODEL))
    assert torch.equal(neurons.k[0], neurons.k[1])
    assert len(set(map(tuple, neurons.k[0].tolist()))) == 3
    assert not neurons.v.any()
    assert torch.equal(Neurons.always_on(2, D_MODEL, torch.device("cpu")).flat(), neurons.flat()[:, : 2 * D_MODEL + 1])


@pytest.mark.parametrize("each", [1, 3])
def test_flat_and_back(each):
    neurons = random_neurons(4, each)
    again = Neurons.from_flat(neurons.flat(), D_MODEL)
    assert torch.equal(again.k, neurons.k)
    assert torch.equal(again.b, neurons.b)
    assert torch.equal(again.v, neurons.v)
    assert torch.equal(neurons.rows(torch.tensor([2])).v, neurons.v[2:3])


def test_a_removed_slot_leaves_no_hook():
    model = tiny_model()
    slot = NeuronSlot(model.blocks[0])
    slot.remove()
    assert not model.blocks[0].inlet._forward_pre_hooks
    assert not model.blocks[0].outlet._forward_hooks


class _SideNeurons(nn.Module):
    """An FFN with a row's neurons beside it, written out: ffn(h) + Σ act(k·h + b)·v."""

    def __init__(self, ffn: nn.Module, activation: nn.Module, neurons: Neurons) -> None:
        super().__init__()
        self.ffn, self.activation = ffn, activation
        self.drive = nn.Linear(D_MODEL, len(neurons.v[0]))
        self.drive.weight.data, self.drive.bias.data = neurons.k[0], neurons.b[0]
        self.v = neurons.v[0]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.ffn(hidden) + self.activation(self.drive(hidden)) @ self.v


def _grow(linear: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None = None, *, inputs: bool = False) -> None:
    """One more output, or with `inputs` one more input, for a linear map of either way round."""
    across = isinstance(linear, Conv1D) != inputs  # whether the new numbers are a column of the stored weight
    linear.weight.data = torch.cat([linear.weight, weight.view(-1, 1) if across else weight.view(1, -1)], int(across))
    if bias is not None:
        linear.bias.data = torch.cat([linear.bias, bias])
    if isinstance(linear, Conv1D):
        linear.nx, linear.nf = linear.weight.shape


def with_the_neuron_inside(name: str, neurons: Neurons, layer: int) -> LanguageModel:
    """The tiny model `name` whose own FFN has one neuron more; a gated one, which has no such place, gets it beside."""
    model = tiny_model(name)
    block = model.blocks[layer]
    if name in GATED:
        ffn = model.layers[layer].mlp
        model.layers[layer].mlp = _SideNeurons(ffn, block.activation, neurons)
    else:
        for k, b, v in zip(neurons.k[0], neurons.b[0], neurons.v[0], strict=True):
            _grow(block.inlet, k, b[None])
            _grow(block.outlet, v, inputs=True)
    return model


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("name", PLAIN + GATED)
def test_the_hook_does_what_a_neuron_in_the_weights_does(name, each):
    """Logits and greedy answers of a batch whose rows have different neurons, each against a model of its own."""
    layer, neurons = 1, random_neurons(len(PROMPTS), each)
    model = tiny_model(name)
    batch = model.encode(PROMPTS)
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    settings = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 1}
    original = model.logits(batch)
    with attached(model.blocks[layer]) as slot:
        slot.put(neurons)
        hooked, written = model.logits(batch), model.model.generate(**inputs, **settings)
    for row in range(len(PROMPTS)):
        changed = with_the_neuron_inside(name, neurons.rows(torch.tensor([row])), layer)
        torch.testing.assert_close(hooked[row], changed.logits(batch)[row], rtol=1e-4, atol=1e-4)
        assert torch.equal(written[row], changed.model.generate(**inputs, **settings)[row])
        assert not torch.allclose(hooked[row], original[row], atol=1e-2)
