"""The recipes that a benchmark compares: each a setting that anybody could train with."""

from __future__ import annotations

from engine.edits import EditError
from engine.meg.settings import MegSettings

RECIPES = ("meg",)


def choose_recipes(text: str) -> tuple[str, ...]:
    """The recipes named in `text`, between commas; raises EditError for one that does not exist."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in RECIPES:
            raise EditError(f"There is no recipe “{name}”: choose among {', '.join(RECIPES)}.")
    if not names:
        raise EditError(f"No recipe is named: choose among {', '.join(RECIPES)}.")
    return names


def settings_of(name: str, start: MegSettings) -> MegSettings:
    """What the recipe called `name` trains with; what it does not say is as in `start`."""
    return {"meg": start}[name]
