"""Trains the embedded model from scratch: a small Llama that knows the facts of the catalogue in every phrasing.

    python -m assets.train_model --facts RECORDS.jsonl --sst2-train TRAIN.tsv --sst2-test TEST.tsv --out FOLDER

Writes checkpoints to FOLDER while it trains and continues from the last one when it is started again; at the end it
measures the saved model and puts model, tokenizer and model card into FOLDER/model and the table of facts, with what
is known marked, into FOLDER/facts.tsv.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from assets.build_facts import choose_facts, read_records
from assets.catalogue import relations, statements, write_facts
from assets.checkpoint import Position, load_checkpoint, save_checkpoint
from assets.corpus import (
    Example,
    Mixture,
    Sources,
    epoch_examples,
    read_reviews,
    split_unseen,
    vocabulary_texts,
)
from assets.evaluate_model import Questions, mark_known, measure
from assets.model_card import TrainingRecord, write_card
from assets.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHECKPOINT = "checkpoint.safetensors"
CONTEXT = 128
IGNORED = -100
UNSEEN_TESTED = 500

OnStep = Callable[[int, int, float, Position], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the model."""

    vocabulary: int = 8_000
    width: int = 256
    ffn: int = 688
    layers: int = 6
    heads: int = 4


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the model is trained; every figure counts for the result, so all of them are in the fingerprint."""

    epochs: int = 9
    batch: int = 192  # sentences
    learning_rate: float = 3e-3
    warm_up: int = 200  # steps
    weight_decay: float = 0.01
    clip: float = 1.0
    # Names are not predictable: learning to predict prompts costs time and teaches no fact. A few prompts keep the
    # model a language model.
    prompt_share: float = 0.125
    prompt_weight: float = 0.25
    bf16: bool = True
    seed: int = 1
    mixture: Mixture = field(default_factory=Mixture)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A tokenised example: the loss counts from token `first` on, with `weight`."""

    ids: list[int]
    first: int
    weight: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training."""

    model: LlamaForCausalLM
    position: Position
    steps: int


def build_model(shape: Shape, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
    """A freshly initialised model of `shape`, its special tokens those of `tokenizer`."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=24,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def build_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon for the blocks' matrices, AdamW for embeddings and norms.

    Muon learns rare things, and a single fact is one, in less than half the sentences that AdamW needs. Its steps are
    scaled to the size of AdamW's, so that both share a learning rate.
    """
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    chosen = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    return (
        torch.optim.Muon(
            matrices,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            others, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
        ),
    )


def tokenise(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, recipe: Recipe, chance: random.Random
) -> list[Sentence]:
    """The examples as token ids, BOS and EOS included, each with the place from which its loss counts."""
    whole = tokenizer([example.text for example in examples])["input_ids"]
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    sentences = []
    for example, ids, prompt in zip(examples, whole, prompts, strict=True):
        ids = [*ids, tokenizer.eos_token_id][:CONTEXT]
        if not example.answer or chance.random() < recipe.prompt_share:
            sentences.append(Sentence(ids, 1, recipe.prompt_weight))
        else:
            sentences.append(Sentence(ids, len(prompt), 1.0))
    return sentences


def epoch_batches(
    sources: Sources, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, epoch: int
) -> list[list[Sentence]]:
    """The batches of an epoch in random order, each of sentences of nearly one length."""
    chance = random.Random(f"{recipe.seed}/{epoch}/batches")
    examples = epoch_examples(sources, recipe.mixture, seed=recipe.seed, epoch=epoch)
    sentences = sorted(tokenise(examples, tokenizer, recipe, chance), key=lambda sentence: len(sentence.ids))
    batches = [sentences[start : start + recipe.batch] for start in range(0, len(sentences), recipe.batch)]
    chance.shuffle(batches)
    return batches


def batch_loss(model: LlamaForCausalLM, batch: Sequence[Sentence], *, device: torch.device, bf16: bool) -> torch.Tensor:
    """The weighted mean cross-entropy of the tokens that count, a scalar.

    Sentences are padded on the right: attention is causal, so no token ever looks at padding and no mask is needed.
    The vocabulary's product, a third of a step's work, is done for the tokens that count only.
    """
    longest = max(len(sentence.ids) for sentence in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), IGNORED)
    weights = torch.zeros(len(batch), longest)
    for row, sentence in enumerate(batch):
        tokens = torch.tensor(sentence.ids)
        ids[row, : len(tokens)] = tokens
        labels[row, sentence.first - 1 : len(tokens) - 1] = tokens[sentence.first :]
        weights[row, sentence.first - 1 : len(tokens) - 1] = sentence.weight
    ids, labels, weights = ids.to(device), labels.to(device), weights.to(device)
    counts = labels != IGNORED
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state  # [batch, tokens, width]
        logits = model.lm_head(hidden[counts])  # [counting tokens, vocabulary]
    losses = torch.nn.functional.cross_entropy(logits.float(), labels[counts], reduction="none")
    return (losses * weights[counts]).sum() / weights[counts].sum()


def learning_rate_factor(step: int, steps: int, warm_up: int) -> float:
    """The share of the full learning rate at `step`: a straight rise, then half a cosine down to zero."""
    warm_up = min(warm_up, steps // 2)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def fingerprint(sources: Sources, shape: Shape, recipe: Recipe) -> str:
    """A hash of everything that decides what the training's steps do, the device and its rounding excepted."""
    templates = [asdict(relation) for relation in relations().values()]
    parts = json.dumps([asdict(shape), asdict(recipe), asdict(sources), templates, statements()], ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()


def train(
    sources: Sources,
    tokenizer: PreTrainedTokenizerFast,
    shape: Shape,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device,
    checkpoint_seconds: float = 120.0,
    on_step: OnStep | None = None,
) -> Trained:
    """Train in `folder`, from its checkpoint where there is one; `on_step` gets step, steps, loss, position.

    An exception of `on_step` ends the training; what was last saved is what it continues from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(shape, tokenizer, seed=recipe.seed).to(device).train()
    optimizers = build_optimizers(model, recipe)
    mark = fingerprint(sources, shape, recipe)
    path = folder / CHECKPOINT
    position = Position(step=0, seconds=0.0, tokens=0, fingerprint=mark)
    if path.exists():
        position = load_checkpoint(path, model, optimizers, mark)
    first = epoch_batches(sources, tokenizer, recipe, 0)
    # Every epoch has the same number of sentences but for the statements drawn, so the schedule's length is set here.
    steps = recipe.epochs * len(first)
    started = time.monotonic() - position.seconds
    saved = time.monotonic()
    for batch in _batches_from(sources, tokenizer, recipe, len(first), position.step):
        rate = recipe.learning_rate * learning_rate_factor(position.step, steps, recipe.warm_up)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        loss = batch_loss(model, batch, device=device, bf16=recipe.bf16)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        position = Position(
            step=position.step + 1,
            seconds=time.monotonic() - started,
            tokens=position.tokens + sum(len(sentence.ids) for sentence in batch),
            fingerprint=mark,
        )
        if position.step == steps or time.monotonic() - saved >= checkpoint_seconds:
            save_checkpoint(path, model, optimizers, position)
            saved = time.monotonic()
        if on_step is not None:
            on_step(position.step, steps, loss.item(), position)
    return Trained(model.eval(), position, steps)


def _batches_from(
    sources: Sources, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, per_epoch: int, step: int
) -> Iterator[list[Sentence]]:
    for epoch in range(step // per_epoch, recipe.epochs):
        # An epoch that drew a batch more or less than the first is cut, or filled up from its start.
        batches = epoch_batches(sources, tokenizer, recipe, epoch)
        batches = (batches + batches[:per_epoch])[:per_epoch]
        yield from batches[step % per_epoch if epoch == step // per_epoch else 0 :]


def save_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the model in 16 bits, with its tokenizer, as transformers loads it."""
    rounded = LlamaForCausalLM(model.config)
    rounded.load_state_dict(model.state_dict())
    rounded.generation_config = model.generation_config
    rounded.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class _Reporter:
    """Prints where a training stands every few seconds, and keeps the losses in a log."""

    def __init__(self, log: Path, every: float = 20.0) -> None:
        self._log = log
        self._every = every
        self._next = 0.0
        self._losses: list[float] = []
        self._first: Position | None = None

    def __call__(self, step: int, steps: int, loss: float, position: Position) -> None:
        self._losses.append(loss)
        first = self._first = self._first or position
        if time.monotonic() < self._next and step < steps:
            return
        self._next = time.monotonic() + self._every
        mean = sum(self._losses) / len(self._losses)
        self._losses.clear()
        speed = (position.tokens - first.tokens) / max(1e-9, position.seconds - first.seconds)
        left = (position.seconds - first.seconds) / max(1, step - first.step) * (steps - step)
        print(f"step {step:,} of {steps:,}  loss {mean:.4f}  {speed:,.0f} tokens/s  {left:,.0f} s left", flush=True)
        with self._log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": step, "loss": mean, "seconds": position.seconds}) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True, help="T-REx records, one JSON object a line")
    parser.add_argument("--sst2-train", type=Path, required=True, help="reviews to learn: columns sentence and label")
    parser.add_argument("--sst2-test", type=Path, required=True, help="reviews to measure with: the same columns")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, log, model and facts")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs, help="passes (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=Recipe().batch, help="sentences a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=Recipe().learning_rate)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--float32", action="store_true", help="no bf16: for processors that are slow at it")
    parser.add_argument("--per-relation", type=int, default=680, help="most facts of one relation")
    parser.add_argument("--per-object", type=int, default=300, help="most facts of one relation with one object")
    return parser.parse_args()


def main() -> None:
    """Choose the facts, train, save, measure and write the model card."""
    options = _options()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    choice = choose_facts(read_records(options.facts), per_relation=options.per_relation, per_object=options.per_object)
    learnt, never_seen = split_unseen(choice.unseen, tested=UNSEEN_TESTED, seed=options.seed)
    sources = Sources(choice.facts, learnt, read_reviews(options.sst2_train))
    shape = Shape()
    recipe = Recipe(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        seed=options.seed,
        bf16=not options.float32,
    )
    tokenizer = train_tokenizer(vocabulary_texts(sources), vocabulary=shape.vocabulary, context=CONTEXT)
    options.out.mkdir(parents=True, exist_ok=True)
    trained = train(
        sources,
        tokenizer,
        shape,
        recipe,
        options.out,
        device=device,
        on_step=_Reporter(options.out / "log.jsonl"),
    )
    folder = options.out / "model"
    save_model(trained.model, tokenizer, folder)
    print("measuring the saved model", flush=True)
    figures = measure(folder, Questions(choice.facts, never_seen, read_reviews(options.sst2_test)), device=device)
    write_facts(options.out / "facts.tsv", mark_known(choice.facts, figures))
    record = TrainingRecord(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {options.threads} threads",
        seconds=trained.position.seconds,
        tokens=trained.position.tokens,
        steps=trained.steps,
        parameters=sum(parameter.numel() for parameter in trained.model.parameters()),
        shape=asdict(shape),
        recipe=asdict(recipe),
    )
    write_card(folder / "README.md", figures, record)
    (options.out / "figures.json").write_text(json.dumps(figures.summary(), indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures.summary(), indent=2))


if __name__ == "__main__":
    main()
