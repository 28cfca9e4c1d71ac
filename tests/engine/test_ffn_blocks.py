from __future__ import annotations

import pytest

from tests.tiny_models import CONFIGS, D_FF, D_MODEL, LAYERS, tiny_model


@pytest.mark.parametrize("name", CONFIGS)
def test_ffn_blocks_are_found_by_shape(name):
    model = tiny_model(name)
    assert [block.layer for block in model.blocks] == list(range(LAYERS))
    assert {(block.d_model, block.d_ff) for block in model.blocks} == {(D_MODEL, D_FF)}
    named = {id(module): path for path, module in model.model.named_modules()}
    for block in model.blocks:
        assert "mlp" in named[id(block.inlet)]
        assert "mlp" in named[id(block.outlet)]
