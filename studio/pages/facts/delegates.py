"""How cells of the facts table are edited and drawn where plain text is not enough."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QComboBox, QLineEdit, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from engine.edits import Relation
from studio.pages.facts.table import ROW_ROLE
from studio.store.listing import EditRow
from studio.theme import SNUG, SPACE, tokens
from studio.widgets.figures import share
from studio.words import tr

Index = QModelIndex | QPersistentModelIndex


class TextDelegate(QStyledItemDelegate):
    """A line of text with an accessible name."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, _index: Index) -> QWidget:
        """A line edit as high as the row."""
        editor = QLineEdit(parent)
        editor.setAccessibleName(self._name)
        return editor


class RelationDelegate(QStyledItemDelegate):
    """A list of the relations."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._relations: tuple[Relation, ...] = ()

    def set_relations(self, relations: Sequence[Relation]) -> None:
        """The relations to choose from."""
        self._relations = tuple(relations)

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, index: Index) -> QWidget:
        """A combo box; a free prompt has no relation, and so nothing to choose."""
        row = index.data(ROW_ROLE)
        if not isinstance(row, EditRow) or not row.subject:
            return None  # type: ignore[return-value]  # Qt's way to say that there is no editor
        editor = QComboBox(parent)
        editor.setAccessibleName(tr("Relation"))
        for relation in self._relations:
            editor.addItem(relation.name, relation.id)
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Choose the edit's relation."""
        if isinstance(editor, QComboBox):
            editor.setCurrentIndex(editor.findData(index.data(Qt.ItemDataRole.EditRole)))

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Hand the chosen relation's id over."""
        if isinstance(editor, QComboBox) and editor.currentData() is not None:
            model.setData(model.index(index.row(), index.column()), editor.currentData())


class FamiliarityDelegate(QStyledItemDelegate):
    """A short bar and its figure."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """The text is drawn beside the bar, not by the style."""
        super().initStyleOption(option, index)
        option.text = ""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the cell, then figure and bar over it."""
        super().paint(painter, option, index)
        row = index.data(ROW_ROLE)
        if not isinstance(row, EditRow) or row.familiarity is None:
            return
        colours = tokens()
        rect = QRectF(option.rect).adjusted(SPACE, 0, -SPACE, 0)
        metrics = option.fontMetrics
        figure = metrics.horizontalAdvance("99.9 %")
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(colours.text if row.enabled else colours.muted))
        painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, share(row.familiarity))
        room = rect.width() - figure - SPACE
        if room > 2 * SPACE:
            bar = QRectF(rect.left() + figure + SPACE, rect.center().y() - SNUG / 2, room, SNUG)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.border))
            painter.drawRoundedRect(bar, SNUG / 2, SNUG / 2)
            bar.setWidth(max(room * row.familiarity, 3))
            painter.setBrush(QColor(colours.accent))
            painter.drawRoundedRect(bar, SNUG / 2, SNUG / 2)
        painter.restore()
