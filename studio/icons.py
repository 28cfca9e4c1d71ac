"""Icons: line drawings in assets/icons, painted in the colour of the text around them.

A button or an action carries its icon's name as a property, so that a change of scheme can paint every icon anew.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt
from PySide6.QtGui import QAction, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

from studio.theme import tokens

NAME = "iconName"
"""The property that keeps an icon's name."""

_SIZES = (16, 24, 32, 48)


def folder() -> Path:
    """Where the drawings lie."""
    return Path(str(resources.files("assets"))) / "icons"


@lru_cache(maxsize=128)
def _drawing(name: str) -> str:
    return (folder() / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=512)
def _pixmap(name: str, colour: str, size: int) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", colour).encode()))
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def icon(name: str, colour: str | None = None) -> QIcon:
    """The icon `name` in `colour`, or in the text's colour."""
    colours = tokens()
    return _icon(name, colour or colours.text, colours.faint)


@lru_cache(maxsize=256)
def _icon(name: str, normal: str, faint: str) -> QIcon:
    made = QIcon()
    for size in _SIZES:
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
            made.addPixmap(_pixmap(name, normal, size), mode)
        made.addPixmap(_pixmap(name, faint, size), QIcon.Mode.Disabled)
    return made


def pixmap(name: str, colour: str, size: int) -> QPixmap:
    """The icon `name` in `colour`, twice as fine as `size` so that it stays sharp on dense screens."""
    made = QPixmap(_pixmap(name, colour, size * 2))
    made.setDevicePixelRatio(2.0)
    return made


def dress(target: QAbstractButton | QAction, name: str) -> None:
    """Give `target` the icon `name`, and remember the name for a change of scheme."""
    target.setProperty(NAME, name)
    _paint(target, name)


def repaint_all(root: QObject) -> None:
    """Paint the icons of everything below `root` in the colours now in force."""
    targets: list[QAbstractButton | QAction] = [*root.findChildren(QAbstractButton), *root.findChildren(QAction)]
    for target in targets:
        name = target.property(NAME)
        if isinstance(name, str) and name:
            _paint(target, name)


def _paint(target: QAbstractButton | QAction, name: str) -> None:
    filled = target.property("primary") is True
    target.setIcon(icon(name, tokens().on_accent if filled else None))
