"""Every setting of an editor, as the editor itself describes it: checked while one types, marked where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.editors.registry import EditorKind
from engine.setting_fields import Described, SettingError, describe, value_at, with_values
from studio.theme import SMALL, SPACE, tokens
from studio.widgets.buttons import button, icon_button
from studio.widgets.labels import Label, hint, page_title, plain_tooltip, section_title
from studio.words import deferred, plural, tr

_AUTOMATIC = deferred("automatic")


class SettingRow:
    """One setting: its name, a field, why a value is refused, and the way back to the preset's value."""

    def __init__(self, described: Described, path: str, preset: Any, value: Any, dialog: AdvancedDialog) -> None:
        self.described, self.path, self.preset = described, path, preset
        self.error = ""
        self._dialog = dialog
        self.name = Label(described.title[:1].upper() + described.title[1:])
        self.help = Label(described.help, muted=True, wrap=True, scale=SMALL)
        self.refusal = Label(wrap=True, scale=SMALL)
        self.refusal.hide()
        self.field = self._made_field()
        self.field.setAccessibleName(described.title)
        self.field.setAccessibleDescription(described.help)
        bounds = f" ({described.bounds})" if described.bounds and not described.choices else ""
        self.field.setToolTip(plain_tooltip(f"{described.help}{bounds}"))
        self.name.setBuddy(self.field)
        self.reset = icon_button(tr("Back to the preset's value: {value}", value=_text(preset)), "undo", self.to_preset)
        self.put(value)

    def _made_field(self) -> QComboBox | QLineEdit:
        described = self.described
        if described.kind is bool or described.choices:
            picker = QComboBox()
            if described.optional:
                picker.addItem(tr(_AUTOMATIC), None)
            for value in described.choices or (True, False):
                picker.addItem(_text(value), value)
            picker.currentIndexChanged.connect(lambda _: self._changed())
            return picker
        line = QLineEdit()
        if described.optional:
            line.setPlaceholderText(tr(_AUTOMATIC))
        line.textChanged.connect(lambda _: self._changed())
        return line

    def value(self) -> Any:
        """What is entered. Raises SettingError where it is refused."""
        if isinstance(self.field, QComboBox):
            return self.field.currentData()
        return self.described.read(self.field.text())

    def put(self, value: Any) -> None:
        """Enter `value`."""
        if isinstance(self.field, QComboBox):
            self.field.setCurrentIndex(max(self.field.findData(value), 0))
        else:
            self.field.setText("" if value is None else _text(value))
        self._changed()

    def to_preset(self) -> None:
        """Enter the preset's value."""
        self.put(self.preset)

    @property
    def differs(self) -> bool:
        """Whether something else than the preset's value is entered."""
        try:
            return bool(self.value() != self.preset)
        except SettingError:
            return True

    def show(self, visible: bool) -> None:
        """Show or hide the whole row."""
        for widget in (self.name, self.field, self.help):
            widget.setVisible(visible)
        self.reset.setVisible(visible and self.differs)
        self.refusal.setVisible(visible and bool(self.error))

    def tell(self, error: str) -> None:
        """Say why what is entered is refused; empty where it is not."""
        self.error = error
        self.refusal.setText(error)
        self.refusal.setVisible(bool(error) and self.field.isVisibleTo(self._dialog))

    def _changed(self) -> None:
        try:
            self.value()
            error = ""
        except SettingError as refused:
            error = str(refused)
        self.tell(error)
        font = QFont(self.name.font())
        font.setBold(self.differs)
        self.name.setFont(font)
        self.reset.setVisible(self.differs)
        self._dialog.look()


class AdvancedDialog(QDialog):
    """All settings of one editor in their groups; `changes` is what differs from the preset."""

    def __init__(
        self, kind: EditorKind, preset: str, changes: Mapping[str, Any], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Settings of {title}", title=kind.title))
        self._preset = kind.presets[preset][1]()
        self.rows: dict[str, SettingRow] = {}
        self._titles: dict[str, Label] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find a setting"))
        self.search.setAccessibleName(tr("Find a setting"))
        self.search.setClearButtonEnabled(True)
        self.told = Label(muted=True)
        self.refusal = Label(wrap=True)
        self.reset_all = button("Reset all", "undo", tip=tr("Every setting back to the preset's value."))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        use = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        use.setText(tr("Use these settings"))
        use.setProperty("primary", True)
        self._lay_out(kind, preset, changes)
        self._dress()
        self.search.textChanged.connect(self._find)
        self.reset_all.clicked.connect(self._to_preset)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.look()
        self.resize(80 * SPACE, 90 * SPACE)

    def _lay_out(self, kind: EditorKind, preset: str, changes: Mapping[str, Any]) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.setColumnStretch(1, 1)
        place = 0
        for group in kind.groups:
            title = self._titles[group.title] = section_title(group.title)
            grid.addWidget(title, place, 0, 1, 3)
            place += 1
            owner = value_at(self._preset, group.part) if group.part else self._preset
            for described in describe(type(owner)):
                if group.names and described.name not in group.names:
                    continue
                path = f"{group.part}.{described.name}" if group.part else described.name
                usual = value_at(self._preset, path)
                row = SettingRow(described, path, usual, changes.get(path, usual), self)
                self.rows[path] = row
                row.name.setProperty("group", group.title)
                for column, widget in enumerate((row.name, row.field, row.reset)):
                    grid.addWidget(widget, place, column)
                grid.addWidget(row.help, place + 1, 0, 1, 3)
                grid.addWidget(row.refusal, place + 2, 0, 1, 3)
                grid.setRowMinimumHeight(place + 3, SPACE)
                place += 4
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.addLayout(grid)
        inner.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(holder)
        head = QHBoxLayout()
        head.addWidget(page_title(tr("{editor}: all settings", editor=kind.title)))
        head.addStretch(1)
        head.addWidget(self.search)
        foot = QHBoxLayout()
        foot.addWidget(self.told, 1)
        foot.addWidget(self.reset_all)
        foot.addWidget(self.buttons)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE)
        box.addLayout(head)
        box.addWidget(
            hint(
                tr(
                    "Preset “{preset}”. {about} What differs from it is bold.",
                    preset=preset,
                    about=kind.presets[preset][0],
                )
            )
        )
        box.addWidget(area, 1)
        box.addWidget(self.refusal)
        box.addLayout(foot)

    def changes(self) -> dict[str, Any]:
        """What differs from the preset, by path. Raises SettingError while something is refused."""
        return {path: row.value() for path, row in self.rows.items() if row.differs}

    def look(self) -> None:
        """Say what differs and what stands in the way, of each setting and of them together."""
        if not hasattr(self, "buttons"):
            return
        differing = sum(row.differs for row in self.rows.values())
        refused = [row.error for row in self.rows.values() if row.error]
        if not refused:
            try:
                with_values(self._preset, self.changes())
            except SettingError as error:
                refused = [str(error)]
        told = plural(differing, "1 setting differs", "{number} settings differ from the preset")
        self.told.setText(told if differing else tr("As the preset has it"))
        self.refusal.setText(refused[0] if refused else "")
        self.refusal.setVisible(bool(refused))
        self.reset_all.setEnabled(bool(differing))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not refused)

    def _to_preset(self) -> None:
        for row in self.rows.values():
            row.to_preset()

    def _find(self, text: str) -> None:
        wanted, shown = text.casefold().strip(), set[str]()
        for path, row in self.rows.items():
            found = wanted in f"{path} {row.described.title} {row.described.help}".casefold()
            row.show(found)
            if found:
                shown.add(str(row.name.property("group")))
        for name, title in self._titles.items():
            title.setVisible(name in shown)

    def _dress(self) -> None:
        bad = QPalette(self.palette())
        bad.setColor(QPalette.ColorRole.WindowText, tokens().bad)
        for label in (self.refusal, *(row.refusal for row in self.rows.values())):
            label.setPalette(bad)


def _text(value: object) -> str:
    if value is None:
        return tr(_AUTOMATIC)
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
