"""The gate's decision and its evidence, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.widgets.figures import share

if TYPE_CHECKING:
    from engine.editor import Explanation, Reason, Routing

SLIGHT = 0.25
"""Log-odds below which evidence hardly counts."""


def decision(routing: Routing) -> str:
    """What the gate decided."""
    if routing.routed:
        return "Familiar: it is about an edit, so a neuron is generated."
    if routing.familiarity >= routing.threshold:
        return "Familiar, but its edit is switched off or gone: the original model answers."
    return "Not familiar: the model stays as it is, bit for bit."


def why(explanation: Explanation) -> str:
    """What the decision hangs on, in a sentence."""
    if explanation.verbatim:
        return "The question is the edit's own prompt, word for word: that decides alone."
    if not explanation.reasons:
        return "This pack's gate goes by the entropy of the familiarity network alone."
    return "What speaks for the nearest edit, and what against it:"


def evidence(reason: Reason) -> str:
    """What was found, of one kind of evidence."""
    value, more = reason.value, reason.value > reason.usual
    match reason.evidence:
        case "nearness":
            return f"Its words lie {'near' if more else 'far from'} the edit's prompt: similarity {value:.2f}"
        case "subject":
            return "It names the edit's subject" if value > 0 else "It does not name the edit's subject"
        case "wording":
            return "It is worded as the edit's relation is" if value > 0 else "It is worded as another relation is"
        case "relation":
            if value == 0:
                return "The model's thought tells nothing of the relation that is asked"
            return f"The model takes it to ask {'the edit’s' if value > 0 else 'another'} relation"
        case "state":
            return f"The model's state is {'near' if more else 'unlike'} that after the prompt: {value:.2f}"
        case "answer":
            return f"The model begins its answer as after the prompt: chance {share(value)}"
        case "entropy":
            seen = "has seen its like" if more else "has not seen its like"
            return f"The familiarity network {seen}: entropy {1 - value:.2f} of 1"
        case _:
            raise ValueError(f"no words for the evidence {reason.evidence!r}")


def bearing(reason: Reason) -> str:
    """How evidence counts: for the edit, against it, or hardly."""
    if abs(reason.weight) < SLIGHT:
        return "hardly counts"
    return f"{'for' if reason.weight > 0 else 'against'} it, {abs(reason.weight):.1f}"
