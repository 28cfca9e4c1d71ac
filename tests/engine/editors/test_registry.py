"""What the registry says of an editor is what the editor says of itself."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from engine.editors.learnable import memory_stated
from engine.editors.registry import DEFAULT, EDITORS, make_editor
from engine.edits import EditSet
from engine.language_model import LanguageModel
from engine.setting_fields import describe, value_at

PRESETS = [(name, preset) for name, kind in EDITORS.items() for preset in kind.presets]


@pytest.mark.parametrize("name", list(EDITORS))
def test_needs_and_stages_are_known_before_the_editor_is_made(name: str) -> None:
    kind = EDITORS[name]
    settings = next(iter(kind.presets.values()))[1]()
    editor = make_editor(name, settings)
    assert editor.requirements() == kind.requires
    assert editor.stages() == kind.stages_of(settings)
    assert kind.about.endswith(".")


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_setting_of_a_group_is_described_and_comes_back_through_json(name: str, preset: str) -> None:
    kind = EDITORS[name]
    settings = kind.presets[preset][1]()
    for group in kind.groups:
        owner = value_at(settings, group.part) if group.part else settings
        told = {described.name: described for described in describe(type(owner))}
        assert told
        assert set(group.names) <= told.keys()
        for described in told.values():
            assert described.help
            assert not described.refusal(getattr(owner, described.name))
    assert kind.restore(json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


def test_meg_is_taken_where_none_was_chosen() -> None:
    assert DEFAULT == "meg"


def test_the_registry_is_read_without_torch() -> None:
    told = "import sys, engine.editors.registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", EDITORS)
def test_every_editor_states_what_memory_it_takes(name: str, model: LanguageModel, edits: EditSet) -> None:
    editor = make_editor(name, EDITORS[name].usual()[1]())
    few, many = (editor.memory(model, edits.edits[:count]) for count in (1, 40))
    assert 2**16 < few <= many < 2**32
    assert memory_stated(editor, model, ()) is None


def test_of_an_edit_that_cannot_be_asked_no_memory_is_stated(model: LanguageModel, edits: EditSet) -> None:
    far = dataclasses.replace(edits.edits[0], prompt="far " * 900)
    assert memory_stated(make_editor("grace", EDITORS["grace"].usual()[1]()), model, (far,)) is None
