"""Any task of lm-eval (EleutherAI's evaluation harness) on the original and the edited model.

lm-eval is an optional extra and brings its own data, from its cache or from the network: where it is missing, a
sentence says how to install it. A gate sees the whole context of a request. A context longer than the model takes
loses its beginning, and where there is no context the first word of the text is it, and is not scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from engine.decoding import MAX_TOKENS, Decoding
from engine.evaluation.protocol import Figure, ProtocolError, Row
from engine.evaluation.sides import Side, edited_side, original_side
from engine.evaluation.tasks import TASKS
from engine.runs import Cancel
from engine.stopping import MAX_NEW_TOKENS

if TYPE_CHECKING:
    from engine.editor import EditedModel

BATCH = 64
TOKENS = 256
"""Tokens of an answer where a task does not say."""
HOW = "Install it with `pip install 'meg-studio[abilities]'`, or give a data file of the task."


def check(names: Sequence[str]) -> None:
    """Raise ProtocolError where lm-eval is not installed, or has no such task as a name of TASKS asks for."""
    for name in names:
        if name in TASKS and TASKS[name].harness is None:
            raise ProtocolError(f"lm-eval has no task for {TASKS[name].title}: give a data file of it.")
    if find_spec("lm_eval") is None:
        raise ProtocolError(f"The tasks {', '.join(names)} need lm-eval, which is not installed. {HOW}")


def run(
    edited: EditedModel,
    names: Sequence[str],
    *,
    most: int | None = None,
    seed: int = 0,
    cancel: Cancel | None = None,
) -> tuple[list[Figure], list[Row]]:
    """A figure for each metric of each task, called “task metric”, and a row for each question of each task.

    `names` are those of TASKS or lm-eval's own; at most `most` questions of each are asked. Raises ProtocolError where
    lm-eval cannot be used or gives no result, Cancelled when asked to stop.
    """
    check(names)
    tasks = [TASKS[name].harness or name if name in TASKS else name for name in names]
    with original_side(edited, cancel) as side:
        before = _evaluate(side, tasks, most, seed)
    with edited_side(edited, cancel) as side:
        after = _evaluate(side, tasks, most, seed)
    return list(_figures(before, after)), list(_rows(before, after))


def _evaluate(side: Side, tasks: Sequence[str], most: int | None, seed: int) -> dict[str, Any]:
    lm_eval = import_module("lm_eval")
    try:
        result = lm_eval.simple_evaluate(
            model=adapter(side),
            tasks=list(tasks),
            limit=most,
            bootstrap_iters=0,
            log_samples=True,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except (KeyError, ValueError, OSError, ImportError) as error:
        raise ProtocolError(f"lm-eval cannot run {', '.join(tasks)}: {error}") from error
    if not result:
        raise ProtocolError(f"lm-eval gave no result for {', '.join(tasks)}.")
    return dict(result)


def _figures(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Figure]:
    for task, metrics in after["results"].items():
        asked = len(after.get("samples", {}).get(task, ()))
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
            query = other["arguments"][0][0] if other.get("arguments") else ""
            yield Row(
                task,
                str(query),
                wanted=str(other.get("target", "")),
                original=str(one.get("filtered_resps", "")),
                edited=str(other.get("filtered_resps", "")),
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
    ids: list[int] = tokenizer(context, add_special_tokens=False)["input_ids"]
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
