"""How quick the store is with 100,000 edits: `python -m tests.studio.store.measure` prints a table of milliseconds."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.edits import Relation
from studio.store.edits import EditDraft, add_edits, delete_edits, set_enabled, update_edit
from studio.store.importing import import_edit_set
from studio.store.listing import EditFilter, EditSort, conflicts, edit_ids, edit_set, rows
from studio.store.project import Project
from studio.store.undo import redo, undo

EDITS = 100_000
SYLLABLES = ("ba", "ko", "ri", "ta", "ne", "mo", "sil", "dra", "pon", "ver", "ül", "ça")


def main() -> None:
    draw = random.Random(1)
    catalogue = {f"r{n}": Relation(f"r{n}", f"relation {n}", (f"The relation {n} of {{}} is",)) for n in range(40)}

    def word() -> str:
        return "".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))).title()

    def drafts(number: int) -> list[EditDraft]:
        return [
            EditDraft(word(), f"{word()} {word()}", draw.choice(list(catalogue)), paraphrases=(word(), word()))
            for _ in range(number)
        ]

    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder) / "big", "Big", catalogue)
        report(f"add {EDITS:,} edits", lambda: add_edits(project, drafts(EDITS)), 1)
        for search in ("", "b", "ko", "kori", "relation", "koriba tane"):
            for sort in (EditSort.ENTERED, EditSort.SUBJECT, EditSort.RELATION, EditSort.STATE):
                report(f"search “{search}” by {sort.value}", lambda s=search, o=sort: edit_ids(project, s, o))
        for wanted in EditFilter:
            report(f"filter {wanted.value}", lambda w=wanted: edit_ids(project, filter=w))
        ids = edit_ids(project)
        report("a page of 100 rows", lambda: rows(project, ids[5_000:5_100]))
        report("change one edit", lambda: update_edit(project, ids[7], new_object=word()))
        report(
            "conflicts after a change", lambda: update_edit(project, ids[7], new_object=word()) and conflicts(project)
        )
        pasted = drafts(5_000)
        report("paste 5,000 edits, one step", lambda: add_edits(project, pasted, name="paste 5,000 edits"), 1)
        report("undo it", lambda: undo(project), 1)
        report("redo it", lambda: redo(project), 1)
        report("switch all off", lambda: set_enabled(project, ids, False), 1)
        report("undo it", lambda: undo(project), 1)
        report("delete all", lambda: delete_edits(project, ids), 1)
        report("undo it", lambda: undo(project), 1)
        snapshot = edit_set(project)
        report("snapshot", lambda: edit_set(project), 1)
        report("close, backed up", project.close, 1)
        report("open, checked", lambda: Project.open(Path(folder) / "big", catalogue).close(), 1)
        other = Project.create(Path(folder) / "other", "Other", catalogue)
        report("import the snapshot", lambda: import_edit_set(other, snapshot), 1)
        other.close()


def report(label: str, work: Callable[[], object], times: int = 5) -> None:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1_000)
    print(f"{label:40} median {sorted(taken)[times // 2]:9.1f} ms   most {max(taken):9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
