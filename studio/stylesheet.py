"""The few rules that Fusion's palette has no word for: corners, borders, padding, focus.

One sheet for the whole application, made from the colour tokens; no widget carries a sheet of its own.
"""

from __future__ import annotations

from pathlib import Path

from studio.theme import DARK, Tokens


def sheet(c: Tokens, drawings: Path) -> str:
    """The style rules in the colours `c`; `drawings` is the folder with the arrows and ticks."""
    files = drawings.as_posix()
    tick = f"{files}/tick-{'dark' if c is DARK else 'light'}.svg"
    return f"""
QToolTip {{ color: {c.text}; background: {c.surface}; border: 1px solid {c.border}; padding: 4px 8px; }}

QPushButton {{
    color: {c.text}; background: {c.control}; border: 1px solid {c.border}; border-radius: 6px;
    padding: 6px 12px; min-height: 18px;
}}
QPushButton:hover {{ background: {c.stripe}; border-color: {c.muted}; }}
QPushButton:pressed {{ background: {c.selection}; }}
QPushButton:checked {{ background: {c.selection}; border-color: {c.accent}; }}
QPushButton:focus {{ border: 2px solid {c.accent}; padding: 5px 11px; }}
QPushButton:disabled {{ color: {c.faint}; background: {c.window}; border-color: {c.border}; }}
QPushButton[primary="true"] {{
    color: {c.on_accent}; background: {c.accent}; border-color: {c.accent}; font-weight: 600;
}}
QPushButton[primary="true"]:focus {{ border: 2px solid {c.text}; }}
QPushButton[primary="true"]:disabled {{ color: {c.faint}; background: {c.window}; border-color: {c.border}; }}
QPushButton::menu-indicator {{ image: url({files}/chevron-down.svg); width: 14px; height: 14px; right: 6px;
    subcontrol-position: right center; subcontrol-origin: padding; }}
QPushButton[hasMenu="true"] {{ padding-right: 26px; }}

QToolButton {{ border: 1px solid transparent; border-radius: 6px; padding: 4px; background: transparent; }}
QToolButton:hover {{ background: {c.selection}; }}
QToolButton:focus {{ border-color: {c.accent}; }}
QFrame#rail QToolButton {{ padding: 8px 4px; }}
QFrame#rail QToolButton:checked {{ background: {c.selection}; font-weight: 600; }}

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox {{
    color: {c.text}; background: {c.control}; border: 1px solid {c.border}; border-radius: 6px;
    padding: 5px 8px; selection-background-color: {c.accent}; selection-color: {c.on_accent};
}}
QLineEdit, QAbstractSpinBox, QComboBox {{ min-height: 20px; }}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{
    border: 2px solid {c.accent}; padding: 4px 7px;
}}
QTextEdit[framed="false"] {{ border: none; background: transparent; padding: 0; }}
QTextEdit[framed="false"]:focus {{ border: none; border-left: 2px solid {c.accent}; padding: 0 0 0 6px; }}
QLineEdit:disabled, QPlainTextEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{
    color: {c.faint}; background: {c.window};
}}
QLineEdit[readOnly="true"], QPlainTextEdit[readOnly="true"] {{ background: {c.stripe}; }}
QAbstractItemView QLineEdit {{ border-radius: 0; padding: 0 6px; min-height: 0; border: 2px solid {c.accent}; }}
QComboBox QLineEdit, QAbstractSpinBox QLineEdit {{
    border: none; padding: 0 0 0 6px; min-height: 0; background: transparent;
}}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow {{ image: url({files}/chevron-down.svg); width: 16px; height: 16px; }}
QComboBox QAbstractItemView {{ background: {c.surface}; border: 1px solid {c.border}; padding: 4px; outline: 0; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; background: transparent; width: 20px; }}
QAbstractSpinBox::up-arrow {{ image: url({files}/chevron-up.svg); width: 12px; height: 12px; }}
QAbstractSpinBox::down-arrow {{ image: url({files}/chevron-down.svg); width: 12px; height: 12px; }}

QCheckBox, QRadioButton {{ spacing: 8px; padding: 3px 2px; border: 1px solid transparent; border-radius: 4px; }}
QCheckBox:focus, QRadioButton:focus {{ border-color: {c.accent}; }}
QCheckBox::indicator, QAbstractItemView::indicator {{
    width: 16px; height: 16px; border: 1px solid {c.muted}; border-radius: 4px; background: {c.control};
}}
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{
    background: {c.accent}; border-color: {c.accent}; image: url({tick});
}}
QRadioButton::indicator {{
    width: 12px; height: 12px; border: 2px solid {c.muted}; border-radius: 8px; background: {c.control};
}}
QRadioButton::indicator:checked {{ border: 5px solid {c.accent}; width: 6px; height: 6px; background: {c.on_accent}; }}
QCheckBox::indicator:disabled {{ border-color: {c.border}; background: {c.window}; }}

QTableView, QTreeView, QListView {{
    background: {c.surface}; alternate-background-color: {c.stripe}; border: 1px solid {c.border}; border-radius: 8px;
    gridline-color: {c.border}; outline: 0;
    selection-background-color: {c.selection}; selection-color: {c.text};
}}
QTableView:focus, QTreeView:focus, QListView:focus {{ border-color: {c.accent}; }}
QTableView[framed="false"] {{ border: none; border-radius: 0; }}
QTableView::item, QListView::item {{ padding: 4px 8px; border: none; }}
QListView::item:selected {{ background: {c.selection}; color: {c.text}; }}
QTableView::item:focus {{ border: 1px solid {c.accent}; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{
    color: {c.muted}; background: transparent; border: none; border-bottom: 1px solid {c.border};
    padding: 8px 8px 8px 11px; font-weight: 600;
}}
QHeaderView::section:hover {{ color: {c.text}; }}
QHeaderView::up-arrow {{ image: url({files}/chevron-up.svg); width: 12px; height: 12px; }}
QHeaderView::down-arrow {{ image: url({files}/chevron-down.svg); width: 12px; height: 12px; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QTableCornerButton::section {{ background: {c.surface}; border: none; }}

QProgressBar {{ border: none; border-radius: 4px; background: {c.border}; max-height: 8px; min-height: 8px; }}
QProgressBar::chunk {{ border-radius: 4px; background: {c.accent}; }}

QScrollArea, QScrollArea > QWidget > QWidget[scrolled="true"] {{ background: transparent; border: none; }}
QScrollBar:vertical {{ width: 12px; background: transparent; margin: 2px; }}
QScrollBar:horizontal {{ height: 12px; background: transparent; margin: 2px; }}
QScrollBar::handle {{ background: {c.border}; border-radius: 4px; min-height: 28px; min-width: 28px; }}
QScrollBar::handle:hover {{ background: {c.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QSplitter::handle {{ background: transparent; }}
QSplitter::handle:hover {{ background: {c.border}; }}

QMenuBar {{ background: {c.rail}; border-bottom: 1px solid {c.border}; padding: 2px 4px; }}
QMenuBar::item {{ padding: 4px 10px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {c.selection}; }}
QMenu {{ background: {c.surface}; border: 1px solid {c.border}; padding: 4px; }}
QMenu::item {{ padding: 6px 24px 6px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {c.selection}; }}
QMenu::item:disabled {{ color: {c.faint}; }}
QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 8px; }}
QMenu::icon {{ padding-left: 8px; }}

QStatusBar {{ background: {c.rail}; border-top: 1px solid {c.border}; }}
QStatusBar::item {{ border: none; }}

QTabWidget::pane {{ border: none; border-top: 1px solid {c.border}; }}
QTabBar::tab {{ color: {c.muted}; background: transparent; padding: 8px 12px; border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {c.text}; border-bottom-color: {c.accent}; }}
QTabBar::tab:focus {{ color: {c.accent}; }}
"""
