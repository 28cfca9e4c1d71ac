"""A plot that is looked at and not played with, in the colours of the scheme."""

from __future__ import annotations

import pyqtgraph as pg

from studio.theme import tokens
from studio.words import tr


def still_plot(name: str, left: str, bottom: str) -> pg.PlotWidget:
    """A plot without menu, buttons and mouse; `left` and `bottom` name its axes, where they need a name."""
    made = pg.PlotWidget(enableMenu=False)
    made.setAccessibleName(tr(name))
    # A menu that is never shown, but would be a window of its own.
    hidden = made.getPlotItem().ctrlMenu
    hidden.setParent(made, hidden.windowFlags())
    made.hideButtons()
    for side, title in (("left", left), ("bottom", bottom)):
        if title:
            made.setLabel(side, tr(title))
    made.setMouseEnabled(x=False, y=False)
    return made


def dress(plot: pg.PlotWidget) -> None:
    """Give background and axes the colours that the scheme has now."""
    colours = tokens()
    plot.setBackground(colours.surface)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(colours.border)
        axis.setTextPen(colours.muted)
