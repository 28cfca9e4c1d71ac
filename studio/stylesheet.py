"""The few rules that Fusion's palette has no word for: corners, borders, padding, focus.

One sheet for the whole application, made from the colour tokens; no widget carries a sheet of its own.
"""

from __future__ import annotations

from pathlib import Path

from studio.theme import CORNER, DARK, FOCUS, HALF, LINE, MARK, PLACE, RADIUS, SNUG, SPACE, WIDE, Tokens

ROW, FIELD = 1.29, 1.43
"""Heights inside of a button and of a field, times the size of the text: a fixed one would cut large letters off."""

LOW = 10
"""The height of what shows a few lines and scrolls, or a small plot, times the size of the text."""


def sheet(c: Tokens, drawings: Path) -> str:
    """The style rules in the colours `c`; `drawings` is the folder with the arrows and ticks."""
    files = drawings.as_posix()
    tick = f"{files}/tick-{'dark' if c is DARK else 'light'}.svg"
    return f"""
QToolTip {{ color: {c.text}; background: {c.surface}; border: {LINE}px solid {c.border};
    padding: {HALF}px {SPACE}px; }}

QPushButton {{
    color: {c.text}; background: {c.control}; border: {LINE}px solid {c.border}; border-radius: {CORNER}px;
    padding: {SNUG}px {WIDE}px; min-height: {ROW}em;
}}
QPushButton:hover {{ background: {c.stripe}; border-color: {c.muted}; }}
QPushButton:pressed {{ background: {c.selection}; }}
QPushButton:checked {{ background: {c.selection}; border-color: {c.accent}; }}
QPushButton:focus {{ border: {FOCUS}px solid {c.accent}; padding: {SNUG - LINE}px {WIDE - LINE}px; }}
QPushButton:disabled {{ color: {c.faint}; background: {c.window}; border-color: {c.border}; }}
QPushButton[primary="true"] {{
    color: {c.on_accent}; background: {c.accent}; border-color: {c.accent}; font-weight: 600;
}}
QPushButton[primary="true"]:focus {{ border: {FOCUS}px solid {c.text}; }}
QPushButton[primary="true"]:disabled {{ color: {c.faint}; background: {c.window}; border-color: {c.border}; }}
QPushButton::menu-indicator {{ image: url({files}/chevron-down.svg); width: {WIDE + FOCUS}px;
    height: {WIDE + FOCUS}px; right: {SNUG}px;
    subcontrol-position: right center; subcontrol-origin: padding; }}
QPushButton[hasMenu="true"] {{ padding-right: {PLACE + FOCUS}px; }}

QToolButton {{ border: {LINE}px solid transparent; border-radius: {CORNER}px; padding: {HALF}px;
    background: transparent; }}
QToolButton:hover {{ background: {c.selection}; }}
QToolButton:focus {{ border-color: {c.accent}; }}
QFrame#rail QToolButton {{ padding: {SPACE}px {HALF}px; }}
QFrame#rail QToolButton:checked {{ background: {c.selection}; font-weight: 600; }}

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox {{
    color: {c.text}; background: {c.control}; border: {LINE}px solid {c.border}; border-radius: {CORNER}px;
    padding: {SNUG - LINE}px {SPACE}px; selection-background-color: {c.accent}; selection-color: {c.on_accent};
}}
QLineEdit, QAbstractSpinBox, QComboBox {{ min-height: {FIELD}em; }}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{
    border: {FOCUS}px solid {c.accent}; padding: {HALF}px {SPACE - LINE}px;
}}
QTextEdit[framed="false"] {{ border: none; background: transparent; padding: 0; }}
QTextEdit[framed="false"]:focus {{ border: none; border-left: {FOCUS}px solid {c.accent}; padding: 0 0 0 {SNUG}px; }}
QLineEdit:disabled, QPlainTextEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{
    color: {c.faint}; background: {c.window};
}}
QLineEdit[readOnly="true"], QPlainTextEdit[readOnly="true"] {{ background: {c.stripe}; }}
QAbstractItemView QLineEdit {{ border-radius: 0; padding: 0 {SNUG}px; min-height: 0;
    border: {FOCUS}px solid {c.accent}; }}
QComboBox QLineEdit, QAbstractSpinBox QLineEdit {{
    border: none; padding: 0 0 0 {SNUG}px; min-height: 0; background: transparent;
}}
QComboBox::drop-down {{ border: none; width: {PLACE}px; }}
QComboBox::down-arrow {{ image: url({files}/chevron-down.svg); width: {MARK}px; height: {MARK}px; }}
QComboBox QAbstractItemView {{ background: {c.surface}; border: {LINE}px solid {c.border}; padding: {HALF}px;
    outline: 0; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; background: transparent;
    width: {MARK + HALF}px; }}
QAbstractSpinBox::up-arrow {{ image: url({files}/chevron-up.svg); width: {WIDE}px; height: {WIDE}px; }}
QAbstractSpinBox::down-arrow {{ image: url({files}/chevron-down.svg); width: {WIDE}px; height: {WIDE}px; }}

QCheckBox, QRadioButton {{ spacing: {SPACE}px; padding: {HALF - LINE}px {FOCUS}px;
    border: {LINE}px solid transparent; border-radius: {HALF}px; }}
QCheckBox:focus, QRadioButton:focus {{ border-color: {c.accent}; }}
QCheckBox::indicator, QAbstractItemView::indicator {{
    width: {MARK}px; height: {MARK}px; border: {LINE}px solid {c.muted}; border-radius: {HALF}px;
    background: {c.control};
}}
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{
    background: {c.accent}; border-color: {c.accent}; image: url({tick});
}}
QRadioButton::indicator {{
    width: {WIDE}px; height: {WIDE}px; border: {FOCUS}px solid {c.muted}; border-radius: {RADIUS}px;
    background: {c.control};
}}
QRadioButton::indicator:checked {{ border: {SNUG - LINE}px solid {c.accent}; width: {SNUG}px; height: {SNUG}px;
    background: {c.on_accent}; }}
QCheckBox::indicator:disabled {{ border-color: {c.border}; background: {c.window}; }}

QTableView, QTreeView, QListView {{
    background: {c.surface}; alternate-background-color: {c.stripe}; border: {LINE}px solid {c.border};
    border-radius: {RADIUS}px;
    gridline-color: {c.border}; outline: 0;
    selection-background-color: {c.selection}; selection-color: {c.text};
}}
QTableView:focus, QTreeView:focus, QListView:focus {{ border-color: {c.accent}; }}
QTableView[framed="false"] {{ border: none; border-radius: 0; }}
QTableView::item, QListView::item {{ padding: {HALF - LINE}px {SPACE - LINE}px; border: {LINE}px solid transparent; }}
QListView::item:selected {{ background: {c.selection}; color: {c.text}; }}
QTableView::item:focus {{ border-color: {c.accent}; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{
    color: {c.muted}; background: transparent; border: none; border-bottom: {LINE}px solid {c.border};
    padding: {SPACE}px {SPACE}px {SPACE}px {WIDE - LINE}px; font-weight: 600;
}}
QHeaderView::section:hover {{ color: {c.text}; }}
QHeaderView::up-arrow {{ image: url({files}/chevron-up.svg); width: {WIDE}px; height: {WIDE}px; }}
QHeaderView::down-arrow {{ image: url({files}/chevron-down.svg); width: {WIDE}px; height: {WIDE}px; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QTableCornerButton::section {{ background: {c.surface}; border: none; }}

QAbstractScrollArea[low="true"] {{ min-height: {LOW}em; max-height: {LOW}em; }}

QProgressBar {{ border: none; border-radius: {HALF}px; background: {c.border}; max-height: {SPACE}px;
    min-height: {SPACE}px; }}
QProgressBar::chunk {{ border-radius: {HALF}px; background: {c.accent}; }}

QSlider:horizontal {{ min-height: {MARK + HALF}px; }}
QSlider::groove:horizontal {{ height: {HALF}px; border-radius: {FOCUS}px; background: {c.border}; }}
QSlider::sub-page:horizontal {{ border-radius: {FOCUS}px; background: {c.accent}; }}
QSlider::handle:horizontal {{ width: {WIDE}px; height: {WIDE}px; margin: -{SNUG}px 0; border-radius: {RADIUS}px;
    border: {FOCUS}px solid {c.accent}; background: {c.control}; }}
QSlider::handle:horizontal:focus {{ background: {c.accent}; }}
QSlider::handle:horizontal:disabled {{ border-color: {c.border}; }}
QSlider::sub-page:horizontal:disabled {{ background: {c.border}; }}

QScrollArea, QScrollArea > QWidget > QWidget[scrolled="true"] {{ background: transparent; border: none; }}
QScrollBar:vertical {{ width: {WIDE}px; background: transparent; margin: {FOCUS}px; }}
QScrollBar:horizontal {{ height: {WIDE}px; background: transparent; margin: {FOCUS}px; }}
QScrollBar::handle {{ background: {c.border}; border-radius: {HALF}px; min-height: {PLACE + HALF}px;
    min-width: {PLACE + HALF}px; }}
QScrollBar::handle:hover {{ background: {c.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QSplitter::handle {{ background: transparent; }}
QSplitter::handle:hover {{ background: {c.border}; }}

QMenuBar {{ background: {c.rail}; border-bottom: {LINE}px solid {c.border}; padding: {FOCUS}px {HALF}px; }}
QMenuBar::item {{ padding: {HALF}px {SPACE + FOCUS}px; border-radius: {HALF}px; background: transparent; }}
QMenuBar::item:selected {{ background: {c.selection}; }}
QMenu {{ background: {c.surface}; border: {LINE}px solid {c.border}; padding: {HALF}px; }}
QMenu::item {{ padding: {SNUG}px {PLACE}px {SNUG}px {WIDE}px; border-radius: {HALF}px; }}
QMenu::item:selected {{ background: {c.selection}; }}
QMenu::item:disabled {{ color: {c.faint}; }}
QMenu::separator {{ height: {LINE}px; background: {c.border}; margin: {HALF}px {SPACE}px; }}
QMenu::icon {{ padding-left: {SPACE}px; }}

QStatusBar {{ background: {c.rail}; border-top: {LINE}px solid {c.border}; }}
QStatusBar::item {{ border: none; }}

QTabWidget::pane {{ border: none; border-top: {LINE}px solid {c.border}; }}
QTabBar::tab {{ color: {c.muted}; background: transparent; padding: {SPACE}px {WIDE}px;
    border-bottom: {FOCUS}px solid transparent; }}
QTabBar::tab:selected {{ color: {c.text}; border-bottom-color: {c.accent}; }}
QTabBar::tab:focus {{ color: {c.accent}; }}
"""
