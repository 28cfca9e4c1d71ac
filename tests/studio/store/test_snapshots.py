"""The edits of a run against the project as it is."""

from __future__ import annotations

from studio.store import listing
from studio.store.edits import EditDraft, add_edits, delete_edits, set_enabled, set_original_answers, update_edit
from studio.store.project import Project
from studio.store.snapshots import Since, changes_since

DRAFTS = [EditDraft("Lyon", prompt="France:"), EditDraft("Osaka", prompt="Japan:"), EditDraft("Milan", prompt="Italy:")]


def test_nothing_changed_in_what_is_as_it_was(project: Project) -> None:
    ids = add_edits(project, DRAFTS).added
    snapshot = listing.edit_set(project)
    assert changes_since(project, snapshot) == []
    set_original_answers(project, {ids[0]: "Paris"})  # what the model says makes no difference to a training
    off = add_edits(project, [EditDraft("Cusco", prompt="Peru:")]).added
    set_enabled(project, off, False)
    assert changes_since(project, snapshot) == []


def test_every_way_to_differ_is_told_with_before_and_now(project: Project) -> None:
    first, second, third = add_edits(project, DRAFTS).added
    set_enabled(project, [third], False)
    snapshot = listing.edit_set(project)
    delete_edits(project, [first])
    update_edit(project, second, new_object="Kyoto", paraphrases=("Japan's?", "Which of Japan?"))
    set_enabled(project, [second], False)
    set_enabled(project, [third], True)
    add_edits(project, [EditDraft("Cusco", prompt="Peru:")])
    found = changes_since(project, snapshot)
    assert [(one.since, one.prompt, one.before, one.now) for one in found] == [
        (Since.REMOVED, "France:", "Lyon", ""),
        (
            Since.CHANGED,
            "Japan:",
            "Osaka; paraphrases: none",
            "Kyoto; paraphrases: Japan's? · Which of Japan?",
        ),
        (Since.OFF, "Japan:", "Osaka", "Kyoto"),
        (Since.ON, "Italy:", "Milan", "Milan"),
        (Since.ADDED, "Peru:", "", "Cusco"),
    ]
