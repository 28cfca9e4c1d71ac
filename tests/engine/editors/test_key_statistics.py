"""The second moment of an FFN block's keys: what it is, where it is kept, how it goes on."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from engine.editors import key_statistics
from engine.editors.corpus import read_corpus, write
from engine.editors.ffn_states import read_ffn_states
from engine.editors.key_statistics import factor_of, kept_moments, second_moments
from engine.editors.statistics_cache import cache_folder
from engine.edits import EditError
from engine.runs import Cancel, Cancelled, seeded
from tests.tiny_models import CONFIGS, D_FF, tiny_model


def nobody(*_: object) -> None:
    """Told of progress, and does nothing."""


def corpus_of(model, file="", tokens=2_000, length=24):
    return read_corpus(model, str(file), tokens=tokens, length=length, cancel=Cancel(), report=nobody)


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("\n\n".join(f"Line {number} speaks of Ålesund and of 東京." for number in range(40)), "utf-8")
    return file


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_the_mean_outer_product_of_the_keys(name, tmp_path, text):
    model = tiny_model(name)
    corpus = corpus_of(model, text, tokens=300)
    found = second_moments(model, [0, 2], corpus, cancel=Cancel(), report=nobody, folder=tmp_path)
    for layer in (0, 2):
        keys = [read_ffn_states(model, model.batch_of([list(row)]), [layer]).keys[layer][0] for row in corpus.rows]
        every = torch.cat(keys).double()
        assert found[layer].tokens == len(every) == corpus.tokens == 300
        torch.testing.assert_close(found[layer].matrix.double(), every.T @ every / len(every), rtol=1e-3, atol=1e-7)
        assert torch.equal(found[layer].matrix, found[layer].matrix.T)


def test_what_was_stopped_goes_on_and_comes_to_the_same_bits(tmp_path, text, monkeypatch):
    monkeypatch.setattr(key_statistics, "TOKENS_AT_ONCE", 48)
    model = tiny_model()
    corpus = corpus_of(model, text)
    at_once = second_moments(model, [1], corpus, cancel=Cancel(), report=nobody, folder=tmp_path / "a")[1]
    cancel, steps = Cancel(), []

    def stop(done: int, _: int) -> None:
        steps.append(done)
        if len(steps) == 5:
            cancel.set()

    with pytest.raises(Cancelled):
        second_moments(model, [1], corpus, cancel=cancel, report=stop, folder=tmp_path / "b")
    again: list[int] = []
    resumed = second_moments(
        model, [1], corpus, cancel=Cancel(), report=lambda done, _: again.append(done), folder=tmp_path / "b"
    )[1]
    assert again[0] > steps[-1]
    assert torch.equal(resumed.matrix, at_once.matrix)
    assert [file.name for file in (tmp_path / "b").iterdir()] == [file.name for file in (tmp_path / "a").iterdir()]


def test_it_is_kept_and_read_again(tmp_path, text, monkeypatch):
    model = tiny_model()
    measure = partial(second_moments, model, [0, 1], cancel=Cancel(), report=nobody, folder=tmp_path)
    corpus = corpus_of(model, text)
    found = measure(corpus)
    monkeypatch.setattr(key_statistics, "read_ffn_states", None)  # nothing is run any more
    again = measure(corpus)
    assert all(torch.equal(again[layer].matrix, found[layer].matrix) for layer in (0, 1))
    kept = kept_moments(model, [0, 1], corpus.hash, tmp_path)
    assert kept is not None
    assert torch.equal(kept[1].matrix, found[1].matrix)
    assert kept_moments(model, [0, 2], corpus.hash, tmp_path) is None


def test_another_text_model_layer_or_number_format_has_another_file(tmp_path, text):
    def files(model, layer=0):
        corpus = corpus_of(model, text, tokens=200)
        second_moments(model, [layer], corpus, cancel=Cancel(), report=nobody, folder=tmp_path)
        return len(list(tmp_path.glob("*.safetensors")))

    model = tiny_model()
    assert files(model) == 1
    assert files(model) == 1
    assert files(model, layer=1) == 2
    assert files(tiny_model(seed=1)) == 3
    text.write_text("Something else " * 40, "utf-8")
    assert files(model) == 4
    model.model.to(torch.bfloat16)
    assert files(model) == 5


def test_a_damaged_file_is_found_anew(tmp_path, text):
    model = tiny_model()
    measure = partial(
        second_moments, model, [0], corpus_of(model, text), cancel=Cancel(), report=nobody, folder=tmp_path
    )
    found = measure()[0]
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert torch.equal(measure()[0].matrix, found.matrix)
    assert file.read_bytes() == whole


def test_too_little_memory_is_told_before_it_starts(tmp_path, text, monkeypatch):
    model = tiny_model()
    monkeypatch.setattr(key_statistics, "free_memory", lambda _: 4 * D_FF**2)
    with pytest.raises(EditError, match="statistics of 2 layers take"):
        second_moments(model, [0, 1], corpus_of(model, text), cancel=Cancel(), report=nobody, folder=tmp_path)


def test_the_cache_lies_where_the_program_keeps_its_files(own_folders, monkeypatch):
    assert cache_folder().is_relative_to(own_folders.resolve())
    monkeypatch.delenv("MEG_STUDIO_HOME")
    assert "meg-studio" in str(cache_folder())


def test_a_file_is_read_by_paragraphs_in_pieces(text):
    model = tiny_model()
    corpus = corpus_of(model, text, tokens=1_000, length=16)
    assert corpus.source == "file"
    assert corpus.tokens == 1_000
    assert max(map(len, corpus.rows)) == 16
    assert list(corpus.rows) == sorted(corpus.rows, key=lambda row: -len(row))


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "holds no text"), (b" \n\n", "holds no text"), (b"\xff\xfe", "no text in UTF-8")]
)
def test_a_file_without_text_is_refused_in_a_sentence(tmp_path, content, told):
    file = tmp_path / "odd.txt"
    file.write_bytes(content)
    with pytest.raises(EditError, match=told):
        corpus_of(tiny_model(), file)
    with pytest.raises(EditError, match="cannot be read"):
        corpus_of(tiny_model(), tmp_path / "missing.txt")


def test_without_a_file_the_embedded_model_reads_what_it_knows_and_another_what_it_writes(model):
    known = corpus_of(model, tokens=500)
    assert known.source == "known facts"
    assert model.tokenizer.decode(known.rows[-1]).startswith("<bos>")
    tiny = tiny_model()
    own = corpus_of(tiny, tokens=500)
    assert own.source == "own words"
    assert own.tokens == 500
    assert own == corpus_of(tiny, tokens=500)
    assert all(row[0] == tiny.tokenizer.bos_token_id for row in own.rows)


def test_where_questions_end_is_what_counts_of_questions(model, tmp_path):
    some = {"tokens": 300, "length": 24, "cancel": Cancel(), "report": nobody}
    asked, told = read_corpus(model, "", ends=True, **some), read_corpus(model, "", **some)
    assert asked.hash != told.hash
    assert asked.positions == len(asked.rows) < told.positions
    found = second_moments(model, [1], asked, cancel=Cancel(), report=nobody, folder=tmp_path)[1]
    keys = [read_ffn_states(model, model.batch_of([list(row)]), [1]).keys[1][0, -1] for row in asked.rows]
    every = torch.stack(keys).double()
    torch.testing.assert_close(found.matrix.double(), every.T @ every / len(every), rtol=1e-3, atol=1e-4)


def test_what_a_model_writes_is_written_once(monkeypatch):
    model = tiny_model()
    own = corpus_of(model, tokens=500)
    monkeypatch.setattr("engine.editors.corpus.write", None)  # nothing is written any more
    assert corpus_of(model, tokens=500) == own


def test_a_spectrum_is_found_once_and_damage_is_found_anew(tmp_path, text, monkeypatch):
    model = tiny_model()
    moment = second_moments(model, [1], corpus_of(model, text), cancel=Cancel(), report=nobody, folder=tmp_path)[1]
    values, vectors = moment.spectrum()
    torch.testing.assert_close(vectors * values @ vectors.T, moment.matrix.double(), rtol=1e-4, atol=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(torch.linalg, "eigh", None)  # nothing is solved any more
        assert torch.equal(moment.spectrum()[1], vectors)
    (file,) = tmp_path.glob("*.spectrum.safetensors")
    file.write_bytes(b"torn")
    assert torch.equal(moment.spectrum()[0], values)


def test_what_a_model_writes_ends_where_it_ends_a_text():
    model = tiny_model()
    with seeded(0, "words"):
        rows = write(model, 40, 12)
    model.model.generation_config.update(repetition_penalty=1.8, min_p=0.2)
    with seeded(0, "words"):
        assert write(model, 40, 12) == rows  # what it may be used to
    end = model.tokenizer.eos_token_id
    assert all(2 <= len(row) <= 13 for row in rows)
    assert all(end not in row[1:-1] for row in rows)


def test_a_factor_is_that_of_the_damped_matrix_and_too_little_text_is_told():
    torch.manual_seed(0)
    keys = torch.randn(300, 40).double()
    moment = keys.T @ keys / len(keys)
    factor = factor_of(moment.clone(), 1)
    torch.testing.assert_close(factor @ factor.T, moment, rtol=1e-5, atol=1e-5)
    few = 0.3 * torch.randn(100, 768) + torch.rand(768)
    with pytest.raises(EditError, match=r"layer 3 are of too little text to tell its 768 neurons apart: raise"):
        factor_of((few.T @ few / len(few)).double(), 3)
