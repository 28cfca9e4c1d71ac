"""The menu bar: every deed of the window by name, with its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from studio.theme import Scheme
from studio.words import deferred, tr


def action(
    parent: QObject, text: str, deed: Callable[[], object], keys: str | tuple[str, ...] = (), *, checkable: bool = False
) -> QAction:
    """A menu entry that does `deed`."""
    made = QAction(tr(text), parent)
    made.setCheckable(checkable)
    made.setShortcuts([QKeySequence(one) for one in ((keys,) if isinstance(keys, str) else keys)])
    made.triggered.connect(lambda _checked=False: deed())
    return made


def menu(bar: QMenuBar, title: str, parts: Iterable[QAction | QMenu | None]) -> QMenu:
    """A menu of `parts`; None is a line between two of them."""
    made = bar.addMenu(tr(title))
    for part in parts:
        if part is None:
            made.addSeparator()
        elif isinstance(part, QMenu):
            made.addMenu(part)
        else:
            made.addAction(part)
    return made


def scheme_menu(parent: QWidget, current: Scheme, choose: Callable[[Scheme], object]) -> QMenu:
    """System, light or dark."""
    made = QMenu(tr("Theme"), parent)
    group = QActionGroup(made)
    for scheme, words in (
        (Scheme.SYSTEM, deferred("As the system")),
        (Scheme.LIGHT, deferred("Light")),
        (Scheme.DARK, deferred("Dark")),
    ):
        entry = action(made, tr(words), partial(choose, scheme), checkable=True)
        entry.setData(scheme.value)
        entry.setChecked(scheme is current)
        group.addAction(entry)
        made.addAction(entry)
    return made


def fill_recent(recent: QMenu, folders: Iterable[Path], open_it: Callable[[Path], object]) -> None:
    """List the projects that were opened before."""
    recent.clear()
    for folder in folders:
        entry = action(recent, str(folder).replace("&", "&&"), partial(open_it, folder))
        entry.setEnabled(folder.is_dir())
        recent.addAction(entry)
    recent.setEnabled(not recent.isEmpty())
