"""Abilities before and after: what the original model can do that no edit is about, and what is left of it.

The embedded model's own ability is what it knows: facts that are not edited, asked in phrasings that no editor is
trained on, right where the answer is exactly the object. Other tasks come from the user's data files, or through
lm-eval where that is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.decoding import GREEDY, Decoding
from engine.edits import EditSet
from engine.evaluation import harness
from engine.evaluation.answers import is_answer, share, spread
from engine.evaluation.protocol import Figure, Options, ProtocolReport, Row, Told
from engine.evaluation.sides import Side, edited_side, original_side
from engine.evaluation.tasks import Item, Task, read_task, score
from engine.evaluation.unedited import question, unedited_facts
from engine.language_model import QueryError
from engine.runs import Cancel
from engine.stopping import MAX_NEW_TOKENS

if TYPE_CHECKING:
    from engine.editor import EditedModel
    from engine.language_model import LanguageModel

BATCH = 64
FACTS = 256
"""Unedited facts that are asked, where nobody says how many."""
UNEDITED = "Unedited facts"
SCORE = "score"
ABOUT = (
    "What the original and the edited model can do besides: facts that are not edited, answered exactly, and the tasks "
    "that were given. Prompts are zero-shot."
)


def measure(
    edited: EditedModel,
    edit_set: EditSet,
    options: Options,
    *,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> ProtocolReport:
    """Unedited facts, the tasks of local files, and those of lm-eval; see `ProtocolKind`."""
    tasks = [read_task(name, path) for name, path in options.tasks.items()]
    if options.harness:
        harness.check(options.harness)
    facts = unedited_facts(edit_set, options.most or FACTS, options.seed)
    queries = [question(fact) for fact in facts]
    answers = edited.answer(queries, cancel=cancel) if queries else []
    rows = [
        Row(UNEDITED, query, "", fact.object, "", answer.original, answer.edited)
        for query, fact, answer in zip(queries, facts, answers, strict=True)
    ]
    figures = [
        Figure(
            UNEDITED,
            "Known facts that no edit is about, answered exactly.",
            share([is_answer(row.original, row.wanted) for row in rows]),
            share([is_answer(row.edited, row.wanted) for row in rows]),
            len(rows),
        )
    ]
    notes: list[str] = []
    for done, (task, items) in enumerate(tasks, 1):
        found, note = _run(edited, task, items, options.most, cancel)
        rows += found
        notes += [note] if note else []
        before, after = (share([row.values[SCORE][side] for row in found]) for side in (0, 1))
        figures.append(Figure(task.title, _MEANING[task.scoring], before, after, len(found)))
        if report is not None:
            report(done, len(tasks))
    if options.harness:
        more, told = harness.run(edited, options.harness, most=options.most, seed=options.seed, cancel=cancel)
        figures += more
        rows += told
    return ProtocolReport("ability", "Ability", ABOUT, tuple(figures), tuple(rows), tuple(notes))


_MEANING = {
    "choice": "Share of questions with the right option the likeliest.",
    "number": "Share of problems whose last number is the right one.",
    "answer": "Share of questions answered with a right answer, case and punctuation aside.",
    "rouge": "ROUGE-L of the summary, mean.",
    "entities": "F1 of the names of a sentence, mean.",
}


def _run(
    edited: EditedModel, task: Task, items: Sequence[Item], most: int | None, cancel: Cancel | None
) -> tuple[list[Row], str]:
    """A row for each question that the model can take, and a note about the others."""
    with original_side(edited, cancel) as side:
        fitting = [item for item in items if _fits(side.model, task, item)]
        asked = spread(fitting, most)
        before = _given(side, task, asked)
    with edited_side(edited, cancel) as side:
        after = _given(side, task, asked)
    rows = [
        Row(
            task.title,
            item.prompt,
            "",
            item.wanted[0],
            "",
            one,
            other,
            {SCORE: (score(task, item, one), score(task, item, other))},
        )
        for item, one, other in zip(asked, before, after, strict=True)
    ]
    left = len(items) - len(fitting)
    note = (
        f"{task.title}: {left:,} of {len(items):,} questions were left out, for they are longer than the model takes."
    )
    return rows, note if left else ""


def _fits(model: LanguageModel, task: Task, item: Item) -> bool:
    """Whether a question and its answer have room, and a fact that an editor puts before them."""
    try:
        length = len(model.token_ids(item.prompt))
    except QueryError:
        return False
    answer = max([task.tokens and MAX_NEW_TOKENS, *map(model.tokens_of, item.choices)])
    return length + answer + MAX_NEW_TOKENS <= model.max_positions


def _given(side: Side, task: Task, items: Sequence[Item]) -> list[str]:
    """What a model answers to each question; of a choice, the option that is likeliest."""
    given: list[str] = []
    for start in range(0, len(items), BATCH):
        some = items[start : start + BATCH]
        if task.scoring == "choice":
            given += _chosen(side, some)
        else:
            given += side.write([item.prompt for item in some], _decoding(task))
    return given


def _decoding(task: Task) -> Decoding:
    """A short answer ends with its first sentence, as any does; a long one does not."""
    return GREEDY if task.scoring == "answer" else Decoding(max_new_tokens=task.tokens, first_sentence=False)


def _chosen(side: Side, items: Sequence[Item]) -> list[str]:
    pairs = [(item.prompt, choice) for item in items for choice in item.choices]
    logs = iter(side.weigh([prompt for prompt, _ in pairs], [choice for _, choice in pairs]))
    return [max([(next(logs).log, choice) for choice in item.choices], key=lambda one: one[0])[1] for item in items]
