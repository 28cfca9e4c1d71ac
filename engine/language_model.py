"""A causal language model as the studio sees it: loaded, asked, scored, run from any layer on.

Every query is padded on the left, so that answers begin at the same column, and positions are counted from the
first real token. Decoding is greedy unless something else is asked for; under the same settings the same question
always gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteriaList,
)

from engine.chat import ChatTemplate, begun_reply, user_turn
from engine.decoding import GREEDY, Decoding
from engine.device import choose_device, choose_dtype, exact, free_memory
from engine.ffn_blocks import find_ffn_block, find_layers
from engine.model_files import ModelError, check_files, find_model
from engine.runs import Cancel
from engine.sampling import processors
from engine.stopping import MAX_NEW_TOKENS, EndOfAnswer, Extent

SPARE_TOKENS = 4  # beyond those of a wanted answer: it may be written in other tokens than it was learnt in
READ_LAYERS = 6  # of which a reading keeps what leaves them, at most; …
READ_WIDTH = 8_192  # … fewer where that were more numbers than these
BATCH_TOKENS = 8_192
"""Tokens decoded at once: large enough to fill two cores, small enough for their caches."""
_VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
SAMPLED = 64  # numbers of each weight that its fingerprint holds as they are
LEAST_LOG = -500.0
"""The least log-probability that a token is given, also by a model whose logits are no numbers any more."""
TargetForm = Literal["answer", "object", "verbatim"]
"""How a target follows its query: as an answer is written, with a stop; as an object, without; or as it stands, when it
brings its own space along."""


class QueryError(ValueError):
    """A query that cannot be asked; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class TokenChance:
    """One candidate for the next token."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a target is after its query, token by token given the true ones before."""

    log: float  # natural logarithm of its probability: the sum over its tokens
    tokens: int
    right: int  # tokens that are the likeliest in their place

    @property
    def mean(self) -> float:
        """The log-probability a token, in nats."""
        return self.log / self.tokens

    @property
    def share(self) -> float:
        """The share of tokens that are the likeliest: the figure under teacher forcing."""
        return self.right / self.tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """Left-padded token rows: all [rows, length]. `labels` is the target token or -100, and None without targets."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor | None = None

    @property
    def position_ids(self) -> Tensor:
        """[rows, length], counted from the first real token."""
        return (self.attention_mask.cumsum(-1) - 1).clamp(min=0)

    def rows(self, index: Tensor) -> Batch:
        """The rows that `index` names."""
        return Batch(
            self.input_ids[index], self.attention_mask[index], None if self.labels is None else self.labels[index]
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """Hidden states around one FFN block, all [rows, length, d_model]."""

    before: Tensor  # what enters the block's layer
    entered: Tensor  # what the block reads
    after: Tensor  # what the layer returns

    def rows(self, index: Tensor) -> Passage:
        """The rows that `index` names."""
        return Passage(self.before[index], self.entered[index], self.after[index])


class _PassageDone(Exception):
    """Raised inside a forward pass once the hidden states that were wanted are known."""


class _Skip(nn.Module):
    """Stands in for a layer that need not run: returns given hidden states, or those it gets, as that layer would."""

    def __init__(self, layer: nn.Module, returns_tuple: bool, hidden: Tensor | None) -> None:
        super().__init__()
        self.__dict__["_layer"] = layer
        self._returns_tuple = returns_tuple
        self._hidden = hidden

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_layer"], name)

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> Tensor | tuple[Tensor]:
        passed = hidden_states if self._hidden is None else self._hidden
        return (passed,) if self._returns_tuple else passed


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model thinks at the end of some prompts."""

    states: Tensor  # [prompts, d_model], float32: the last hidden states, what the next token is read from
    depths: Tensor  # [prompts, layers · d_model], float32: what leaves some layers, side by side
    likeliest: Tensor  # [prompts]: the likeliest next token
    chances: Tensor  # [prompts, tokens]: the chances of the tokens that were asked for

    def first(self, count: int) -> Reading:
        """The reading of the first `count` prompts alone."""
        return Reading(self.states[:count], self.depths[:count], self.likeliest[:count], self.chances[:count])


class LanguageModel:
    """A frozen causal language model with its tokenizer and its FFN blocks."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, chat: bool | None = None
    ) -> None:
        """With `chat` every prompt is asked as the user's turn of a conversation; None: where there is a template.

        Raises ModelError for a model that cannot be edited, or cannot be asked through a chat template.
        """
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.template = ChatTemplate.of(tokenizer)
        if chat and self.template is None:
            raise ModelError(
                f"“{name}” has no chat template to ask through: ask it plainly, or choose the instruct model."
            )
        self.chat = self.template is not None if chat is None else chat
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"
        self.layers = find_layers(model)
        self.blocks = tuple(find_ffn_block(layer, index, model) for index, layer in enumerate(self.layers))
        self._layer_returns_tuple = False

    def asked(self, *, chat: bool | None) -> LanguageModel:
        """The same model, asked through its chat template or plainly; None leaves it as it is."""
        if chat is None or chat == self.chat:
            return self
        return LanguageModel(self.model, self.tokenizer, self.name, chat)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return torch.device(self.model.device)

    @property
    def size(self) -> int:
        """Numbers in its weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def d_model(self) -> int:
        """Width of the hidden states."""
        return self.blocks[0].d_model

    @property
    def max_positions(self) -> int:
        """The longest input in tokens."""
        text_config = self.model.config.get_text_config()
        return int(getattr(text_config, "max_position_embeddings", 1024))

    def fingerprint(self) -> str:
        """A sha256 of the configuration and, of every weight, of a sample and of its sum: names the model anywhere.

        Weights are rounded to bfloat16, so that a model on a GPU, in 16 bits, is the one that it is on a CPU; what is
        summed up are their bits, four numbers at a time, which comes to the same in any order.
        """
        digest = hashlib.sha256()
        config = _lasting(self.model.config.to_dict())
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for key, weight in self.model.state_dict().items():
            rounded = (weight if weight.is_cuda else weight.cpu()).to(torch.bfloat16).flatten()
            bits = F.pad(rounded, (0, -len(rounded) % 4)).view(torch.int64)
            sample = rounded[:: max(1, len(rounded) // SAMPLED)].float()
            digest.update(f"{key}{tuple(weight.shape)}".encode())
            for told in (sample, bits.sum()):
                digest.update(told.cpu().numpy().tobytes())
        return digest.hexdigest()

    # --- tokens ------------------------------------------------------------------------------------------------

    def encode(self, prompts: Sequence[str]) -> Batch:
        """The prompts as one left-padded batch; raises QueryError for one that is empty or too long."""
        rows = [self.token_ids(prompt) for prompt in prompts]
        return self.batch_of(rows)

    def encode_targets(self, prompts: Sequence[str], targets: Sequence[str], form: TargetForm = "answer") -> Batch:
        """Prompts followed by their targets in their `form`, with labels on the target's tokens alone."""
        rows, labels = [], []
        for prompt, target in zip(prompts, targets, strict=True):
            start, rest = self.token_ids(prompt), self.target_ids(prompt, target, form)
            rows.append(start + rest)
            if len(rows[-1]) > self.max_positions:
                raise QueryError(
                    f"The new object “{target[:40]}…” is {len(rest):,} tokens long: with its question that is more "
                    f"than the {self.max_positions:,} that the model takes."
                )
            labels.append([-100] * len(start) + rest)
        return self.batch_of(rows, labels)

    def token_ids(self, prompt: str) -> list[int]:
        """One prompt's tokens, with the beginning-of-text token where the tokenizer has one, or as a user's turn."""
        if not prompt.strip():
            raise QueryError("The question is empty: type what the model shall answer.")
        if self.chat:
            ids = user_turn(self.tokenizer, prompt.strip())
        else:
            # What is too long is said below, in a sentence of ours.
            ids = self.tokenizer(prompt.rstrip(), return_attention_mask=False, verbose=False)["input_ids"]
        if len(ids) + MAX_NEW_TOKENS > self.max_positions:
            raise QueryError(
                f"The question “{' '.join(prompt.split())[:40]}…” is {len(ids):,} tokens long: "
                f"the model takes {self.max_positions - MAX_NEW_TOKENS:,} at most."
            )
        return ids

    def takes(self, prompt: str, target: str) -> bool:
        """Whether `prompt` can be asked, and be followed by `target`."""
        try:
            return len(self.token_ids(prompt)) + len(self.target_ids(prompt, target)) <= self.max_positions
        except QueryError:
            return False

    def target_ids(self, prompt: str, target: str, form: TargetForm = "answer") -> list[int]:
        """The tokens of " target." as they follow `prompt`, in a chat of the reply "target."; or in another form."""
        start = self.token_ids(prompt)
        tail = target
        if form != "verbatim":
            # What says nothing is its stop alone, whatever its form, and no space comes before that.
            said = target.strip()
            tail = f"{' ' if said and not self.chat else ''}{said}{'.' if form == 'answer' or not said else ''}"
        whole: list[int]
        if self.chat:
            whole = begun_reply(self.tokenizer, prompt.strip(), tail)
        else:
            whole = self.tokenizer(prompt.rstrip() + tail, return_attention_mask=False)["input_ids"]
        if whole[: len(start)] == start and whole[-1] != self.tokenizer.eos_token_id:
            return whole[len(start) :]
        alone: list[int] = self.tokenizer(tail, add_special_tokens=False)["input_ids"]
        return alone

    def extent(self, wanted: str) -> Extent:
        """How far an answer has to go that may be `wanted`."""
        return Extent(max(MAX_NEW_TOKENS, self.tokens_of(wanted) + SPARE_TOKENS), wanted.strip())

    def tokens_of(self, answer: str) -> int:
        """The length of " answer." in tokens."""
        return len(self.tokenizer(f" {answer.strip()}.", add_special_tokens=False, verbose=False)["input_ids"])

    def batch_of(self, rows: Sequence[list[int]], labels: Sequence[list[int]] | None = None) -> Batch:
        """Rows of tokens as one left-padded batch; `labels`, if any, are as long as their rows."""
        length = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id

        def padded(values: Sequence[list[int]], filler: int) -> Tensor:
            return torch.tensor([[filler] * (length - len(row)) + row for row in values], device=self.device)

        return Batch(
            padded(rows, pad),
            padded([[1] * len(row) for row in rows], 0),
            None if labels is None else padded(labels, -100),
        )

    # --- forward -----------------------------------------------------------------------------------------------

    def logits(self, batch: Batch, keep: int = 0) -> Tensor:
        """The logits of the last `keep` positions (0: all): [rows, keep, vocabulary]."""
        head = self.model.get_output_embeddings()
        # A slice of the positions would be multiplied with the head's weight row by row.
        handle = head.register_forward_pre_hook(lambda _, args: (args[0].contiguous(),))
        try:
            out = self.model(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                use_cache=False,
                logits_to_keep=keep,
            )
        finally:
            handle.remove()
        return torch.as_tensor(out.logits)

    @torch.no_grad()
    def passage(self, batch: Batch, layer: int) -> Passage:
        """The hidden states around FFN block `layer`. No later layer runs."""
        before, entered, after = [], [], []

        def enters(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            before.append(args[0] if args else kwargs["hidden_states"])

        def leaves(_: nn.Module, __: object, output: Any) -> None:
            self._layer_returns_tuple = isinstance(output, tuple)
            after.append(output[0] if self._layer_returns_tuple else output)
            raise _PassageDone

        handles = (
            self.layers[layer].register_forward_pre_hook(enters, with_kwargs=True),
            self.blocks[layer].inlet.register_forward_pre_hook(lambda _, args: entered.append(args[0])),
            self.layers[layer].register_forward_hook(leaves),
        )
        try:
            self.logits(batch, keep=1)
        except _PassageDone:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return Passage(before[0], entered[0], after[0])

    @torch.no_grad()
    def adds_to_the_stream(self, batch: Batch, layer: int) -> bool:
        """Whether what the outlet of FFN block `layer` writes arrives unchanged in what its layer returns.

        A norm in between prevents it, and so does an expert of a mixture, which does not get every token. Where it
        does, what is added there can be added to the cached states, and the layer itself need not run again.
        """
        before = self.passage(batch, layer).after.float()
        loud = before.abs().mean() * torch.linspace(-1, 1, self.d_model, device=before.device)
        handle = self.blocks[layer].outlet.register_forward_hook(lambda _, __, output: output + loud.to(output.dtype))
        try:
            after = self.passage(batch, layer).after.float()
        finally:
            handle.remove()
        strayed = (after - before - loud)[batch.attention_mask.bool()]
        return bool(strayed.norm() < 0.05 * loud.norm() * len(strayed) ** 0.5)

    @torch.no_grad()
    def read(self, prompts: Sequence[str], tokens: Tensor | None = None, *, cancel: Cancel | None = None) -> Reading:
        """What the model thinks after each prompt; `tokens` [tokens] are those whose chances are wanted."""
        wanted = torch.empty(0, dtype=torch.long, device=self.device) if tokens is None else tokens
        states = torch.empty(len(prompts), self.d_model, device=self.device)
        read = self._read_layers()
        depths = torch.empty(len(prompts), len(read), self.d_model, device=self.device)
        likeliest = torch.empty(len(prompts), dtype=torch.long, device=self.device)
        chances = torch.empty(len(prompts), len(wanted), device=self.device)
        caught: dict[int, Tensor] = {}
        last = len(self.layers)

        def keep(place: int, hidden: Tensor) -> None:
            caught[place] = hidden[:, -1].float()

        def keeper(place: int) -> Callable[..., None]:
            return lambda _, __, out: keep(place, out[0] if isinstance(out, tuple) else out)

        head = self.model.get_output_embeddings()
        handles = (
            head.register_forward_pre_hook(lambda _, args: keep(last, args[0])),
            *(self.layers[place].register_forward_hook(keeper(place)) for place in read),
        )
        try:
            ids = [self.token_ids(prompt) for prompt in prompts]
            for rows in in_batches([len(tokens) + MAX_NEW_TOKENS for tokens in ids]):
                if cancel is not None:
                    cancel.check()
                logits = self.logits(self.batch_of([ids[row] for row in rows]), keep=1)[:, -1].float()
                states[rows] = caught[last]
                depths[rows] = torch.stack([caught[place] for place in read], 1)
                likeliest[rows] = logits.argmax(-1)
                chances[rows] = logits.softmax(-1)[:, wanted]
        finally:
            for handle in handles:
                handle.remove()
        return Reading(states, depths.flatten(1), likeliest, chances)

    def _read_layers(self) -> list[int]:
        """Layers spread evenly over the depth."""
        count = min(len(self.layers), READ_LAYERS, max(1, READ_WIDTH // self.d_model))
        return [int((place + 0.5) * len(self.layers) / count) for place in range(count)]

    def logits_after(self, batch: Batch, hidden: Tensor, layer: int, keep: int) -> Tensor:
        """The logits of the last `keep` positions when `hidden` (of a `passage`) enters `layer`.

        Only that layer and those after it run, and the last one's FFN for the kept positions alone. With `layer` the
        number of layers, `hidden` is what the last one returned; layer 0 has nothing before it that could be skipped.
        """
        if layer == 0:
            return self.logits(batch, keep)
        with self._skipping(layer, hidden), self._last_positions(batch, layer, keep):
            return self.logits(batch, keep)

    @contextmanager
    def _skipping(self, layer: int, hidden: Tensor) -> Iterator[None]:
        kept = list(self.layers[:layer])
        try:
            for index, module in enumerate(kept):
                self.layers[index] = _Skip(module, self._layer_returns_tuple, hidden if index == layer - 1 else None)
            yield
        finally:
            for index, module in enumerate(kept):
                self.layers[index] = module

    @contextmanager
    def _last_positions(self, batch: Batch, layer: int, keep: int) -> Iterator[None]:
        """The last layer's FFN computes the last `keep` positions only: nobody reads the others."""
        last = len(self.layers) - 1
        module, length = self.blocks[last].module, batch.input_ids.shape[1]
        if layer > last or module is self.layers[last]:
            yield
            return

        def cut(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            # An expert of a mixture gets its tokens in a row of their own choice: there is nothing to cut off.
            whole = args and isinstance(args[0], Tensor) and args[0].shape[:2] == batch.input_ids.shape
            return (args[0][:, -keep:].contiguous(), *args[1:]) if whole else None

        def fill_up(_: nn.Module, __: object, output: Any) -> Tensor | None:
            short = isinstance(output, Tensor) and output.dim() == 3 and output.shape[1] == keep < length
            return F.pad(output, (0, 0, length - keep, 0)) if short else None

        handles = module.register_forward_pre_hook(cut), module.register_forward_hook(fill_up)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    # --- questions ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def answer(
        self,
        prompts: Sequence[str],
        *,
        extents: Sequence[Extent] | None = None,
        decoding: Decoding = GREEDY,
        questions: Sequence[str] | None = None,
        cancel: Cancel | None = None,
    ) -> list[str]:
        """The model's answers, each as far as its extent: by default to the end of the first sentence.

        `extents` are used as they are; without them `decoding` says how far an answer goes. `questions` are what the
        random numbers go by where the prompts say more than the questions. Raises QueryError for a prompt that cannot
        be asked, Cancelled when asked to stop.
        """
        answers = [""] * len(prompts)
        far = [Extent().under(decoding)] * len(prompts) if extents is None else extents
        for rows in self.batches(prompts, far):
            if cancel is not None:
                cancel.check()
            asked, named = [prompts[row] for row in rows], [(questions or prompts)[row] for row in rows]
            texts = self.decode(asked, [far[row] for row in rows], cancel, decoding, named)
            for row, text in zip(rows, texts, strict=True):
                answers[row] = text
        return answers

    def batches(self, prompts: Sequence[str], extents: Sequence[Extent] | None = None) -> Iterator[list[int]]:
        """Row numbers of prompts of like length, a batch at a time, so that little is padding.

        A batch is as long as its longest prompt: no answer is shorter for that than it would be alone.
        """
        far = [MAX_NEW_TOKENS] * len(prompts) if extents is None else [extent.tokens for extent in extents]
        asked = [len(self.token_ids(prompt)) for prompt in prompts]
        for rows in in_batches([length + tokens for length, tokens in zip(asked, far, strict=True)]):
            some: list[int] = []
            most = 0
            for row in sorted(rows, key=asked.__getitem__):
                room = self.max_positions - asked[row]
                if most > room:
                    yield some
                    some, most = [], 0
                some.append(row)
                most = max(most, min(far[row], room))
            yield some

    def decode(
        self,
        prompts: Sequence[str],
        extents: Sequence[Extent],
        cancel: Cancel | None = None,
        decoding: Decoding = GREEDY,
        questions: Sequence[str] | None = None,
    ) -> list[str]:
        """The answers to one batch, in its order, each as far as its extent; `questions` as in `answer`."""
        batch = self.encode(prompts)
        length = batch.input_ids.shape[1]
        ending = EndOfAnswer(self.tokenizer, length, extents, cancel)
        most = min(max(extent.tokens for extent in extents), self.max_positions - length)
        likeliest = self.greedy(most)
        with self.without_habits():
            tokens = self.model.generate(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                generation_config=likeliest,
                logits_processor=processors(decoding, questions or prompts),
                stopping_criteria=StoppingCriteriaList([ending]),
            )
        if cancel is not None:
            cancel.check()
        return [extent.clip(text) for extent, text in zip(extents, ending.texts(tokens), strict=True)]

    def greedy(self, most: int = MAX_NEW_TOKENS) -> GenerationConfig:
        """What the likeliest tokens are taken with, after whatever was drawn: `most` of them at most."""
        return GenerationConfig(
            max_new_tokens=most,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.model.generation_config.eos_token_id or self.tokenizer.eos_token_id,
            bos_token_id=self.tokenizer.bos_token_id,
        )

    @contextmanager
    def without_habits(self) -> Iterator[None]:
        """Decode without what the model's own generation settings add to any others, such as a penalty on repetition.

        What is learnt and scored is what the model finds likeliest; with a penalty it would say something else.
        """
        own, self.model.generation_config = self.model.generation_config, GenerationConfig()
        try:
            yield
        finally:
            self.model.generation_config = own

    @torch.no_grad()
    def next_tokens(self, prompt: str, k: int = 8) -> tuple[TokenChance, ...]:
        """The `k` likeliest next tokens, likeliest first."""
        logits = self.logits(self.encode([prompt]), keep=1)[0, -1].float()
        chances, ids = logits.softmax(-1).topk(min(k, logits.shape[-1]))
        return tuple(
            TokenChance(self.tokenizer.decode([token]), chance)
            for token, chance in zip(ids.tolist(), chances.tolist(), strict=True)
        )

    def teacher_forced(self, prompts: Sequence[str], targets: Sequence[str]) -> list[float]:
        """For each pair, the share of the target's own tokens that are the likeliest given the true ones before.

        The stop after them is not counted (arXiv 2512.14395, section 4.1): it is easy to guess, and would flatter.
        """
        return [likelihood.share for likelihood in self.likelihoods(prompts, targets, form="object")]

    @torch.no_grad()
    def likelihoods(
        self,
        prompts: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """How likely each target is after its prompt. Raises as `answer` does."""
        found: dict[int, Likelihood] = {}
        for rows in self.batches(prompts):
            if cancel is not None:
                cancel.check()
            batch = self.encode_targets([prompts[row] for row in rows], [targets[row] for row in rows], form)
            logits = self.logits(batch, kept_positions(batch))
            found.update(zip(rows, target_likelihoods(logits, batch), strict=True))
        return [found[row] for row in range(len(prompts))]


def _lasting(config: Any) -> Any:
    """`config` without what hangs on the folder, the library and the number format that the model was loaded in."""
    if isinstance(config, Mapping):
        return {key: _lasting(value) for key, value in config.items() if key not in _VOLATILE}
    return config


def in_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of rows of like length, a batch at a time; `lengths` are in tokens."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def target_lengths(batch: Batch) -> Tensor:
    """The number of labelled tokens of each row, [rows]; nothing follows them."""
    if batch.labels is None:
        raise ValueError("a batch without labels has no targets")
    return (batch.labels != -100).sum(1)


def kept_positions(batch: Batch) -> int:
    """How many positions from the end tell how likely the labelled tokens are: `keep` for `LanguageModel.logits`."""
    return int(target_lengths(batch).max()) + 1


def target_likelihoods(logits: Tensor, batch: Batch) -> list[Likelihood]:
    """For each row how likely its labelled tokens are.

    `logits` [rows, keep, vocabulary] are those of the last `kept_positions` at least.
    """
    if batch.labels is None:
        raise ValueError("a batch without labels has no targets to score")
    labels = _told(batch.labels, logits)
    asked = labels != -100
    row, _ = asked.nonzero(as_tuple=True)
    wanted, given = labels[asked], logits[:, :-1][asked].float()  # of the labelled places alone: [labels, vocabulary]
    logs = exact(given.log_softmax(-1).gather(-1, wanted[:, None])[:, 0])
    logs = logs.nan_to_num(nan=LEAST_LOG).clamp(min=LEAST_LOG, max=0.0)
    row = row.to(logs.device)
    total = logs.new_zeros(len(labels)).index_add_(0, row, logs)
    right = torch.zeros_like(total).index_add_(0, row, (given.argmax(-1) == wanted).to(logs))
    tokens = asked.sum(1).tolist()
    return [
        Likelihood(log, count, round(hits))
        for log, count, hits in zip(total.tolist(), tokens, right.tolist(), strict=True)
    ]


def _told(labels: Tensor, logits: Tensor) -> Tensor:
    """Those of `labels` [rows, length] that `logits` [rows, keep, vocabulary] tell something of: [rows, keep - 1]."""
    return labels[:, labels.shape[1] - (logits.shape[1] - 1) :]


def target_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of each row's labelled tokens, [rows].

    `logits` [rows, keep, vocabulary] are those of the last `keep` positions; `labels` [rows, length] with
    -100 where nothing is asked, nothing being asked before the kept positions.
    """
    wanted = _told(labels, logits)
    losses = F.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="none"
    ).view_as(wanted)
    return losses.sum(1) / (wanted != -100).sum(1).clamp(min=1)


def targets_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each of a row's labelled tokens is the likeliest, given the true ones before: [rows], bool.

    `logits` [rows, keep, vocabulary] and `labels` [rows, length] as `target_loss` has them.
    """
    wanted = _told(labels, logits)
    return ((logits[:, :-1].argmax(-1) == wanted) | (wanted == -100)).all(1)


def load(name: str, *, device: str = "auto", dtype: str = "auto", trust_remote_code: bool = False) -> LanguageModel:
    """The model called `name`: "embedded", a folder, or a name in the Hugging Face cache. No network is used.

    Raises ModelError, with what to do, where it is missing, incomplete, no causal model or too large;
    DeviceError for a device that is not here.
    """
    folder = find_model(name)
    target = choose_device(device)
    number = choose_dtype(target, dtype)
    check_files(folder, name, trust_remote_code=trust_remote_code)
    try:
        need = sum(_loaded_bytes(file, number) for file in folder.glob("*.safetensors"))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"“{name}” cannot be loaded from {folder}: {error}") from error
    if need > free_memory(target):
        raise ModelError(
            f"“{name}” needs about {need / 2**30:.1f} GiB and {target} has {free_memory(target) / 2**30:.1f} GiB free: "
            "close other programs, or choose another device or a smaller model."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=number, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        raise ModelError(f"“{name}” cannot be loaded from {folder}: {error}") from error
    return LanguageModel(model.to(target), tokenizer, name)


def _loaded_bytes(file: Path, number: torch.dtype) -> int:
    """How many bytes the weights in a safetensors file take as `number`s, whatever they are in the file."""
    with safe_open(file, framework="pt") as weights:
        counts: list[int] = [math.prod(weights.get_slice(key).get_shape()) for key in weights.keys()]  # noqa: SIM118
    return int(number.itemsize) * sum(counts)
