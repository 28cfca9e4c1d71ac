"""Where the studio stands with the training of one run: a small machine, so that no order of events can confuse it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    """Where the training stands."""

    IDLE = "idle"
    PREPARING = "preparing"  # the run is written down
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"  # a stop was asked for; the job has not ended yet
    NOTING = "noting"  # it has ended; the project is told how


class Event(StrEnum):
    """What can happen: the first four by the user, the others by the workers."""

    START = "start"
    PAUSE = "pause"
    GO_ON = "go on"
    CANCEL = "cancel"
    BEGUN = "begun"  # the run is written down and the job queued
    REFUSED = "refused"  # the run could not be written down
    ENDED = "ended"  # finished, failed, crashed or stopped
    NOTED = "noted"  # or could not be noted


_NEXT: Mapping[Phase, Mapping[Event, Phase]] = {
    Phase.IDLE: {Event.START: Phase.PREPARING},
    Phase.PREPARING: {
        Event.BEGUN: Phase.TRAINING,
        Event.REFUSED: Phase.IDLE,
        Event.CANCEL: Phase.STOPPING,
    },
    Phase.TRAINING: {
        Event.PAUSE: Phase.PAUSED,
        Event.CANCEL: Phase.STOPPING,
        Event.ENDED: Phase.NOTING,
    },
    Phase.PAUSED: {
        Event.GO_ON: Phase.TRAINING,
        Event.CANCEL: Phase.STOPPING,
        Event.ENDED: Phase.NOTING,  # it was at its last step
    },
    Phase.STOPPING: {
        Event.BEGUN: Phase.STOPPING,  # the stop came while the run was written down
        Event.REFUSED: Phase.IDLE,
        Event.ENDED: Phase.NOTING,
    },
    Phase.NOTING: {Event.NOTED: Phase.IDLE},
}


class TrainingPhase:
    """The machine: an event that does not belong to the phase changes nothing."""

    def __init__(self) -> None:
        self.phase = Phase.IDLE

    @property
    def busy(self) -> bool:
        """Whether a training is under way, its last note to the project included."""
        return self.phase is not Phase.IDLE

    def take(self, event: Event) -> bool:
        """Go on to the next phase; False where `event` means nothing now."""
        following = _NEXT[self.phase].get(event)
        if following is None:
            return False
        self.phase = following
        return True

    def can(self, event: Event) -> bool:
        """Whether `event` means something now."""
        return event in _NEXT[self.phase]
