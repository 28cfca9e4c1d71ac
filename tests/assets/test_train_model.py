from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from assets.catalogue import Fact
from assets.checkpoint import CheckpointError, Position
from assets.corpus import Mixture, Review, Sources, vocabulary_texts
from assets.evaluate_model import Questions, mark_known, measure
from assets.model_card import TrainingRecord, write_card
from assets.tokenizer import train_tokenizer
from assets.train_model import CHECKPOINT, Recipe, Shape, learning_rate_factor, save_model, train

NAMES = ["Bertil", "Carola", "Dagmar", "Erland", "Frida", "Gunnar", "Hilda", "Ingvar", "Judit", "Konrad"]
FACTS = tuple(Fact(f"{name} Holm", "P19", "Paris") for name in NAMES) + tuple(
    Fact(f"{name} Berg", "P36", "Rome") for name in NAMES
)
SOURCES = Sources(FACTS, (("Stranger Dal", "P19"),), (Review("a fine film", True), Review("a dull film", False)))
SHAPE = Shape(vocabulary=400, width=32, ffn=48, layers=2, heads=2)
RECIPE = Recipe(epochs=2, batch=16, learning_rate=1e-2, warm_up=4, bf16=False, mixture=Mixture(phrasings_per_fact=3))
CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands for the process that ends between two steps."""


class Losses:
    def __init__(self, kill_at: int | None = None) -> None:
        self.values: dict[int, float] = {}
        self.kill_at = kill_at

    def __call__(self, step: int, steps: int, loss: float, position: Position) -> None:
        self.values[step] = loss
        if step == self.kill_at:
            raise Killed


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(vocabulary_texts(SOURCES), vocabulary=SHAPE.vocabulary, context=128)


def test_a_killed_training_continues_exactly(tmp_path: Path, tokenizer) -> None:
    whole = Losses()
    expected = train(SOURCES, tokenizer, SHAPE, RECIPE, tmp_path / "whole", device=CPU, on_step=whole)
    assert len(whole.values) == expected.steps >= 8

    kill_at = expected.steps // 2 + 2  # within the second epoch
    killed, resumed = Losses(kill_at), Losses()
    with pytest.raises(Killed):
        train(SOURCES, tokenizer, SHAPE, RECIPE, tmp_path / "killed", device=CPU, checkpoint_seconds=0, on_step=killed)
    torch.rand(3)  # what happened to the random state between the two does not matter
    got = train(SOURCES, tokenizer, SHAPE, RECIPE, tmp_path / "killed", device=CPU, on_step=resumed)

    assert min(resumed.values) == kill_at + 1
    assert {**killed.values, **resumed.values} == whole.values
    assert got.position.tokens == expected.position.tokens
    for name, value in expected.model.state_dict().items():
        assert torch.equal(value, got.model.state_dict()[name]), name


def test_training_lowers_the_loss(tmp_path: Path, tokenizer) -> None:
    losses = Losses()
    train(SOURCES, tokenizer, SHAPE, replace(RECIPE, epochs=6), tmp_path, device=CPU, on_step=losses)
    values = list(losses.values.values())
    assert sum(values[-5:]) < 0.75 * sum(values[:5])


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, tokenizer) -> None:
    train(SOURCES, tokenizer, SHAPE, RECIPE, tmp_path, device=CPU)
    with pytest.raises(CheckpointError, match="other facts or settings"):
        train(SOURCES, tokenizer, SHAPE, replace(RECIPE, seed=2), tmp_path, device=CPU)


def test_a_damaged_checkpoint_is_named(tmp_path: Path, tokenizer) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="delete it"):
        train(SOURCES, tokenizer, SHAPE, RECIPE, tmp_path, device=CPU)


def test_a_saved_model_is_measured_and_described(tmp_path: Path, tokenizer) -> None:
    trained = train(SOURCES, tokenizer, SHAPE, replace(RECIPE, epochs=1), tmp_path, device=CPU)
    save_model(trained.model, tokenizer, tmp_path / "model")
    figures = measure(tmp_path / "model", Questions(FACTS, SOURCES.unseen, SOURCES.reviews), device=CPU)
    assert 0 <= figures.answered() <= 1
    assert len(figures.phrasing_shares()) == 24
    assert [fact.known for fact in mark_known(FACTS, figures)] == list(figures.known)
    record = TrainingRecord("CPU", 60.0, 1_000, 10, 5_000, shape=asdict(SHAPE), recipe=asdict(RECIPE))
    write_card(tmp_path / "README.md", figures, record)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| facts taught | 20 of 2 relations |" in card
    assert "P36 capital" in card


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, 100, 10) for step in range(100)]
    assert factors[9] == factors[10] == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.01
