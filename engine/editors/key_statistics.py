"""The uncentred second moment C = E[k kᵀ] of an FFN block's keys over a corpus: which keys a model usually meets.

ROME, MEMIT and AlphaEdit measure with it what a change of the block's outlet does to everything else (arXiv 2202.05262,
equation 2; arXiv 2210.07229, equation 15; arXiv 2410.02355, section 3). It takes a pass over a corpus to find and is
the same for every edit, so it is kept in a folder on disk, by the model, the layer, the corpus and the number format
that the model runs in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.device import exact, free_memory
from engine.editors.corpus import Corpus
from engine.editors.ffn_states import read_ffn_states
from engine.editors.statistics_cache import cache_folder, read_kept, write_kept
from engine.edits import EditError
from engine.language_model import LanguageModel
from engine.runs import Cancel

TOKENS_AT_ONCE = 4_096
KEEP_EVERY = 60.0  # seconds between two notes of how far it got
DAMPING = 1e-6
"""What is added to C's diagonal, in parts of its mean: text shorter than the layer is wide leaves C singular."""

_MOMENT, _TOKENS, _ROWS = "second_moment", "tokens", "rows"
_VALUES, _VECTORS = "eigenvalues", "eigenvectors"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SecondMoment:
    """C of one layer."""

    matrix: Tensor  # [d_ff, d_ff], float32, symmetric
    tokens: int  # positions that it is the mean over
    file: Path | None = None  # where it is kept

    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Its eigenvalues [d_ff], the least first and none below 0, and its eigenvectors [d_ff, d_ff], in float64.

        They are found once, and kept beside the matrix.
        """
        device, size = exact(self.matrix).device, len(self.matrix)
        file = None if self.file is None else self.file.with_suffix(".spectrum.safetensors")
        found = None if file is None else read_kept(file, {_VALUES: (size,), _VECTORS: (size, size)})
        if found is None:
            values, vectors = torch.linalg.eigh(exact(self.matrix))
            found = {_VALUES: values.clamp(min=0), _VECTORS: vectors}
            if file is not None:
                write_kept(file, found)
        return found[_VALUES].to(device), found[_VECTORS].to(device)


def memory_needed(model: LanguageModel, layers: Sequence[int]) -> int:
    """Bytes that the second moments of `layers` take while they are found: d_ff² numbers a layer.

    One of them is there three times while it is written to disk.
    """
    sizes = [4 * model.blocks[layer].d_ff ** 2 for layer in layers]
    return sum(sizes) + 2 * max(sizes, default=0)


def check_memory(model: LanguageModel, layers: Sequence[int], more: int = 0) -> None:
    """State the memory that the statistics take, and `more` bytes beside them; raise EditError where it is not free."""
    need, free = memory_needed(model, layers) + more, free_memory(model.device)
    _log.info("The statistics of %d layers take %.2f GiB on %s.", len(layers), need / 2**30, model.device)
    if need > free:
        raise EditError(
            f"The statistics of {len(layers):,} layers take {need / 2**30:.1f} GiB and {model.device} has "
            f"{free / 2**30:.1f} GiB free: choose fewer layers or a smaller model, or close other programs."
        )


def second_moments(
    model: LanguageModel,
    layers: Sequence[int],
    corpus: Corpus,
    *,
    cancel: Cancel,
    report: Callable[[int, int], None],
    folder: Path | None = None,
) -> dict[int, SecondMoment]:
    """The second moment of the keys of each of `layers` over `corpus`, found in one pass or read from `folder`.

    `folder` is `cache_folder()` where none is given. A pass that was stopped goes on where it last noted how far it
    got, and comes to the same bits. `report` is told how many tokens of how many were read. Raises EditError where
    memory is short, Cancelled when asked to stop, OSError where the disk refuses.
    """
    place = folder or cache_folder()
    files = {layer: place / _name(model, layer, corpus.hash) for layer in layers}
    found = {layer: moment for layer, file in files.items() if (moment := _read(file, model, layer)) is not None}
    missing = [layer for layer in layers if layer not in found]
    if missing:
        check_memory(model, missing)
        found |= _measured(model, missing, corpus, files, cancel, report)
    return found


def kept_moments(
    model: LanguageModel, layers: Sequence[int], corpus_hash: str, folder: Path | None = None
) -> dict[int, SecondMoment] | None:
    """The second moments that are kept of `layers`, by the corpus' hash; None where one is not there."""
    place = folder or cache_folder()
    found = {layer: _read(place / _name(model, layer, corpus_hash), model, layer) for layer in layers}
    whole = {layer: moment for layer, moment in found.items() if moment is not None}
    return whole if len(whole) == len(found) else None


def factor_of(matrix: Tensor, layer: int) -> Tensor:
    """The lower Cholesky factor of `matrix` [d_ff, d_ff], damped by `DAMPING`; both float64.

    `matrix` is C of `layer`, or C in a sum with K Kᵀ, and is changed. Raises EditError where it has no factor: C is
    measured in float32, and so little text leaves so much of it 0 that rounding makes it negative there.
    """
    matrix.diagonal().add_(DAMPING * matrix.diagonal().mean())
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed):
        raise EditError(
            f"The statistics of layer {layer} are of too little text to tell its {len(matrix):,} neurons apart: raise "
            "“tokens”, give a longer corpus, or choose another layer."
        )
    return torch.as_tensor(factor)


def _measured(
    model: LanguageModel,
    layers: Sequence[int],
    corpus: Corpus,
    files: Mapping[int, Path],
    cancel: Cancel,
    report: Callable[[int, int], None],
) -> dict[int, SecondMoment]:
    """The second moments of `layers`, each written to its file."""
    partial = {layer: files[layer].with_suffix(".partial.safetensors") for layer in layers}
    sums, first = _begun(model, partial)
    batches = _batches(corpus)
    done = sum(len(row) for rows in batches[:first] for row in rows)
    noted = time.monotonic()
    for number in range(first, len(batches)):
        if cancel.requested or time.monotonic() - noted > KEEP_EVERY:
            for layer in layers:
                write_kept(partial[layer], {_MOMENT: sums[layer], _ROWS: torch.tensor(number)})
            noted = time.monotonic()
        cancel.check()
        report(done, corpus.tokens)
        batch = model.batch_of([list(row) for row in batches[number]])
        keys = read_ffn_states(model, batch, layers).keys
        real = batch.attention_mask.bool()
        counted = real.clone()
        counted[:, :-1] &= not corpus.ends
        for layer in layers:
            some = keys[layer][counted].float()
            # A mean over as many positions as one batch has, and not a sum over all: numbers of one size are added.
            sums[layer].addmm_(some.T, some, alpha=1 / TOKENS_AT_ONCE)
        done += int(real.sum())
    moments = {}
    for layer in layers:
        matrix = sums[layer].mul_(TOKENS_AT_ONCE / corpus.positions)
        # Products of blocks are symmetric but for rounding.
        moments[layer] = SecondMoment((matrix + matrix.T) / 2, corpus.positions, files[layer])
        write_kept(files[layer], {_MOMENT: moments[layer].matrix, _TOKENS: torch.tensor(corpus.positions)})
        partial[layer].unlink(missing_ok=True)
    report(corpus.tokens, corpus.tokens)
    return moments


def _batches(corpus: Corpus) -> list[list[tuple[int, ...]]]:
    """The rows in batches of like length."""
    batches: list[list[tuple[int, ...]]] = []
    rows: list[tuple[int, ...]] = []
    for row in corpus.rows:  # the longest first
        if rows and (len(rows) + 1) * len(rows[0]) > TOKENS_AT_ONCE:
            batches.append(rows)
            rows = []
        rows.append(row)
    return [*batches, rows]


def _begun(model: LanguageModel, partial: Mapping[int, Path]) -> tuple[dict[int, Tensor], int]:
    """The sums so far and the batches that are in them, the same for all layers; zeros where nothing was begun."""
    found = {layer: read_kept(file, _shapes(model.blocks[layer].d_ff, _ROWS)) for layer, file in partial.items()}
    counts = {int(tensors[_ROWS]) for tensors in found.values() if tensors is not None}
    if len(counts) == 1 and all(tensors is not None for tensors in found.values()):
        sums = {layer: tensors[_MOMENT].to(model.device) for layer, tensors in found.items() if tensors is not None}
        return sums, counts.pop()
    sizes = {layer: model.blocks[layer].d_ff for layer in partial}
    return {layer: torch.zeros(size, size, device=model.device) for layer, size in sizes.items()}, 0


def _name(model: LanguageModel, layer: int, corpus_hash: str) -> str:
    number = str(model.model.dtype).removeprefix("torch.")
    return f"{model.fingerprint()[:16]}-layer{layer:03d}-{corpus_hash[:16]}-{number}.safetensors"


def _read(file: Path, model: LanguageModel, layer: int) -> SecondMoment | None:
    tensors = read_kept(file, _shapes(model.blocks[layer].d_ff, _TOKENS))
    if tensors is None:
        return None
    return SecondMoment(tensors[_MOMENT].to(model.device), int(tensors[_TOKENS]), file)


def _shapes(d_ff: int, count: str) -> dict[str, tuple[int, ...]]:
    return {_MOMENT: (d_ff, d_ff), count: ()}
