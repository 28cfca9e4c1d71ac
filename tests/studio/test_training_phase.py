from __future__ import annotations

from itertools import product

import pytest

from studio.training_phase import Event, Phase, TrainingPhase

BY_USER = {Event.START, Event.PAUSE, Event.GO_ON, Event.CANCEL}


def after(events: tuple[Event, ...]) -> TrainingPhase:
    machine = TrainingPhase()
    for event in events:
        machine.take(event)
    return machine


def test_every_order_of_five_events_leads_somewhere_from_where_it_ends() -> None:
    """Whatever happened, the workers' own events bring the machine to rest, and a stop is never forgotten."""
    for events in product(Event, repeat=5):
        machine = after(events)
        asked = machine.phase is Phase.STOPPING
        for event in (Event.BEGUN, Event.ENDED, Event.NOTED):
            machine.take(event)
            if asked and event is Event.BEGUN:
                assert machine.phase is Phase.STOPPING, events
        assert machine.phase is Phase.IDLE, events
        assert not machine.busy


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.TRAINING, Phase.PAUSED])
def test_a_stop_counts_wherever_something_can_be_stopped(phase: Phase) -> None:
    machine = TrainingPhase()
    machine.phase = phase
    assert machine.can(Event.CANCEL)
    assert machine.take(Event.CANCEL)
    assert machine.phase is Phase.STOPPING
    assert not machine.take(Event.CANCEL)  # a second press changes nothing
    assert not machine.take(Event.PAUSE)
    assert not machine.take(Event.GO_ON)


def test_no_second_training_begins_while_one_is_under_way() -> None:
    for phase in Phase:
        machine = TrainingPhase()
        machine.phase = phase
        assert machine.take(Event.START) == (phase is Phase.IDLE)


def test_an_event_that_means_nothing_changes_nothing() -> None:
    for phase, event in product(Phase, Event):
        machine = TrainingPhase()
        machine.phase = phase
        taken = machine.can(event)
        assert machine.take(event) == taken
        if not taken:
            assert machine.phase is phase


def test_what_ends_while_it_is_paused_is_noted() -> None:
    machine = after((Event.START, Event.BEGUN, Event.PAUSE, Event.ENDED))
    assert machine.phase is Phase.NOTING
    assert BY_USER.isdisjoint(event for event in Event if machine.can(event))
