"""A run in words: what it is called, what was chosen for it, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studio.store.runs import RunRow, RunState
from studio.widgets.figures import count, moment, share
from studio.words import deferred, tr

_STATES = {
    RunState.WAITING: deferred("waiting"),
    RunState.RUNNING: deferred("running"),
    RunState.FINISHED: deferred("finished"),
    RunState.CANCELLED: deferred("cancelled"),
    RunState.FAILED: deferred("failed"),
    RunState.INTERRUPTED: deferred("interrupted"),
}
_OUTCOMES = {
    RunState.WAITING: deferred("waits for its turn"),
    RunState.RUNNING: deferred("is being trained"),
    RunState.FINISHED: deferred("finished"),
    RunState.CANCELLED: deferred("was cancelled"),
    RunState.FAILED: deferred("failed"),
    RunState.INTERRUPTED: deferred("was interrupted"),
}
_SHARES = frozenset(f"{name}{way}" for name in ("reliability", "generality", "locality") for way in ("", " TF")) | {
    "score"
}


def called(run: RunRow) -> str:
    """The name that a person gave the run, or when it was started, so exactly that it is the only one."""
    return run.name or moment(run.created, exact=True)


def state_name(run: RunRow) -> str:
    """How the run stands, in a word."""
    return tr(_STATES[run.state])


def outcome(run: RunRow) -> str:
    """What became of the run, to follow its name in a sentence."""
    return tr(_OUTCOMES[run.state])


def editor_name(run: RunRow) -> str:
    """How the run's editor is written."""
    return run.kind.title if run.kind is not None else run.editor


def model_name(name: str) -> str:
    """How a model is written, given what it is loaded by: a folder by its own name."""
    if name == "embedded":
        return tr("embedded model")
    return Path(name).name if Path(name).is_absolute() else name


def settings_in_words(run: RunRow) -> dict[str, str]:
    """What was chosen for the run, and where it is."""
    told = {
        tr("queued") if run.state is RunState.WAITING else tr("started"): moment(run.created),
        tr("model"): run.model,
        tr("editor"): editor_name(run),
        tr("seed"): str(run.seed),
        **{name: text for key, value in run.settings.items() for name, text in _setting(key, value)},
        tr("snapshot"): run.snapshot[:16],
        tr("folder"): str(run.folder),
    }
    if run.threshold is not None:
        told[tr("threshold, moved by hand")] = f"{run.threshold:.3f}"
    return told | ({tr("message"): run.message} if run.message else {})


def figures_in_words(run: RunRow) -> dict[str, str]:
    """What came of the run, but for a sweep over its layers, which a curve shows."""
    return {
        name.replace(" queries", " questions"): _figure(name, value)
        for name, value in run.figures.items()
        if not _is_table(value)
    }


def _setting(name: str, value: object) -> list[tuple[str, str]]:
    """A setting, or those of a group under the group's name."""
    if isinstance(value, Mapping):
        return [told for key, part in value.items() for told in _setting(f"{name}: {key}", part)]
    if value is None:
        return [(name, tr("automatic"))]
    if isinstance(value, list | tuple):
        return [(name, " · ".join(str(part) for part in value) or tr("none"))]
    return [(name, str(value))]


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _figure(name: str, value: object) -> str:
    if isinstance(value, list):
        numbers = bool(value) and all(isinstance(part, int | float) for part in value)
        return " · ".join(map(str, value)) if numbers else count(len(value), "edit")
    if isinstance(value, int | float):
        if name in _SHARES:
            return share(float(value))
        return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
    return str(value)
