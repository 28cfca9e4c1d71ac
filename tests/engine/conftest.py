from __future__ import annotations

from pathlib import Path

import pytest

from engine.edits import EditSet
from engine.language_model import LanguageModel, load
from engine.meg.pack import MegPack
from tests.engine.quick import fit, quick_settings, sample_edits
from tests.engine.tiny_encoder import save_tiny_encoder


@pytest.fixture(scope="session")
def model() -> LanguageModel:
    """The embedded model."""
    return load("embedded", device="cpu")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random text encoder."""
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def edits() -> EditSet:
    """Twelve of the sample edits."""
    return sample_edits(12)


@pytest.fixture(scope="session")
def pack(model: LanguageModel, encoder: Path, edits: EditSet) -> MegPack:
    """What a training on those twelve gave."""
    return fit(model, edits, quick_settings(encoder))
