"""Questions that become paraphrases and probes."""

from __future__ import annotations

import pytest

from engine.edits import Edit, EditError, Probe, ProbeKind, Relation
from studio.store.adopting import Role, adopt_queries, probe_kind
from studio.store.edits import EditDraft, add_edits, update_edit
from studio.store.listing import get_edit
from studio.store.project import Project
from studio.store.undo import undo, undo_name

CAPITAL = Relation("P36", "capital", ("The capital of {} is", "{} is ruled from"), ("Q: Capital of {}? A:",))


@pytest.fixture
def france(project: Project) -> int:
    changes = add_edits(
        project,
        [
            EditDraft("Lyon", subject="France", prompt="The capital of France is", key="f", paraphrases=("old one",)),
            EditDraft("Rome", prompt="All roads lead to", key="r"),
        ],
    )
    return changes.added[0]


def edit_of(project: Project, edit_id: int) -> Edit:
    found = get_edit(project, edit_id)
    assert found is not None
    return found


def test_questions_of_several_edits_are_one_step_that_can_be_taken_back(project: Project, france: int) -> None:
    before = edit_of(project, france)
    queries = {"f": [" France is ruled from ", "old  ONE", "The capital of France is"], "r": ["Where?"], "gone": ["x"]}
    changes = adopt_queries(project, queries, Role.PARAPHRASE)
    assert (len(changes.updated), changes.skipped, changes.undo) == (2, 3, True)
    assert edit_of(project, france).paraphrases == ("old one", "France is ruled from")
    assert undo_name(project) == "add 2 paraphrases"
    undo(project)
    assert edit_of(project, france) == before


def test_a_paraphrase_that_becomes_a_probe_is_one_no_longer(project: Project, france: int) -> None:
    adopt_queries(project, {"f": ["old one"]}, Role.PROBE)
    edit = edit_of(project, france)
    assert edit.paraphrases == ()
    assert edit.probes == (Probe(ProbeKind.FAR, "old one"),)
    adopt_queries(project, {"f": ["Old one"]}, Role.PARAPHRASE)
    edit = edit_of(project, france)
    assert (edit.paraphrases, edit.probes) == (("Old one",), ())


def test_nothing_new_is_no_step(project: Project, france: int) -> None:
    name = undo_name(project)
    changes = adopt_queries(project, {"f": ["old one"], "gone": ["x"]}, Role.PARAPHRASE)
    assert not changes
    assert changes.skipped == 2
    assert undo_name(project) == name


def test_an_edit_that_is_full_takes_nothing(project: Project, france: int) -> None:
    update_edit(project, france, paraphrases=tuple(f"p{number}" for number in range(1_000)))
    before = edit_of(project, france)
    with pytest.raises(EditError):
        adopt_queries(project, {"f": ["one more"], "r": ["fits"]}, Role.PARAPHRASE)
    assert edit_of(project, france) == before


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("The currency of FRANCE is", ProbeKind.SAME_SUBJECT),
        ("La Grande Nation lies in", ProbeKind.SAME_SUBJECT),
        ("法国的货币是", ProbeKind.SAME_SUBJECT),
        ("The capital of Spain is", ProbeKind.NEIGHBOUR),
        ("Spain is ruled from", ProbeKind.NEIGHBOUR),
        ("Q: Capital of Spain? A:", ProbeKind.NEIGHBOUR),
        ("The capital of is", ProbeKind.FAR),
        ("Francesca lives in", ProbeKind.FAR),
        ("(.*) {} is", ProbeKind.FAR),
    ],
)
def test_the_kind_of_a_probe_is_told_by_its_words(query: str, kind: ProbeKind) -> None:
    edit = Edit(
        "f", "The capital of France is", "Lyon", subject="France", relation="P36", aliases=("La grande nation", "法国")
    )
    assert probe_kind(edit, CAPITAL, query) is kind


def test_an_edit_without_subject_and_relation_has_far_probes_only() -> None:
    assert probe_kind(Edit("r", "All roads lead to", "Rome"), None, "All roads lead to the") is ProbeKind.FAR
