from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from engine.language_model import load
from engine.model_check import check_model
from engine.model_files import ModelError, available, find_model, models_below
from engine.runs import Cancel, Cancelled
from tests.tiny_models import CONFIGS, tiny_model

MAIN = "a" * 40


def save(folder: Path, name: str = "llama") -> Path:
    """A whole tiny model."""
    tiny = tiny_model(name)
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return folder


def config(folder: Path, **values: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache where huggingface_hub looks for its own."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(folder), raising=False)
    return folder


def cached(hub: Path, name: str, revision: str = MAIN, *, main: bool = True) -> Path:
    """The folder of a snapshot of the repository `name`."""
    repo = hub / f"models--{name.replace('/', '--')}"
    for part in ("blobs", "refs"):
        (repo / part).mkdir(parents=True, exist_ok=True)
    if main:
        (repo / "refs" / "main").write_text(revision)
    folder = repo / "snapshots" / revision
    folder.mkdir(parents=True)
    return folder


def test_the_cache_is_listed_and_what_is_incomplete_is_flagged(hub: Path) -> None:
    save(cached(hub, "some/whole"))
    half = cached(hub, "some/half")
    config(half, **CONFIGS["llama"].to_dict())
    config(cached(hub, "some/vision"), model_type="vit")
    choices = {choice.name: choice for choice in available()}
    assert list(choices) == ["embedded", "some/half", "some/whole"]
    assert choices["some/whole"].complete
    assert choices["some/whole"].label == "some/whole"
    assert not choices["some/half"].complete
    assert "incomplete" in choices["some/half"].label
    assert "lacks model.safetensors" in choices["some/half"].fault
    assert load("some/whole").name == "some/whole"  # the network is off in every test


def test_a_download_without_a_configuration_is_flagged(hub: Path) -> None:
    folder = cached(hub, "some/gated")
    (folder / "README.md").write_text("gated")
    (folder.parents[1] / "blobs" / "ab12.incomplete").write_bytes(b"")
    (choice,) = [choice for choice in available() if choice.name != "embedded"]
    assert "accept its terms" in choice.fault
    assert "accept its terms" in check_model("some/gated").obstacle


def test_another_revision_than_main_goes_by_its_folder(hub: Path) -> None:
    folder = save(cached(hub, "some/model", "b" * 40, main=False))
    (choice,) = [choice for choice in available() if choice.name != "embedded"]
    assert choice.name == str(folder)
    assert find_model(choice.name) == folder


def test_a_folder_is_searched_however_deep(tmp_path: Path) -> None:
    save(tmp_path / "one" / "deep" / "model")
    save(tmp_path / "other")
    config(tmp_path / "other" / "checkpoint", **CONFIGS["llama"].to_dict())  # belongs to the model above it
    config(tmp_path / ".hidden", **CONFIGS["llama"].to_dict())
    config(tmp_path / "encoder", model_type="bert", architectures=["BertModel"])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    found = models_below(tmp_path)
    assert [choice.label for choice in found] == ["one/deep/model", "other"]
    assert all(choice.complete for choice in found)
    assert models_below(tmp_path / "other")[0].label == "other"
    stopped = Cancel()
    stopped.set()
    with pytest.raises(Cancelled):
        models_below(tmp_path, cancel=stopped)


def test_what_cannot_be_loaded_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        load(str(tmp_path))
    with pytest.raises(ModelError, match="neither"):
        find_model("nobody/nothing-here")
    config(tmp_path, model_type="vit")
    with pytest.raises(ModelError, match="no causal language model"):
        load(str(tmp_path))
    config(tmp_path, **CONFIGS["llama"].to_dict())
    with pytest.raises(ModelError, match=r"lacks model\.safetensors"):
        load(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="may hold programs"):
        load(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="damaged"):
        load(str(tmp_path))


def test_code_of_the_models_own_is_run_only_where_it_is_allowed(tmp_path: Path) -> None:
    config(tmp_path, model_type="homemade", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"})
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "own.py").write_text("raise SystemExit('this code was run')")
    (choice,) = models_below(tmp_path)
    assert choice.remote_code
    assert "own code" in choice.label
    assert "program code of its own" in check_model(str(tmp_path)).obstacle
    with pytest.raises(ModelError, match="program code of its own"):
        load(str(tmp_path))


class TestCheck:
    def test_a_model_that_fits_is_told_in_a_sentence(self, tmp_path: Path) -> None:
        found = check_model(str(save(tmp_path / "model", "gpt2")), device="cpu", edits=1_000, runs=tmp_path / "runs")
        assert found.obstacle == ""
        assert (found.architecture, found.layers, found.width) == ("gpt2", 4, 32)
        assert found.sentence.startswith("Fits: gpt2, ")
        assert found.disk > 0

    def test_no_weight_is_read(self, tmp_path: Path) -> None:
        folder = save(tmp_path / "model")
        (folder / "model.safetensors").write_bytes(b"no weights at all")
        assert check_model(str(folder), device="cpu").obstacle == ""

    def test_too_little_memory_or_disk_is_told_before_anything_is_loaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = save(tmp_path / "model")
        assert "make room there" in check_model(str(folder), device="cpu", edits=10**12, runs=tmp_path).obstacle
        monkeypatch.setattr("engine.model_check.free_memory", lambda _: 2**20)
        assert "a smaller model" in check_model(str(folder), device="cpu").obstacle

    def test_a_model_without_a_known_ffn_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = save(tmp_path / "model")
        monkeypatch.setattr("engine.ffn_blocks._shape", lambda _: None)
        assert "no feed-forward block" in check_model(str(folder), device="cpu").obstacle

    def test_a_configuration_that_makes_no_sense_is_told(self, tmp_path: Path) -> None:
        folder = save(tmp_path / "model")
        told = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(told | {"hidden_size": "wide"}))
        assert "cannot be built" in check_model(str(folder), device="cpu").obstacle
