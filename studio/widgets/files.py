"""File dialogs that do not hold the program up: each calls back once something was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget


def choose_file(parent: QWidget, title: str, filters: Sequence[str], on_chosen: Callable[[Path], object]) -> None:
    """Ask for a file to open."""
    dialog = _dialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilters(list(filters))
    dialog.fileSelected.connect(lambda name: on_chosen(Path(name)))
    dialog.open()


def choose_folder(
    parent: QWidget, title: str, on_chosen: Callable[[Path], object], *, start: Path | None = None
) -> None:
    """Ask for a folder."""
    dialog = _dialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    if start is not None:
        dialog.setDirectory(str(start))
    dialog.fileSelected.connect(lambda name: on_chosen(Path(name)))
    dialog.open()


def choose_target(
    parent: QWidget,
    title: str,
    name: str,
    kinds: Sequence[tuple[str, str]],
    on_chosen: Callable[[Path, int], object],
) -> None:
    """Ask where to write. `kinds` are (description, suffix with its dot); the second argument is which was chosen."""
    dialog = _dialog(parent, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    filters = [f"{description} (*{suffix})" for description, suffix in kinds]
    dialog.setNameFilters(filters)
    dialog.selectFile(name)

    def chosen(text: str) -> None:
        kind = filters.index(dialog.selectedNameFilter()) if dialog.selectedNameFilter() in filters else 0
        path = Path(text)
        on_chosen(path if path.suffix else path.with_suffix(kinds[kind][1]), kind)

    dialog.fileSelected.connect(chosen)
    dialog.open()


def _dialog(parent: QWidget, title: str) -> QFileDialog:
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog
