from __future__ import annotations

import pytest
import torch

from engine.meg.relation_readout import RelationReadout


def states(relations, seed=0):
    draw = torch.Generator().manual_seed(seed)
    centres = {key: 3 * torch.eye(8)[number] for number, key in enumerate("abc")}
    return torch.stack([centres[key] + 0.5 * torch.randn(8, generator=draw) for key in relations])


@pytest.mark.parametrize("keys", ["ab", "abc"])
def test_new_states_are_read(keys):
    asked = list(keys) * 20
    readout = RelationReadout.learn(states(asked), asked)
    scores = readout.scores(states(asked, seed=1))
    assert [readout.relations[row] for row in scores.argmax(1).tolist()] == asked


def test_one_relation_is_none_to_tell_apart():
    readout = RelationReadout.learn(states("aaa"), ["a"] * 3)
    assert readout.relations == ()
    assert readout.scores(states("ab")).shape == (2, 0)


def test_it_is_restored_as_it_was():
    asked = list("abc") * 5
    readout = RelationReadout.learn(states(asked), asked)
    again = RelationReadout.restored(list(readout.relations), readout.tensors())
    torch.testing.assert_close(again.scores(states("cab")), readout.scores(states("cab")), rtol=0, atol=0)
