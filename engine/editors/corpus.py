"""Local text for editors that have to know what a model usually thinks of: a file, known facts, or its own words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import GenerationConfig

from assets import catalogue
from engine.editors.statistics_cache import cache_folder, read_kept, write_kept
from engine.edits import EditError, fill
from engine.language_model import LanguageModel
from engine.model_files import EMBEDDED
from engine.runs import Cancel, seeded

Source = Literal["file", "known facts", "own words"]

_WORDS, _LENGTHS = "tokens", "lengths"
_WRITTEN_AT_ONCE = 32  # texts that the model writes in one batch


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows of tokens of one model's tokenizer, the longest first, and where they are from."""

    source: Source
    rows: tuple[tuple[int, ...], ...]
    ends: bool = False  # whether the rows are questions, of which only the last token counts

    @property
    def positions(self) -> int:
        """How many tokens count."""
        return len(self.rows) if self.ends else self.tokens

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return sum(map(len, self.rows))

    @property
    def hash(self) -> str:
        """A sha256 of every row: whatever changes what is read changes it."""
        digest = hashlib.sha256(b"ends" if self.ends else b"")
        for row in self.rows:
            digest.update(f"{row}".encode())
        return digest.hexdigest()


def source_of(model_name: str, file: str) -> Source:
    """Where the text for the model `model_name` comes from when the user named `file`, or no file (empty)."""
    if file:
        return "file"
    return "known facts" if model_name == EMBEDDED else "own words"


def read_corpus(
    model: LanguageModel,
    file: str,
    *,
    tokens: int,
    length: int,
    cancel: Cancel,
    report: Callable[[int, int], None],
    ends: bool = False,
) -> Corpus:
    """At most `tokens` tokens of text in rows of at most `length` tokens.

    `file` is a text file with a paragraph a line; empty: the sentences of the facts that the embedded model knows, in
    their relations' trained phrasings, and for any other model what it writes itself from its start token. `report` is
    told how many tokens of how many there are. With `ends` the known facts are asked and not told, and only where
    their questions end counts: of no other text is it known which of its tokens end a question.

    Raises EditError for a file that cannot be read or holds no text.
    """
    source = source_of(model.name, file)
    length = min(length, model.max_positions)
    if source == "own words":
        return Corpus(source, _own_words(model, tokens, length, cancel, report))
    asked = ends and source == "known facts"
    texts = _lines(Path(file).expanduser()) if file else _known_facts(asked=asked)
    pieces = _pieces(model, texts, length)
    rows = _first(pieces, tokens, cancel, report, every=256)
    if not rows:
        raise EditError(f"The corpus {file} holds no text: choose a text file with a paragraph a line.")
    return Corpus(source, rows, asked)


def _first(
    pieces: Iterable[tuple[int, ...]], tokens: int, cancel: Cancel, report: Callable[[int, int], None], *, every: int
) -> tuple[tuple[int, ...], ...]:
    """At most `tokens` tokens of `pieces`, the longest piece first; `report` is told of `every` so many of them."""
    rows: list[tuple[int, ...]] = []
    count = 0
    for piece in pieces:
        cancel.check()
        rows.append(piece[: tokens - count])
        count += len(rows[-1])
        if count >= tokens:
            break
        if len(rows) % every == 0:
            report(count, tokens)
    return tuple(sorted(rows, key=lambda row: -len(row)))


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8") as lines:
            yield from (line.strip() for line in lines if line.strip())
    except UnicodeDecodeError as error:
        raise EditError(f"The corpus {file} is no text in UTF-8: save it as such, or choose another file.") from error
    except OSError as error:
        raise EditError(f"The corpus {file} cannot be read ({error.strerror}): choose another file.") from error


def _known_facts(*, asked: bool) -> Iterator[str]:
    relations = catalogue.relations()
    known = [fact for fact in catalogue.facts() if fact.known]
    most = max(len(relation.phrasings) for relation in relations.values())
    # The file goes by subjects: in turns, so that the first tokens speak of all relations in all phrasings.
    for turn in range(most):
        for place, fact in enumerate(known):
            phrasings = relations[fact.relation].phrasings
            if turn < len(phrasings):
                question = fill(phrasings[(place + turn) % len(phrasings)], fact.subject)
                yield question if asked else f"{question} {fact.object}."


def _pieces(model: LanguageModel, texts: Iterable[str], length: int) -> Iterator[tuple[int, ...]]:
    """The tokens of each text, a long one in pieces that all begin as a text does."""
    for text in texts:
        ids: list[int] = model.tokenizer(text, return_attention_mask=False)["input_ids"]
        start = ids[:1] if ids[:1] == [model.tokenizer.bos_token_id] else []
        body = ids[len(start) :]
        size = length - len(start)
        for place in range(0, len(body), size):
            yield tuple(start + body[place : place + size])


def _own_words(
    model: LanguageModel, tokens: int, length: int, cancel: Cancel, report: Callable[[int, int], None]
) -> tuple[tuple[int, ...], ...]:
    """Texts that the model writes from its start token, drawn as it sees fit; written once, and kept."""
    number = str(model.model.dtype).removeprefix("torch.")
    file = cache_folder() / f"{model.fingerprint()[:16]}-own-words-{tokens}-{length}-{number}.safetensors"
    kept = read_kept(file, {_WORDS: None, _LENGTHS: None})
    if kept is not None and len(kept[_WORDS]) == int(kept[_LENGTHS].sum()):
        return tuple(tuple(row.tolist()) for row in kept[_WORDS].split(kept[_LENGTHS].tolist()))
    rows = _first(_written(model, length), tokens, cancel, report, every=1)
    words = torch.tensor([token for row in rows for token in row])
    write_kept(file, {_WORDS: words, _LENGTHS: torch.tensor([len(row) for row in rows])})
    return rows


def _written(model: LanguageModel, length: int) -> Iterator[tuple[int, ...]]:
    turn = 0
    while True:
        with seeded(0, f"own words {turn}"):
            yield from write(model, _WRITTEN_AT_ONCE, length - 1)
        turn += 1


@torch.no_grad()
def write(model: LanguageModel, count: int, length: int, *, likeliest: int = 0) -> list[tuple[int, ...]]:
    """So many texts of at most `length` tokens beyond the start token, as the model writes them.

    Each token is drawn, by torch's global generator, among the `likeliest` so many (0: all). A text ends with the
    token that ends texts.
    """
    tokenizer, end = model.tokenizer, model.model.generation_config.eos_token_id
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ends = set(end if isinstance(end, list) else [end if end is not None else tokenizer.eos_token_id])
    drawn = GenerationConfig(
        max_new_tokens=length,
        do_sample=True,
        top_k=likeliest,
        top_p=1.0,
        temperature=1.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=sorted(token for token in ends if token is not None) or None,
        bos_token_id=tokenizer.bos_token_id,
    )
    with model.without_habits():
        written = model.model.generate(
            input_ids=torch.full((count, 1), start, device=model.device),
            attention_mask=torch.ones(count, 1, dtype=torch.long, device=model.device),
            generation_config=drawn,
        )
    rows = []
    for row in written.tolist():
        last = next((place for place, token in enumerate(row[1:], 1) if token in ends), len(row) - 1)
        rows.append(tuple(row[: last + 1]))
    return rows
