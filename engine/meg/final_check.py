"""The last stage of a training: every edit is asked, and those that are answered less well keep their neurons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from engine.edits import Edit
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel
from engine.meg.collection import Collected
from engine.meg.completed import completed
from engine.meg.edited_model import MegEditedModel
from engine.meg.gate import Gate
from engine.meg.neuron_source import NeuronSource
from engine.neuron import NeuronSlot
from engine.runs import Cancel

BATCH = 128  # questions

Question = tuple[int, str]
"""The row of the edit that is asked about, and the query."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it, as rows of the edits in their order."""

    kept: tuple[int, ...]  # edits that keep their neurons
    unanswered: tuple[int, ...]  # edits whose prompt is not answered even so


class FinalCheck:
    """Asks an edited model about its edits as a user would: each by its prompt, and some in other words."""

    def __init__(
        self,
        model: LanguageModel,
        slot: NeuronSlot,
        gate: Gate,
        edits: Sequence[Edit],
        cancel: Cancel,
        report: Callable[[int, int, float], None],
    ) -> None:
        """`report` is told how many questions are asked, of how many, and the share that is answered."""
        self._model, self._slot, self._gate, self._edits = model, slot, gate, edits
        self._cancel, self._report = cancel, report

    def run(
        self, generator: NeuronSource, collected: Collected, held_back: Sequence[Question], *, keep_missed: bool
    ) -> Checked:
        """Ask every edit by its prompt, and `held_back` beside.

        Edits keep what was `collected` for them that have more neurons than are generated, and, with `keep_missed`,
        those of which more questions are answered so. Raises Cancelled when asked to stop.
        """
        asked = [*enumerate(edit.prompt for edit in self._edits), *held_back]
        wrong = self._wrong(generator, asked, self._report)
        missed = {row for row, _ in wrong} if keep_missed else set()
        own = self._alone(missed.union(collected.larger))
        kept: list[int] = []
        if own:
            with_own = completed(generator, self._gate.index.prompts, collected, own)
            still = self._wrong(with_own, [question for question in asked if question[0] in set(own)])
            before, after = Counter(row for row, _ in wrong), Counter(row for row, _ in still)
            better = [row for row in own if row in collected.larger or after[row] < before[row]]
            kept = [row for row in better if (row, self._edits[row].prompt) not in still]
            wrong = {each for each in wrong if each[0] not in kept} | {each for each in still if each[0] in kept}
        unanswered = sorted({row for row, query in wrong if query == self._edits[row].prompt})
        self._report(len(asked), len(asked), 1 - len(unanswered) / len(self._edits))
        return Checked(tuple(kept), tuple(unanswered))

    def _alone(self, rows: Collection[int]) -> list[int]:
        """Those of `rows` whose edits share their prompt with no other.

        Of edits with one prompt, which contradict each other, the neurons of one would be those of all.
        """
        _, place, sharing = self._gate.index.prompts.cpu().unique(dim=0, return_inverse=True, return_counts=True)
        return [row for row in sorted(rows) if sharing[place[row]] == 1]

    def _wrong(
        self,
        generator: NeuronSource,
        asked: Sequence[Question],
        report: Callable[[int, int, float], None] = lambda *_: None,
    ) -> set[Question]:
        """Those of `asked` that are not answered."""
        edited = MegEditedModel(self._model, self._gate, generator, self._slot)
        wrong: set[Question] = set()
        for start in range(0, len(asked), BATCH):
            some = asked[start : start + BATCH]
            answers = edited.answer([query for _, query in some], cancel=self._cancel, originals=False)
            for question, answer in zip(some, answers, strict=True):
                if not is_answer(answer.edited, self._edits[question[0]].new_object):
                    wrong.add(question)
            done = start + len(some)
            report(done, len(asked), 1 - len(wrong) / done)
        return wrong
