"""The recipes that a benchmark compares: each a setting that anybody could train with.

`meg` is ours; `mlp` and `stored` put something simpler in the place of its generator; `paper` is the authors' own as
far as it goes on a small model (arXiv 2512.14395): small random neurons, one prompt an edit and no guards, the
one-headed entropy gate, a generator of raw weights that stops by their distance or by the clock. What it takes from us
all the same is named in PAPER_OURS. `retrieval` trains no weights of a neuron: the nearest fact is put before the
question.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from engine.edits import EditError
from engine.meg.settings import MegSettings, paper

Recipe = Literal["meg", "paper", "mlp", "stored", "retrieval"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)
PAPER_OURS = (
    "the generator's width, blocks and heads; Muon, its rate and its steps for the familiarity network; in collection "
    "Adam with one step size for each part of a neuron, its rate, and the loss at which an edit leaves its group"
)


def choose_recipes(text: str) -> tuple[Recipe, ...]:
    """The recipes named in `text`, between commas, in its order; raises EditError for one that does not exist."""
    named = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    known: dict[str, Recipe] = {recipe: recipe for recipe in RECIPES}
    for name in named:
        if name not in known:
            raise EditError(f"There is no recipe “{name}”: choose among {', '.join(RECIPES)}.")
    if not named:
        raise EditError(f"No recipe is named: choose among {', '.join(RECIPES)}.")
    return tuple(known[name] for name in named)


def settings_of(recipe: Recipe, start: MegSettings, paper_minutes: float) -> MegSettings:
    """What `recipe` trains with; what it does not say is as in `start`.

    The generator of `paper` trains for `paper_minutes` at most, and none of its neurons is tried a second time.
    """
    match recipe:
        case "mlp" | "stored":
            return replace(start, generator=replace(start.generator, kind=recipe))
        case "paper":
            return paper(start, paper_minutes)
        case "meg" | "retrieval":
            return start
