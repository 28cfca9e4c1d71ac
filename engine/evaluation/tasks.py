"""Tasks whose scores say what an edited model can still do, read from local data files: nothing is fetched.

Prompts are zero-shot. A choice is right where the right option has the highest log-probability; a number where the
last number of the text is the right one; an answer where it is one of the right ones, case and punctuation aside;
ROUGE-L is the F1 of the longest common subsequence of words; entities are the F1 of (name, kind) in a sentence.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assets.corpus import SENTIMENTS, ReviewError, read_reviews
from engine.evaluation.protocol import ProtocolError
from engine.strict_json import JsonFault, parse

Scoring = Literal["choice", "number", "answer", "rouge", "entities"]
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ENTITY = re.compile(r"([^,;()]+?)\s*\((PER|LOC|ORG|MISC)\)")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a task; with `choices`, `wanted` is the right one of them."""

    prompt: str
    wanted: tuple[str, ...]  # any of them is right
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what a data file holds, how it is asked and scored."""

    name: str
    title: str
    harness: str | None  # what lm-eval calls it; None: it has no such task
    scoring: Scoring
    tokens: int  # of an answer, at most
    form: str  # of a data file, for people to read
    read: Callable[[Path], list[Item]]


def score(task: Task, item: Item, text: str) -> float:
    """How right `text` is, 0 to 1; of a choice, `text` is the option that was chosen."""
    if task.scoring == "choice":
        return float(text in item.wanted)
    if task.scoring == "number":
        found = _NUMBER.findall(text)
        return float(bool(found) and _number(found[-1]) in map(_number, item.wanted))
    if task.scoring == "rouge":
        return max(rouge_l(text, wanted) for wanted in item.wanted)
    if task.scoring == "entities":
        return _f1(set(_entities(text)), set(_entities(item.wanted[0])))
    return float(_normal(text) in map(_normal, item.wanted))


def rouge_l(text: str, wanted: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), case aside."""
    words, others = re.findall(r"\w+", text.lower()), re.findall(r"\w+", wanted.lower())
    row = [0] * (len(others) + 1)
    for word in words:
        before, row = row, [0]
        for place, other in enumerate(others):
            row.append(before[place] + 1 if word == other else max(row[-1], before[place + 1]))
    common = row[-1]
    return 2 * common / (len(words) + len(others)) if common else 0.0


def _gsm8k(path: Path) -> list[Item]:
    items = []
    for number, record in records(path, "question", "answer"):
        _, marked, result = str(record["answer"]).rpartition("####")
        if not marked:
            raise ProtocolError(f"{path}, line {number}: the answer does not end in “#### ” and a number.")
        items.append(Item(f"Question: {record['question']}\nAnswer:", (result.strip(),)))
    return items


def _rte(path: Path) -> list[Item]:
    choices = ("True", "False")
    return [
        Item(
            f"{record['sentence1']}\nQuestion: {record['sentence2']} True or False?\nAnswer:",
            (choices[_label(path, number, record["label"], ("entailment", "not_entailment"))],),
            choices,
        )
        for number, record in records(path, "sentence1", "sentence2", "label")
    ]


def _natural_questions(path: Path) -> list[Item]:
    items = []
    for number, record in records(path, "question", "answer"):
        answers = record["answer"]
        if not isinstance(answers, list) or not answers:
            raise ProtocolError(f"{path}, line {number}: “answer” is no list of answers.")
        items.append(Item(f"Q: {str(record['question']).rstrip('?')}? A:", tuple(map(str, answers))))
    return items


def _boolq(path: Path) -> list[Item]:
    choices = ("no", "yes")
    return [
        Item(
            f"{record['passage']}\nQuestion: {str(record['question']).rstrip('?')}?\nAnswer:",
            (choices[_label(path, number, record["answer"], ("false", "true"))],),
            choices,
        )
        for number, record in records(path, "passage", "question", "answer")
    ]


def _mutual(path: Path) -> list[Item]:
    items = []
    for number, record in records(path, "article", "options", "answers"):
        options = record["options"]
        if not isinstance(options, list) or not options:
            raise ProtocolError(f"{path}, line {number}: “options” is no list of replies.")
        right = _label(path, number, record["answers"], string.ascii_uppercase[: len(options)].lower())
        items.append(Item(str(record["article"]), (str(options[right]),), tuple(map(str, options))))
    return items


def _samsum(path: Path) -> list[Item]:
    return [
        Item(f"{record['dialogue']}\nSummary:", (str(record["summary"]),))
        for _, record in records(path, "dialogue", "summary")
    ]


def _conll(path: Path) -> list[Item]:
    """A token and, last on its line, its tag a line (B-PER, I-PER, O); a blank line ends a sentence."""
    items: list[Item] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*_text(path).splitlines(), ""], 1):
        parts = line.split()
        if parts and parts[0] != "-DOCSTART-":
            if len(parts) < 2 or not re.fullmatch(r"O|[BI]-(PER|LOC|ORG|MISC)", parts[-1]):
                raise ProtocolError(f"{path}, line {number}: it does not end in a tag as B-PER, I-LOC or O.")
            words.append(parts[0])
            tags.append(parts[-1])
        elif words:
            prompt = f"Sentence: {' '.join(words)}\nNames in it, each with its kind (PER, LOC, ORG or MISC):"
            items.append(Item(prompt, (", ".join(f"{name} ({kind})" for name, kind in _spans(words, tags)),)))
            words, tags = [], []
    return items


def _spans(words: Sequence[str], tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    span: list[str] = []
    for word, tag, after in zip(words, tags, [*tags[1:], "O"], strict=True):
        if tag == "O":
            continue
        span.append(word)
        if after[2:] != tag[2:] or after.startswith("B-"):
            yield " ".join(span), tag[2:]
            span = []


def _sst2(path: Path) -> list[Item]:
    try:
        reviews = read_reviews(path)
    except ReviewError as error:
        raise ProtocolError(str(error)) from None
    except OSError as error:
        raise ProtocolError(f"{path} cannot be read: {error.strerror}.") from error
    examples = [review.example() for review in reviews]
    return [Item(example.prompt, (example.answer,), SENTIMENTS) for example in examples]


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("gsm8k", "GSM8K", "gsm8k", "number", 256, "JSON lines with question and answer (… #### 18)", _gsm8k),
        Task("rte", "RTE", "rte", "choice", 0, "JSON lines with sentence1, sentence2 and label (0: entailment)", _rte),
        Task(
            "nq",
            "Natural Questions",
            "nq_open",
            "answer",
            24,
            "JSON lines with question and a list called answer",
            _natural_questions,
        ),
        Task(
            "boolq", "BoolQ", "boolq", "choice", 0, "JSON lines with passage, question and answer (true, false)", _boolq
        ),
        Task(
            "mutual", "MuTual", "mutual", "choice", 0, "JSON lines with article, options and answers (A, B, …)", _mutual
        ),
        Task("samsum", "SAMSum", None, "rouge", 96, "JSON lines with dialogue and summary", _samsum),
        Task("conll03", "CoNLL-03", None, "entities", 96, "a word and its tag a line, blank between sentences", _conll),
        Task("sst2", "SST-2", "sst2", "choice", 0, "a table with the columns sentence and label, by tabs", _sst2),
    )
}


def read_task(name: str, path: Path) -> tuple[Task, list[Item]]:
    """The task called `name` and its questions in a local file. Raises ProtocolError."""
    if name not in TASKS:
        raise ProtocolError(f"There is no task “{name}” for a data file: choose among {', '.join(TASKS)}.")
    task = TASKS[name]
    items = task.read(path)
    if not items:
        raise ProtocolError(f"{path} has no question for {task.title}: it takes {task.form}.")
    return task, items


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ProtocolError(f"{path} is no text in UTF-8: give another data file.") from None
    except OSError as error:
        raise ProtocolError(f"{path} cannot be read: {error.strerror}.") from error


def records(path: Path, *keys: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of JSON lines, each with its line, all `keys` in it."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = parse(line)
        except JsonFault as fault:
            raise ProtocolError(f"{path}, line {number}: {fault}.") from None
        missing = [key for key in keys if not isinstance(record, dict) or key not in record]
        if missing:
            raise ProtocolError(f"{path}, line {number}: it has no “{missing[0]}”.")
        yield number, record


def _label(path: Path, number: int, value: object, names: Sequence[str]) -> int:
    """The place of a label that is written as a number, as a truth value or by its name."""
    if isinstance(value, int) and 0 <= value < len(names):
        return int(value)
    if isinstance(value, str) and value.lower() in names:
        return list(names).index(value.lower())
    raise ProtocolError(f"{path}, line {number}: the label {str(value)[:40]!a} is none of {', '.join(names)}.")


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _normal(text: str) -> str:
    """Without case, articles and punctuation (the exact match of open questions, Rajpurkar et al. 2016)."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _entities(text: str) -> Iterator[tuple[str, str]]:
    for name, kind in _ENTITY.findall(text):
        yield " ".join(name.split()), kind


def _f1(found: set[tuple[str, str]], wanted: set[tuple[str, str]]) -> float:
    """1 where there is nothing and nothing was found."""
    return 2 * len(found & wanted) / (len(found) + len(wanted)) if found or wanted else 1.0
