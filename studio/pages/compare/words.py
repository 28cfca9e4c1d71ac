"""The gate's decision and its evidence, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.widgets.figures import share
from studio.words import tr

if TYPE_CHECKING:
    from engine.editor import Explanation, Reason, Routing

SLIGHT = 0.25
"""Log-odds below which evidence hardly counts."""


def decision(routing: Routing) -> str:
    """What the gate decided."""
    if routing.routed:
        return tr("Familiar: it is about an edit, so the edited model answers.")
    if routing.familiarity >= routing.threshold:
        return tr("Familiar, but its edit is switched off or gone: the original model answers.")
    return tr("Not familiar: the model stays as it is, bit for bit.")


def why(explanation: Explanation) -> str:
    """What the decision hangs on, in a sentence."""
    if explanation.verbatim:
        return tr("What is asked is the edit's own prompt, word for word: that decides alone.")
    if not explanation.reasons:
        return tr("This pack's gate goes by the familiarity alone: it weighs no other evidence.")
    return tr("What speaks for the nearest edit, and what against it:")


def evidence(reason: Reason) -> str:
    """What was found, of one kind of evidence."""
    value, more = reason.value, reason.value > reason.usual
    match reason.evidence:
        case "nearness":
            figure = f"{value:.2f}"
            if more:
                return tr("Its words lie near the edit's prompt: similarity {figure}", figure=figure)
            return tr("Its words lie far from the edit's prompt: similarity {figure}", figure=figure)
        case "subject":
            return tr("It names the edit's subject") if value > 0 else tr("It does not name the edit's subject")
        case "wording":
            if value > 0:
                return tr("It is worded as the edit's relation is")
            return tr("It is worded as another relation is")
        case "relation":
            if value == 0:
                return tr("The model's thought tells nothing of the relation that is asked")
            if value > 0:
                return tr("The model takes it to ask the edit’s relation")
            return tr("The model takes it to ask another relation")
        case "state":
            figure = f"{value:.2f}"
            if more:
                return tr("The model's state is near that after the prompt: {figure}", figure=figure)
            return tr("The model's state is unlike that after the prompt: {figure}", figure=figure)
        case "answer":
            return tr("The model begins its answer as after the prompt: chance {chance}", chance=share(value))
        case "entropy":
            figure = f"{1 - value:.2f}"
            if more:
                return tr("The familiarity network has seen its like: entropy {figure} of 1", figure=figure)
            return tr("The familiarity network has not seen its like: entropy {figure} of 1", figure=figure)
        case _:
            raise ValueError(f"no words for the evidence {reason.evidence!r}")


def bearing(reason: Reason) -> str:
    """How evidence counts: for the edit, against it, or hardly."""
    if abs(reason.weight) < SLIGHT:
        return tr("hardly counts")
    weight = f"{abs(reason.weight):.1f}"
    return tr("for it, {weight}", weight=weight) if reason.weight > 0 else tr("against it, {weight}", weight=weight)
