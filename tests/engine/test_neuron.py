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


def random_neurons(n):
    generator = torch.Generator().manual_seed(1)
    return Neurons.from_flat(torch.randn(n, 2 * D_MODEL + 1, generator=generator))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_neuron_adds_its_output_to_the_block(name):
    model = tiny_model(name)
    block = model.blocks[1]
    neurons = random_neurons(3)
    seen = {}
    block.inlet.register_forward_pre_hook(lambda _, args: seen.update(h=args[0]))
    handle = block.outlet.register_forward_hook(lambda _, __, out: seen.update(plain=out))
    model.logits(model.encode(PROMPTS))
    handle.remove()
    with attached(block) as slot:
        slot.put(neurons)
        block.outlet.register_forward_hook(lambda _, __, out: seen.update(edited=out))
        model.logits(model.encode(PROMPTS))
    drive = block.activation((seen["h"] * neurons.k[:, None]).sum(-1) + neurons.b[:, None])
    torch.testing.assert_close(seen["edited"], seen["plain"] + drive[..., None] * neurons.v[:, None])


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


def test_flat_and_back():
    neurons = random_neurons(4)
    again = Neurons.from_flat(neurons.flat())
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


class _SideNeuron(nn.Module):
    """An FFN with one neuron beside it, written out: ffn(h) + act(k·h + b)·v."""

    def __init__(self, ffn: nn.Module, activation: nn.Module, neurons: Neurons) -> None:
        super().__init__()
        self.ffn, self.activation = ffn, activation
        self.drive = nn.Linear(D_MODEL, 1)
        self.drive.weight.data, self.drive.bias.data = neurons.k, neurons.b
        self.v = neurons.v

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.ffn(hidden) + self.activation(self.drive(hidden)) * self.v


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
        model.layers[layer].mlp = _SideNeuron(ffn, block.activation, neurons)
    else:
        _grow(block.inlet, neurons.k, neurons.b)
        _grow(block.outlet, neurons.v, inputs=True)
    return model


@pytest.mark.parametrize("name", PLAIN + GATED)
def test_the_hook_does_what_a_neuron_in_the_weights_does(name):
    """Logits and greedy answers of a batch whose rows have different neurons, each against a model of its own."""
    layer, neurons = 1, random_neurons(len(PROMPTS))
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
        torch.testing.assert_close(hooked[row], changed.logits(batch)[row])
        assert torch.equal(written[row], changed.model.generate(**inputs, **settings)[row])
        assert not torch.allclose(hooked[row], original[row], atol=1e-2)
