"""What a person has to know of an editor before choosing it, and what its packs cannot do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.editors.registry import EditorKind
from studio.words import deferred, tr

NO_GATE = deferred("This editor has no gate: every question meets the edits.")
AT_THE_NEXT_TRAINING = deferred(
    "The pack in use cannot take back one edit: switching off or deleting applies at the next training. Put the pack "
    "aside on the Runs page to be without all of its edits."
)
"""Why switching an edit off changes no answer yet."""
_GROUPS: tuple[tuple[tuple[bool, bool], str], ...] = (
    ((True, True), deferred("Gate: other questions are left alone")),
    ((True, False), deferred("Gate: edits are taken back together")),
    ((False, True), deferred("No gate: each edit can be taken back")),
    ((False, False), deferred("No gate: edits are taken back together")),
)
"""By whether an editor is gated and can undo one edit: the safest first."""


def grouped(kinds: Iterable[EditorKind]) -> Mapping[str, Sequence[EditorKind]]:
    """The editors under what they promise, those that promise most first, each group in its own order."""
    every = list(kinds)
    groups = {
        tr(title): [kind for kind in every if (kind.gated, kind.undoes_one) == traits] for traits, title in _GROUPS
    }
    return {title: members for title, members in groups.items() if members}


def described(kind: EditorKind) -> str:
    """What `kind` does, what it needs of every edit, and how an edit is taken back."""
    needs = tr("Needs: {needs}.", needs="; ".join(kind.requires))
    return " ".join(part for part in (kind.about, needs, _taken_back(kind), "" if kind.gated else tr(NO_GATE)) if part)


def _taken_back(kind: EditorKind) -> str:
    if kind.undo:
        return kind.undo
    if kind.undoes_one:
        return tr("An edit that is switched off is left out at once.")
    return tr("One edit alone cannot be taken back: switching it off applies at the next training.")
