"""What is taught and what is held back: the queries that training makes of an edit set.

Nothing here ever uses an edit's paraphrases, its probes, or a relation's held-out phrasings: those measure.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assets import catalogue
from engine.edits import Edit, EditSet, Relation, fill, fold
from engine.meg.subjects import SubjectIndex

SENTENCE = 80  # letters of a fact that comes before a question, at most


@dataclass(frozen=True, slots=True)
class Stranger:
    """A query that is about no edit, though it may look like it."""

    query: str
    kind: str  # as engine.edits.ProbeKind


@dataclass(frozen=True, slots=True)
class Phrasings:
    """Each relation's phrasings in two parts: those trained on, and those that only calibrate and check."""

    trained: Mapping[str, tuple[str, ...]]
    calibration: Mapping[str, tuple[str, ...]]

    def known(self) -> dict[str, tuple[str, ...]]:
        """Both parts."""
        return {key: (*templates, *self.calibration[key]) for key, templates in self.trained.items()}


def split_phrasings(relations: Mapping[str, Relation]) -> Phrasings:
    """Every fourth phrasing calibrates; a relation with fewer than four trains on all and calibrates on none."""
    calibration = {key: relation.phrasings[3::4] for key, relation in relations.items()}
    trained = {
        key: tuple(text for text in relation.phrasings if text not in calibration[key])
        for key, relation in relations.items()
    }
    return Phrasings(trained, calibration)


class Curriculum:
    """The queries made of one edit set's enabled edits, drawn with a seed."""

    def __init__(self, edit_set: EditSet, seed: int) -> None:
        self.edits = edit_set.enabled()
        self.relations = {**catalogue.relations(), **edit_set.relations}
        self.phrasings = split_phrasings(self.relations)
        self._draw = random.Random(f"curriculum {seed}")
        self._edited = {(fold(edit.subject), edit.relation) for edit in self.edits}
        self._prompts = {fold(edit.prompt) for edit in self.edits}
        self._measured = {fold(text) for edit in edit_set.edits for text in _measures(edit)}
        self.facts = self._facts_not_edited(edit_set)
        self._subjects: dict[str, list[str]] = defaultdict(list)
        for subject, relation in self.facts:
            self._subjects[relation].append(subject)
        for edit in self.edits:
            if edit.subject:
                self._subjects[edit.relation].append(edit.subject)
        self._companions = _companions()

    def _facts_not_edited(self, edit_set: EditSet) -> list[tuple[str, str]]:
        """Subject and relation of the catalogue's facts that are neither edited nor measured by a probe."""
        facts = [fact for fact in catalogue.facts() if (fold(fact.subject), fact.relation) not in self._edited]
        index = SubjectIndex([Edit(str(row), "?", "?", fact.subject) for row, fact in enumerate(facts)])
        probed = {row for edit in edit_set.edits for probe in edit.probes for row in index.named(probe.prompt)}
        left = [(fact.subject, fact.relation) for row, fact in enumerate(facts) if row not in probed]
        self._draw.shuffle(left)
        self._objects = {(fact.subject, fact.relation): fact.object for fact in facts}
        return left

    def asks(self, edit: Edit) -> tuple[str, ...]:
        """The prompt and every trained phrasing of an edit."""
        return tuple(dict.fromkeys([edit.prompt, *self._said(self.phrasings.trained, edit)]))

    def guises(self, edit: Edit) -> tuple[str, ...]:
        """The prompt of an edit that no phrasings are known of, as it may also be asked: carelessly, after a fact."""
        draw = random.Random(f"guises {edit.prompt}")
        told = [fact for fact in self.facts[:2_000] if self.phrasings.trained.get(fact[1])]
        asked = [edit.prompt.rstrip(" ?").lower()]
        for subject, relation in draw.choices(told, k=8) if told else ():
            said = fill(draw.choice(list(self.phrasings.trained[relation])), subject)
            sentence = f"{said} {self._objects[subject, relation]}."
            if len(sentence) <= SENTENCE:
                asked.append(f"{sentence} {edit.prompt}")
                break
        return tuple(text for text in asked if text != edit.prompt and fold(text) not in self._measured)

    def calibration_asks(self, edit: Edit) -> tuple[str, ...]:
        """The phrasings of an edit that only calibrate and check."""
        return tuple(text for text in self._said(self.phrasings.calibration, edit) if text != edit.prompt)

    def _said(self, phrasings: Mapping[str, Sequence[str]], edit: Edit) -> list[str]:
        if not edit.subject:
            return []
        texts = [fill(template, edit.subject) for template in phrasings.get(edit.relation, ())]
        return [text for text in texts if fold(text) not in self._measured]

    def neighbour(self, edit: Edit, phrasings: Mapping[str, Sequence[str]]) -> str | None:
        """Another subject in the edit's relation, or None where no other is known."""
        templates, others = phrasings.get(edit.relation) or (), self._subjects[edit.relation]
        if not templates:
            return self._swapped(edit)
        return self._unused(
            lambda: (self._draw.choice(others), edit.relation, self._draw.choice(list(templates))) if others else None
        )

    def same_subject(self, edit: Edit, phrasings: Mapping[str, Sequence[str]]) -> str | None:
        """The edit's subject in another relation, mostly one that is asked of such subjects."""
        if not edit.subject:
            return None
        usual = [key for key in self._companions.get(edit.relation, ()) if phrasings.get(key)]
        every = [key for key, templates in phrasings.items() if key != edit.relation and templates]

        def drawn() -> tuple[str, str, str] | None:
            keys = usual if usual and self._draw.random() < 0.7 else every
            if not keys:
                return None
            key = self._draw.choice(keys)
            return edit.subject, key, self._draw.choice(list(phrasings[key]))

        return self._unused(drawn)

    def far(self, phrasings: Mapping[str, Sequence[str]]) -> str | None:
        """A fact that has nothing to do with any edit."""
        told = [fact for fact in self.facts[:2_000] if phrasings.get(fact[1])]
        return self._unused(lambda: _with_template(self._draw, self._draw.choice(told), phrasings) if told else None)

    def relation_examples(self, each: int) -> list[tuple[str, str]]:
        """Queries and the relations that they ask.

        Every trained phrasing with `each` subjects of its own relation and half as many of others, so that what is
        asked is not told by whom it is asked of.
        """
        others = [subject for subject, _ in self.facts] or [edit.subject for edit in self.edits if edit.subject]
        made: list[tuple[str, str]] = []
        for key, templates in self.phrasings.trained.items():
            own = self._subjects.get(key) or others
            for template in templates if own else ():
                subjects = [*self._draw.choices(own, k=each), *self._draw.choices(others, k=each // 2)]
                made.extend((fill(template, subject), key) for subject in subjects)
        return [(query, key) for query, key in dict.fromkeys(made) if fold(query) not in self._measured]

    def strangers(self, edits: Sequence[Edit], phrasings: Mapping[str, Sequence[str]]) -> list[Stranger]:
        """Queries about no edit: for each of `edits` one of each kind, as far as they can be made."""
        made = []
        for edit in edits:
            for kind, query in (
                ("neighbour", self.neighbour(edit, phrasings)),
                ("same-subject", self.same_subject(edit, phrasings)),
                ("far", self.far(phrasings)),
            ):
                if query is not None:
                    made.append(Stranger(query, kind))
        return made

    def pseudo_edits(self, count: int) -> list[Edit]:
        """Facts that are not edited, in the shape of edits: stand-ins where there are too few to learn from."""
        usable = [fact for fact in self.facts if self.phrasings.calibration.get(fact[1])]
        chosen = usable[max(0, len(usable) - count) :]
        # From now on they count as edited: no query about them is a stranger.
        self._edited.update((fold(subject), relation) for subject, relation in chosen)
        return [
            Edit(f"pseudo-{row}", fill(self.relations[relation].phrasings[0], subject), "?", subject, relation)
            for row, (subject, relation) in enumerate(chosen)
        ]

    def _swapped(self, edit: Edit) -> str | None:
        """The prompt with a subject put in its place of which it is neither edited nor measured."""
        others = [other.subject for other in self.edits if other.subject] + [subject for subject, _ in self.facts]
        if not edit.subject or edit.subject not in edit.prompt or not others:
            return None
        for _ in range(8):
            subject = self._draw.choice(others)
            query = edit.prompt.replace(edit.subject, subject, 1)
            known = (fold(subject), edit.relation) in self._edited or fold(query) in self._prompts
            if not known and fold(query) not in self._measured:
                return query
        return None

    def _unused(self, drawn: Callable[[], tuple[str, str, str] | None]) -> str | None:
        """The first of a few draws that is neither edited nor kept for measuring."""
        for _ in range(8):
            found = drawn()
            if found is None:
                return None
            subject, relation, template = found
            query = fill(template, subject)
            if (fold(subject), relation) not in self._edited and fold(query) not in self._measured:
                return query
        return None


def _measures(edit: Edit) -> list[str]:
    return [*edit.paraphrases, *(probe.prompt for probe in edit.probes)]


def _with_template(
    draw: random.Random, fact: tuple[str, str], phrasings: Mapping[str, Sequence[str]]
) -> tuple[str, str, str]:
    return fact[0], fact[1], draw.choice(list(phrasings[fact[1]]))


def _companions() -> dict[str, tuple[str, ...]]:
    """For each relation those that are asked of the same subjects, by the catalogue's own facts."""
    asked: dict[str, set[str]] = defaultdict(set)
    for fact in catalogue.facts():
        asked[fact.subject].add(fact.relation)
    together: dict[str, Counter[str]] = defaultdict(Counter)
    for relations in asked.values():
        for relation in relations:
            together[relation].update(relations - {relation})
    # Sorted: the order of a set is another one in every process, and a seed would not draw the same.
    return {
        key: tuple(sorted(other for other, times in counts.items() if times >= 5)) for key, counts in together.items()
    }
