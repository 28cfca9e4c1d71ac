"""Undo and redo by name: two actions that say what they would take back, for the menu and for the pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from studio import icons
from studio.messages import Kind
from studio.store import undo as stepping
from studio.store.changes import Changes
from studio.store.project import Project
from studio.words import plural, tr
from studio.workspace import Workspace


class UndoActions(QObject):
    """The steps themselves are the project's; this is only their face."""

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.undo = QAction(tr("Undo"), self)
        self.undo.setShortcut(QKeySequence("Ctrl+Z"))
        self.redo = QAction(tr("Redo"), self)
        self.redo.setShortcut(QKeySequence("Ctrl+Shift+Z"))
        icons.dress(self.undo, "undo")
        icons.dress(self.redo, "redo")
        self.undo.triggered.connect(self._undo)
        self.redo.triggered.connect(self._redo)
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._changed)
        self._gone: int | None = None  # steps that went before their time, None where that is not known yet
        self._show((None, None))

    def _undo(self) -> None:
        self._step(stepping.undo, self.undo.data())

    def _redo(self) -> None:
        self._step(stepping.redo, self.redo.data())

    def _step(self, step: Callable[[Project], Changes], name: object) -> None:
        told = tr("Taken back: {step}.", step=name) if step is stepping.undo else tr("Done again: {step}.", step=name)
        self._workspace.database.run(
            step, on_success=partial(self._stepped, told), owner=self, name=tr("Step back or forth")
        )

    def _stepped(self, sentence: str, changes: Changes) -> None:
        if changes:
            self._workspace.say(Kind.INFO, sentence)

    def _project_changed(self) -> None:
        self._gone = None
        self._look()

    def _changed(self, changes: Changes) -> None:
        if changes.undo or changes.edits:
            self._look()

    def _look(self) -> None:
        if self._workspace.project is None:
            self._show((None, None))
            return
        self._workspace.database.run(_names, on_success=self._show, owner=self, name="Read the steps")
        self._workspace.database.run(
            stepping.steps_gone,
            on_success=self._workspace.while_open(self._tell_gone),
            owner=self,
            name="Count the steps",
        )

    def _tell_gone(self, gone: int) -> None:
        """Say which steps cannot be taken back any more, once."""
        before, self._gone = self._gone, gone
        if before is not None and gone > before:
            self._workspace.say(
                Kind.INFO,
                plural(
                    gone - before,
                    "The oldest step cannot be taken back any more: all steps together remember {rows} edits at most.",
                    "The {number} oldest steps cannot be taken back any more: all steps together remember {rows} edits "
                    "at most.",
                    rows=f"{stepping.REMEMBERED:,}",
                ),
            )

    def _show(self, names: tuple[str | None, str | None]) -> None:
        for action, word, name in ((self.undo, tr("Undo"), names[0]), (self.redo, tr("Redo"), names[1])):
            action.setText(f"{word} {name[:1].lower()}{name[1:]}".replace("&", "&&") if name else word)
            action.setToolTip(f"{action.text()} ({action.shortcut().toString()})")
            action.setData(name)
            action.setEnabled(name is not None)


def _names(project: Project) -> tuple[str | None, str | None]:
    return stepping.undo_name(project), stepping.redo_name(project)
