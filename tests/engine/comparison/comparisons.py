"""A comparison as it might have come out."""

from __future__ import annotations

from engine.comparison.comparison import Comparison
from engine.comparison.record import (
    Cost,
    Curve,
    CurvePoint,
    Figures,
    ProtocolFigure,
    ProtocolFigures,
    Record,
    Shares,
    Undo,
)

BAD = '<script>alert("x")</script>'


def shares(ag: float, *, gated: bool) -> Shares:
    return Shares(ag=ag, tf=1.0, routed=0.5 if gated else None, asked=10)


def record(contender: str, edits: int, score: float, *, seed: int = 0, gated: bool = False) -> Record:
    return Record(
        contender=contender,
        title=contender.upper(),
        editor=contender,
        preset="balanced",
        gated=gated,
        edits=edits,
        seed=seed,
        outcome="measured",
        figures=Figures(
            reliability=shares(score, gated=gated),
            generality=shares(0.5, gated=gated),
            locality=shares(0.25, gated=gated),
            kinds={"far": shares(0.25, gated=gated)},
            score=score,
        ),
        cost=Cost(
            stages={"Learn": 10.0},
            seconds=10.0,
            memory_before=100_000_000,
            memory_peak=150_000_000,
            pack=2_500_000,
            answer=12.5,
        ),
        undo=Undo(one=True, tried=4, gone=4, original=3, back=4, exact=True),
        protocols={
            "counterfact": ProtocolFigures(
                title="CounterFact",
                about="Likelier or not.",
                figures=[
                    ProtocolFigure(name="ES", about="prompts", original=0.1, edited=0.875, asked=10, unit="share")
                ],
                notes=["Nothing was left out."],
            )
        },
        settings={"layer": None, "optimiser": {"learning_rate": 0.5}},
        pack_figures={"layer": 3},
    )


def refused(contender: str, edits: int) -> Record:
    return record(contender, edits, 0.0).model_copy(
        update={
            "outcome": "refused",
            "sentence": f"Edit {BAD} has no subject.",
            "figures": None,
            "cost": Cost(),
            "undo": Undo(one=False),
            "protocols": {},
        }
    )


def curve(contender: str, kept: float, *, anew: bool = False) -> Curve:
    points = [
        CurvePoint(
            edits=edits,
            at_edit=1.0,
            kept=kept if edits > 1 else 1.0,
            generality=0.5,
            unrelated=0.75,
            perplexity=4.0 + edits,
            original_perplexity=4.0,
            seconds=2.0 * edits,
        )
        for edits in (1, 2, 4)
    ]
    return Curve(
        contender=contender,
        title=contender.upper(),
        editor=contender,
        preset="balanced",
        seed=0,
        edits=4,
        anew=anew,
        outcome="measured",
        points=points,
    )


def comparison() -> Comparison:
    """Two sizes, two seeds of one contender, one contender that refuses, a curve each of two."""
    return Comparison(
        title=f"Editors on {BAD}",
        command={"editors": ["meg", "rome"], "seeds": 2},
        machine={"threads": 1},
        records=[
            record("meg", 10, 0.9, gated=True),
            record("meg", 10, 0.8, seed=1, gated=True),
            record("rome", 10, 0.5),
            refused("kn", 10),
            record("meg", 100, 0.7, gated=True),
        ],
        curves=[curve("meg", 0.95), curve("ike", 1.0, anew=True)],
    )
