"""lm-eval's tasks on data files that lie here: its own prompts and metrics, without its data and without a network.

A task of `engine.evaluation.tasks` takes the file that it takes there, and one that lm-eval does not have is asked and
scored as there. Any other task of lm-eval takes JSON lines with the fields that the task itself knows. Examples in the
prompt would come from the same file, so that there are none.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from assets.corpus import read_reviews
from engine.evaluation.protocol import ProtocolError
from engine.evaluation.tasks import TASKS, Item, Task, read_task, records, score

GROUP = "local files"
"""What lm-eval calls the tasks that are given to it here, together."""
SPLITS = ("train", "validation", "test")
SCORE = "score"


def specs(names: Mapping[str, Path | None]) -> list[str | dict[str, Any]]:
    """What lm-eval is asked to run: tasks by their names and, with a file, as tasks of other data.

    Raises ProtocolError for a file that cannot be used.
    """
    found: list[str | dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for name, path in names.items():
        if path is None and name in _MENDED:
            changed.append({"task": harness_name(name), **_MENDED[name]})
        elif path is None:
            found.append(harness_name(name))
        elif name in TASKS and TASKS[name].harness is None:
            found.append(_own(*read_task(name, path)))
        else:
            changed.append(_changed(name, path))
    # lm-eval fills up what is left unsaid of a task where that is one of a group, and nowhere else.
    return [*found, *([{"group": GROUP, "task": changed}] if changed else [])]


def harness_name(name: str) -> str:
    """What lm-eval calls a task. Raises ProtocolError where it has no such task."""
    if name not in TASKS:
        return name
    task = TASKS[name]
    if task.harness is None:
        raise ProtocolError(f"lm-eval has no data for {task.title}: give a file of it, as {name}=FILE.")
    return task.harness


def _changed(name: str, path: Path) -> dict[str, Any]:
    """What is otherwise than in lm-eval's own settings of a task when it reads `path`."""
    if name in TASKS:
        rows = [_FIELDS[name](row) for row in _rows(*read_task(name, path), path)]
    else:
        rows = [record for _, record in records(path)]
    return {"task": harness_name(name), "num_fewshot": 0, "custom_dataset": _data(rows), **_MENDED.get(name, {})}


def _rows(task: Task, items: Sequence[Item], path: Path) -> list[dict[str, Any]]:
    """The records of a file that `items` were read from, each with the place of its right choice."""
    if task.name == "sst2":
        found = [{"sentence": review.text} for review in read_reviews(path)]
    else:
        found = [record for _, record in records(path)]
    places = [item.choices.index(item.wanted[0]) if item.choices else None for item in items]
    return [{**record, "place": place} for record, place in zip(found, places, strict=True)]


def _own(task: Task, items: Sequence[Item]) -> dict[str, Any]:
    """A task that lm-eval does not have, asked and scored as in `engine.evaluation.tasks`."""
    by_number = dict(enumerate(items))

    def scored(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
        return {SCORE: score(task, by_number[doc["number"]], results[0])}

    rows = [{"number": number, "prompt": item.prompt, "wanted": item.wanted[0]} for number, item in by_number.items()]
    return {
        "task": task.name,
        "num_fewshot": 0,
        "dataset_path": task.name,
        "custom_dataset": _data(rows),
        "test_split": "test",
        "output_type": "generate_until",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": task.tokens},
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{wanted}}",
        "process_results": scored,
        "metric_list": [{"metric": SCORE, "aggregation": "mean", "higher_is_better": True}],
    }


def _data(rows: Sequence[Mapping[str, Any]]) -> Callable[..., Any]:
    """What gives lm-eval these rows, whichever part of the data it asks for."""

    def read(**_: Any) -> Any:
        datasets = import_module("datasets")
        table = datasets.Dataset.from_list([dict(row) for row in rows])
        return datasets.DatasetDict(dict.fromkeys(SPLITS, table))

    return read


_FIELDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "gsm8k": lambda row: {"question": row["question"], "answer": row["answer"]},
    "rte": lambda row: {"sentence1": row["sentence1"], "sentence2": row["sentence2"], "label": row["place"]},
    "nq": lambda row: {"question": str(row["question"]).rstrip("?"), "answer": row["answer"]},
    "boolq": lambda row: {
        "passage": row["passage"],
        "question": str(row["question"]).rstrip("?"),
        "label": row["place"],
    },
    "mutual": lambda row: {
        "article": row["article"],
        "options": row["options"],
        "answers": string.ascii_uppercase[row["place"]],
    },
    "sst2": lambda row: {"sentence": row["sentence"], "label": row["place"]},
}
"""By a name of TASKS: a record of its file as the task of lm-eval has it."""


def _ranked(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """MuTual's metrics by the log-probabilities of the replies."""
    logs = [log for log, _ in results]
    place = string.ascii_uppercase.index(doc["answers"])
    before = sum(log > logs[place] for log in logs)
    return {"r@1": float(before == 0), "r@2": float(before <= 1), "mrr": 1 / (1 + before)}


# lm-eval 0.4.13 takes whether a reply is the likeliest text for one more log-probability: its r@1 is no share of
# right replies.
_MENDED: Mapping[str, dict[str, Any]] = {"mutual": {"process_results": _ranked}}
