"""Puts the theme on the application: scheme, palette, style sheet, zoom."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

from studio import icons
from studio.stylesheet import sheet
from studio.theme import DARK, LIGHT, Scheme, palette

ZOOMS = (0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)


@runtime_checkable
class Zoomed(Protocol):
    """A widget whose font is a multiple of the application's."""

    def follow_zoom(self) -> None:
        """Take the size that the application's font has now."""
        ...


class Appearance:
    """The look of one application: what the user chose, and how to change it."""

    def __init__(self, app: QApplication, scheme: Scheme = Scheme.SYSTEM, zoom: float = 1.0) -> None:
        self._app = app
        self._base = app.font()
        self.scheme = scheme
        self.zoom = 1.0
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._desktop_changed)
        self.set_scheme(scheme)
        self.set_zoom(zoom)

    def set_scheme(self, scheme: Scheme) -> None:
        """Dress the application in `scheme`; SYSTEM follows the desktop."""
        self.scheme = scheme
        hints = self._app.styleHints()
        wanted = {
            Scheme.SYSTEM: Qt.ColorScheme.Unknown,
            Scheme.LIGHT: Qt.ColorScheme.Light,
            Scheme.DARK: Qt.ColorScheme.Dark,
        }[scheme]
        hints.setColorScheme(wanted)
        dark = hints.colorScheme() == Qt.ColorScheme.Dark if scheme is Scheme.SYSTEM else scheme is Scheme.DARK
        colours = DARK if dark else LIGHT
        rules = sheet(colours, icons.folder())
        if rules == self._app.styleSheet():
            return  # every widget would be measured and painted anew for nothing
        self._app.setPalette(palette(colours))
        self._restyle(rules)
        for window in self._app.topLevelWidgets():
            icons.repaint_all(window)

    def set_zoom(self, zoom: float) -> None:
        """Scale all text: 1 is the desktop's own size."""
        self.zoom = min(max(zoom, ZOOMS[0]), ZOOMS[-1])
        font = self._app.font()
        font.setPointSizeF(self._base.pointSizeF() * self.zoom)
        if font == self._app.font():
            return
        self._app.setFont(font)
        self._restyle(self._app.styleSheet())

    def _restyle(self, rules: str) -> None:
        """Put `rules` on: what they speak of takes the font of this moment.

        Widgets with a font of their own lose its size by that, and have to be told; labels first, since what holds
        them measures them.
        """
        self._app.setStyleSheet(rules)
        sized = [widget for widget in self._app.allWidgets() if isinstance(widget, Zoomed)]
        for widget in sorted(sized, key=lambda widget: not isinstance(widget, QLabel)):
            widget.follow_zoom()

    def zoom_by(self, steps: int) -> None:
        """Go `steps` sizes up, or down where negative."""
        nearest = min(range(len(ZOOMS)), key=lambda index: abs(ZOOMS[index] - self.zoom))
        self.set_zoom(ZOOMS[min(max(nearest + steps, 0), len(ZOOMS) - 1)])

    def _desktop_changed(self) -> None:
        if self.scheme is Scheme.SYSTEM:
            self.set_scheme(Scheme.SYSTEM)
