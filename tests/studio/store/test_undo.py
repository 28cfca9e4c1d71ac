from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.edits import Edit, EditError, EditSet, Probe, ProbeKind, Relation
from studio.store import journal
from studio.store.conflicts import Resolution, conflicts, resolve, resolve_duplicates
from studio.store.edits import (
    EditDraft,
    add_edits,
    delete_edits,
    set_enabled,
    set_familiarity,
    set_original_answers,
    update_edit,
)
from studio.store.importing import WhenThere, import_edit_set
from studio.store.journal import STEPS
from studio.store.listing import edit_ids, rows
from studio.store.project import Project
from studio.store.relations import OnUse, add_relation, delete_relation, relations, update_relation
from studio.store.undo import redo, redo_name, steps_gone, undo, undo_name
from tests.studio.store.conftest import CATALOGUE, Dump, dump


def test_undo_and_redo_say_what_they_do_and_what_they_changed(project: Project) -> None:
    ids = add_edits(project, [EditDraft("Lyon", "France", "capital"), EditDraft("Milan", "Italy", "capital")]).added
    delete_edits(project, ids[:1])
    update_edit(project, ids[1], new_object="Turin")
    assert undo_name(project) == "change an edit"
    assert redo_name(project) is None
    assert undo(project).updated == (ids[1],)
    assert (undo_name(project), redo_name(project)) == ("delete 1 edit", "change an edit")
    back = undo(project)
    assert (back.added, back.removed, back.relations, back.undo) == ((ids[0],), (), False, True)
    gone = undo(project)
    assert (gone.removed, gone.relations) == (ids, True)
    assert not undo(project)
    assert redo(project).added == ids
    assert redo(project).removed == (ids[0],)
    assert redo(project).updated == (ids[1],)
    assert not redo(project)


def test_something_new_ends_what_could_be_done_again(project: Project) -> None:
    ids = add_edits(project, [EditDraft("Lyon", "France", "capital")]).added
    set_enabled(project, ids, False)
    undo(project)
    set_original_answers(project, {ids[0]: "Paris"})
    assert redo_name(project) is None
    assert undo_name(project) == "fill in 1 original answer"


def test_only_so_many_steps_are_kept(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("0", prompt="p")]).added[0]
    for number in range(STEPS + 5):
        update_edit(project, edit_id, new_object=f"{number + 1}")
    taken_back = 0
    while undo(project):
        taken_back += 1
    assert taken_back == STEPS
    assert rows(project, [edit_id])[0].new_object == "5"


def test_huge_steps_push_the_oldest_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ROWS", 10)
    for number in range(4):
        add_edits(project, [EditDraft(f"{number}", prompt=f"p{number} {each}") for each in range(4)])
    assert sum(1 for _ in iter(lambda: bool(undo(project)), False)) == 3  # two that fit, and the last
    add_edits(project, [EditDraft("huge", prompt=f"{each}") for each in range(30)])
    assert undo(project)  # the last one can always be taken back


def test_it_is_counted_which_steps_went_before_their_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ROWS", 10)
    for number in range(3):
        add_edits(project, [EditDraft(f"{number}", prompt=f"p{number} {each}") for each in range(4)])
    assert steps_gone(project) == 0
    add_edits(project, [EditDraft("more", prompt="more")])  # before it, three steps remember twelve edits
    assert steps_gone(project) == 1
    add_edits(project, [EditDraft("huge", prompt=f"{each}") for each in range(30)])
    add_edits(project, [EditDraft("last", prompt="last")])
    assert steps_gone(project) == 4  # all but the huge one


def test_steps_beyond_the_hundred_are_not_counted(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("0", prompt="p")]).added[0]
    for number in range(STEPS + 5):
        update_edit(project, edit_id, new_object=f"{number + 1}")
    assert steps_gone(project) == 0


def test_steps_outlive_the_window(project: Project) -> None:
    ids = add_edits(project, [EditDraft("Lyon", "France", "capital")]).added
    delete_edits(project, ids)
    folder = project.folder
    project.close()
    again = Project.open(folder, CATALOGUE)
    try:
        assert undo(again).added == ids
        assert redo_name(again) == "delete 1 edit"
    finally:
        again.close()


def test_what_was_measured_stays_where_it_was_measured(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("Lyon", "France", "capital")]).added[0]
    update_edit(project, edit_id, new_object="Nice")
    set_familiarity(project, {edit_id: 0.25})
    undo(project)  # the question is the same: so is its familiarity
    assert rows(project, [edit_id])[0].familiarity == 0.25
    update_edit(project, edit_id, subject="Spain")
    undo(project)  # the old question again
    assert rows(project, [edit_id])[0].familiarity == 0.25
    delete_edits(project, [edit_id])
    undo(project)
    assert rows(project, [edit_id])[0].familiarity == 0.25


def test_a_step_that_fails_half_way_leaves_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add_edits(project, [EditDraft("Lyon", "France", "capital")]).added
    before = dump(project)

    def fail(*_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr("studio.store.edits.delete_edit_rows", fail)
    with pytest.raises(RuntimeError, match="half way"):
        delete_edits(project, ids)
    assert dump(project) == before
    assert undo_name(project) == "add 1 edit"


WORDS = st.sampled_from(["Paris", "paris", "Lyon", "Österreich", "x y", "{}", "0.1"])


class Undoing(RuleBasedStateMachine):
    """Any operations at all: taking all back gives the first state, doing all again the last, and each between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="meg-undo-"))
        self.project = Project.create(self.folder / "p", "Machine", CATALOGUE)
        self.states: list[Dump] = [dump(self.project)]  # before each step that can be taken back, then now
        self.ahead: list[Dump] = []  # what redo leads to, the next one last

    def teardown(self) -> None:
        while undo(self.project):
            self.ahead.append(self.states.pop())
            assert dump(self.project) == self.states[-1]
        assert len(self.states) == 1
        while redo(self.project):
            self.states.append(self.ahead.pop())
            assert dump(self.project) == self.states[-1]
        assert not self.ahead
        self.reopen()
        assert dump(self.project) == self.states[-1]
        with self.project.write() as session:  # raises where the search does not say what the edits say
            session.connection().exec_driver_sql(
                "INSERT INTO edit_search (edit_search, rank) VALUES ('integrity-check', 1)"
            )
        self.project.close()
        shutil.rmtree(self.folder)

    def noted(self, changed: object) -> None:
        """Note the state after an operation; one that changed nothing is no step."""
        now = dump(self.project)
        assert bool(changed) == (now != self.states[-1])
        if changed:
            self.states.append(now)
            self.ahead.clear()

    def some(self, data: st.DataObject) -> list[int]:
        ids = edit_ids(self.project, sort="entered")
        return data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []

    @rule(data=st.data(), count=st.integers(1, 3))
    def add(self, data: st.DataObject, count: int) -> None:
        drafts = [
            EditDraft(
                data.draw(WORDS),
                data.draw(WORDS),
                data.draw(st.sampled_from(["capital", "author"])),
                paraphrases=(data.draw(WORDS),),
                probes=(Probe(ProbeKind.FAR, "far"),),
            )
            for _ in range(count)
        ]
        self.noted(add_edits(self.project, drafts))

    @rule(data=st.data(), new_object=WORDS, subject=WORDS, relation=st.sampled_from(["capital", "author", "mine"]))
    def update(self, data: st.DataObject, new_object: str, subject: str, relation: str) -> None:
        for edit_id in self.some(data)[:1]:
            try:
                changed = update_edit(self.project, edit_id, new_object=new_object, subject=subject, relation=relation)
            except EditError:
                self.noted(False)
            else:
                self.noted(changed)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.noted(delete_edits(self.project, self.some(data)))

    @rule(data=st.data(), on=st.booleans())
    def enable(self, data: st.DataObject, on: bool) -> None:
        self.noted(set_enabled(self.project, self.some(data), on))

    @rule(data=st.data(), answer=WORDS)
    def answer(self, data: st.DataObject, answer: str) -> None:
        self.noted(set_original_answers(self.project, dict.fromkeys(self.some(data), answer)))

    @rule(data=st.data(), value=st.floats(0, 1))
    def measure(self, data: st.DataObject, value: float) -> None:
        set_familiarity(self.project, dict.fromkeys(self.some(data), value))

    @rule(keys=st.lists(st.sampled_from("abc"), unique=True), word=WORDS, when_there=st.sampled_from(WhenThere))
    def import_set(self, keys: list[str], word: str, when_there: WhenThere) -> None:
        edits = tuple(Edit(key, f"{key} {word}", word, relation="mine") for key in keys)
        mine = {"mine": Relation("mine", "my own", ("{} mine",))}
        changes = import_edit_set(self.project, EditSet("S", edits, mine), when_there)
        self.noted(changes.edits or changes.relations)

    @rule(name=WORDS, phrasing=st.sampled_from(["{} is", "of {}:"]), which=st.sampled_from(["capital", "own"]))
    def change_relation(self, name: str, phrasing: str, which: str) -> None:
        relation = Relation(which, name, (phrasing,))
        there = which in {row.relation.id for row in relations(self.project)}
        try:
            changed = (update_relation if there else add_relation)(self.project, relation)
        except EditError:
            self.noted(False)
        else:
            self.noted(changed)

    @rule(which=st.sampled_from(["own", "mine", "capital"]), on_use=st.sampled_from(OnUse))
    def remove_relation(self, which: str, on_use: OnUse) -> None:
        try:
            self.noted(delete_relation(self.project, which, on_use))
        except EditError:
            self.noted(False)

    @rule(data=st.data(), how=st.sampled_from(Resolution))
    def settle(self, data: st.DataObject, how: Resolution) -> None:
        found = conflicts(self.project)
        if found:
            ids = data.draw(st.sampled_from(found)).edit_ids
            kept = data.draw(st.sampled_from(ids))
            self.noted(resolve(self.project, kept, ids, how))

    @rule(how=st.sampled_from(Resolution))
    def settle_all(self, how: Resolution) -> None:
        self.noted(resolve_duplicates(self.project, how))

    @rule()
    def reopen(self) -> None:
        folder = self.project.folder
        self.project.close()
        self.project = Project.open(folder, CATALOGUE)

    @precondition(lambda self: len(self.states) > 1)
    @rule()
    def take_back(self) -> None:
        assert undo(self.project)
        self.ahead.append(self.states.pop())

    @precondition(lambda self: self.ahead)
    @rule()
    def do_again(self) -> None:
        assert redo(self.project)
        self.states.append(self.ahead.pop())

    @invariant()
    def as_noted(self) -> None:
        assert dump(self.project) == self.states[-1]
        assert (undo_name(self.project) is not None) == (len(self.states) > 1)
        assert (redo_name(self.project) is not None) == bool(self.ahead)


TestUndoing = Undoing.TestCase
TestUndoing.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
