"""Any task of lm-eval (EleutherAI's evaluation harness) on the original and the edited model.

lm-eval is an optional extra: where it is missing, a sentence says how to install it. It brings its own data, from its
cache or from the network, unless a task is given a file. A gate sees the whole context of a request, and a model that
is asked through its chat template gets it as the user's turn. A context longer than the model takes loses its
beginning, and where there is no context the first word of the text is it, and is not scored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.decoding import MAX_TOKENS, Decoding
from engine.evaluation.harness_data import specs
from engine.evaluation.protocol import Figure, ProtocolError, Row
from engine.evaluation.sides import Side, edited_side, original_side
from engine.runs import Cancel
from engine.stopping import MAX_NEW_TOKENS

if TYPE_CHECKING:
    from engine.editor import EditedModel

BATCH = 64
TOKENS = 256
"""Tokens of an answer where a task does not say."""
HOW = "Install it with `pip install 'meg-studio[abilities]'`, or give a data file of the task."


def check(names: Mapping[str, Path | None]) -> None:
    """Raise ProtocolError where lm-eval is not installed, has no data for a task, or a task's file cannot be used."""
    specs(names)
    if find_spec("lm_eval") is None:
        raise ProtocolError(f"The tasks {', '.join(names)} need lm-eval, which is not installed. {HOW}")


def run(
    edited: EditedModel,
    names: Mapping[str, Path | None],
    *,
    most: int | None = None,
    seed: int = 0,
    cancel: Cancel | None = None,
) -> tuple[list[Figure], list[Row]]:
    """A figure for each metric of each task, called “task metric”, and a row for each question of each task.

    `names` are those of TASKS or lm-eval's own, each with a file of its questions or None for lm-eval's own data; at
    most `most` questions of each are asked. Raises ProtocolError where lm-eval cannot be used or gives no result,
    Cancelled when asked to stop.
    """
    check(names)
    with original_side(edited, cancel) as side:
        before = _evaluate(side, names, most, seed)
    with edited_side(edited, cancel) as side:
        after = _evaluate(side, names, most, seed)
    return list(_figures(before, after)), list(_rows(before, after))


def _evaluate(side: Side, names: Mapping[str, Path | None], most: int | None, seed: int) -> dict[str, Any]:
    lm_eval = import_module("lm_eval")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it tells of every setting that it fills up itself
    try:
        result = lm_eval.simple_evaluate(
            model=adapter(side),
            tasks=specs(names),
            limit=most,
            bootstrap_iters=0,
            log_samples=True,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except OSError as error:  # which a connection that is refused is too
        raise ProtocolError(
            f"lm-eval cannot run {', '.join(names)}: {error}. Where data cannot be fetched, give a file, as NAME=FILE."
        ) from error
    except (KeyError, ValueError, ImportError) as error:
        raise ProtocolError(f"lm-eval cannot run {', '.join(names)}: {error}") from error
    if not result:
        raise ProtocolError(f"lm-eval gave no result for {', '.join(names)}.")
    return dict(result)


def _figures(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Figure]:
    for task, metrics in after["results"].items():
        # A question is told of once for each way in which its answer is read.
        asked = len({sample["doc_id"] for sample in after.get("samples", {}).get(task, ())})
        for name, value in metrics.items():
            metric, _, kept = name.partition(",")
            if not isinstance(value, int | float) or metric.endswith("_stderr") or not kept:
                continue
            told = metric if kept == "none" else f"{metric}, {kept}"
            was = before["results"][task][name]
            yield Figure(f"{task} {told}", f"As lm-eval measures {task}.", float(was), float(value), asked)


def _rows(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Row]:
    for task, samples in after.get("samples", {}).items():
        for one, other in zip(before["samples"][task], samples, strict=True):
            read = other["filter"]
            yield Row(
                task if read == "none" else f"{task}, {read}",
                str(other["arguments"][0][0]),
                wanted=str(other["target"]),
                original=str(one["filtered_resps"]),
                edited=str(other["filtered_resps"]),
            )


def adapter(side: Side) -> Any:
    """One model as lm-eval asks models: an `lm_eval.api.model.LM`. Its base is there once lm-eval is imported."""
    base: Any = import_module("lm_eval.api.model").LM

    class Adapter(base):
        """Answers lm-eval's three kinds of request."""

        def loglikelihood(self, requests: Sequence[Any], **_: Any) -> list[tuple[float, bool]]:
            """The log-probability of each continuation, and whether greedy decoding would write it."""
            pairs = [_split(*request.args) for request in requests]
            found: list[tuple[float, bool]] = []
            for start in range(0, len(pairs), BATCH):
                some = pairs[start : start + BATCH]
                queries = [_last(side, context, continuation) for context, continuation in some]
                weighed = side.weigh(queries, [continuation for _, continuation in some], "verbatim")
                found += [(one.log, one.right == one.tokens) for one in weighed]
            return found

        def loglikelihood_rolling(self, requests: Sequence[Any], **_: Any) -> list[float]:
            """The log-probability of each text after its first word, in pieces where it is longer than the model."""
            return [sum(self._pieces(request.args[0])) for request in requests]

        def _pieces(self, text: str) -> Iterator[float]:
            words = text.split()
            left = [words] if len(words) > 1 else []
            while left:
                piece = left.pop()
                if side.model.tokens_of(" ".join(piece)) > side.model.max_positions // 2 and len(piece) > 3:
                    left += [piece[len(piece) // 2 :], piece[: len(piece) // 2]]
                else:
                    (one,) = side.weigh([piece[0]], [" " + " ".join(piece[1:])], "verbatim")
                    yield one.log

        def generate_until(self, requests: Sequence[Any], **_: Any) -> list[str]:
            """What is written after each context, up to the first of its stops."""
            texts: dict[int, str] = {}
            asked: dict[Decoding, list[int]] = {}
            for row, request in enumerate(requests):
                asked.setdefault(_decoding(request.args[1]), []).append(row)
            for decoding, rows in asked.items():
                for start in range(0, len(rows), BATCH):
                    some = rows[start : start + BATCH]
                    queries = [_last(side, requests[row].args[0], "") for row in some]
                    for row, text in zip(some, side.write(queries, decoding), strict=True):
                        texts[row] = _until(text, requests[row].args[1].get("until") or ())
            return [texts[row] for row in range(len(requests))]

    return Adapter()


def _split(context: str, continuation: str) -> tuple[str, str]:
    """A context that ends in a word, and the continuation with the space between them."""
    kept = context.rstrip()
    if kept:
        return kept, context[len(kept) :] + continuation
    first, space, rest = continuation.lstrip().partition(" ")
    return first, space + rest


def _last(side: Side, context: str, continuation: str) -> str:
    """As much of the end of `context` as the model takes with a continuation, an answer and a fact before it."""
    tokenizer = side.model.tokenizer
    ids: list[int] = tokenizer(context, add_special_tokens=False, verbose=False)["input_ids"]
    room = side.model.max_positions - 2 * MAX_NEW_TOKENS
    if continuation:
        room -= len(tokenizer(continuation, add_special_tokens=False)["input_ids"])
    if len(ids) <= room:
        return context
    text: str = tokenizer.decode(ids[-max(room, 1) :], skip_special_tokens=True)
    return text


def _decoding(arguments: dict[str, Any]) -> Decoding:
    drawn = bool(arguments.get("do_sample")) and float(arguments.get("temperature") or 0) > 0
    return Decoding(
        temperature=float(arguments["temperature"]) if drawn else 0.0,
        max_new_tokens=min(int(arguments.get("max_gen_toks") or TOKENS), MAX_TOKENS),
        first_sentence=False,
    )


def _until(text: str, stops: str | Sequence[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        if stop:
            text = text.partition(stop)[0]
    return text
