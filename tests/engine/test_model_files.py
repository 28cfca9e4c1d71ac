from __future__ import annotations

import json

import pytest

from engine.language_model import load
from engine.model_files import ModelError, find_model
from tests.tiny_models import CONFIGS


def test_what_cannot_be_loaded_is_told_in_a_sentence(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        load(str(tmp_path))
    with pytest.raises(ModelError, match="neither"):
        find_model("nobody/nothing-here")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="no causal language model"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS["llama"].to_dict()))
    with pytest.raises(ModelError, match=r"lacks model\.safetensors"):
        load(str(tmp_path))
