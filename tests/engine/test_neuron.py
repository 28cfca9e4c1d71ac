from __future__ import annotations

import pytest
import torch

from engine.neuron import Neurons, NeuronSlot, attached
from tests.tiny_models import CONFIGS, D_MODEL, LAYERS, tiny_model

PROMPTS = ["The capital of France is", "Oslo lies in", "Q: Who wrote Emma? A:"]


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
