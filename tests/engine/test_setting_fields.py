from __future__ import annotations

import dataclasses
import json

import pytest

from engine.editors.registry import EDITORS
from engine.meg.settings import (
    PARTS,
    PRESETS,
    CollectionSettings,
    GeneratorSettings,
    MegSettings,
    settings_from,
)
from engine.setting_fields import SettingError, describe, help_of, value_at, with_values


def described(kind: type, name: str):
    return next(found for found in describe(kind) if found.name == name)


@pytest.mark.parametrize("kind", [MegSettings, *PARTS.values()])
def test_every_setting_says_what_it_means_and_takes_its_own_default(kind):
    told = {found.name: found for found in describe(kind)}
    for field in dataclasses.fields(kind):
        if field.name in {"layer", "watched", *PARTS}:
            continue
        found = told[field.name]
        assert found.help.endswith((".", ")")), field.name
        assert found.refusal(field.default) == ""
        if found.kind in (int, float):
            assert found.least is not None, field.name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "1,200", 1200),
        ("steps", "", None),
        ("learning_rate", "6e-3", 0.006),
        ("noise", "1", 1.0),
        ("stopping", "distance", "distance"),
    ],
)
def test_what_is_typed_is_read(name, text, value):
    assert described(GeneratorSettings, name).read(text) == value


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("True", True), ("no", False), (" false ", False)])
def test_yes_and_no_are_read(text, value):
    assert described(MegSettings, "prompt_alone").read(text) is value
    assert described(MegSettings, "chat").read(text) is value


def test_neither_yes_nor_no_is_refused():
    assert described(MegSettings, "chat").read("") is None
    for text in ("", "perhaps", "1"):
        with pytest.raises(SettingError, match="yes or no"):
            described(MegSettings, "prompt_alone").read(text)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("steps", "0", "too little"),
        ("steps", "many", "a whole number, or nothing"),
        ("steps", "1.5", "a whole number"),
        ("width", "", "a whole number"),
        ("learning_rate", "2", "too much"),
        ("learning_rate", "nan", "too little"),
        ("learning_rate", "inf", "too much"),
        ("stopping", "never", "none of them"),
    ],
)
def test_what_is_refused_is_refused_with_a_sentence(name, text, why):
    with pytest.raises(SettingError, match=why) as refused:
        described(GeneratorSettings, name).read(text)
    assert str(refused.value).endswith(".")


def test_a_wrong_value_is_refused_wherever_it_comes_from():
    with pytest.raises(SettingError, match="“neurons an edit” is 1 to 16"):
        CollectionSettings(neurons=17)
    with pytest.raises(SettingError, match="yes or no"):
        MegSettings(prompt_alone=1)
    with pytest.raises(SettingError, match="cannot be shared among 3"):
        GeneratorSettings(heads=3)
    with pytest.raises(SettingError, match="no layer -1"):
        MegSettings(layer=-1)
    with pytest.raises(SettingError, match="too little"):
        settings_from(json.loads(json.dumps(dataclasses.asdict(MegSettings()))) | {"guards": -2})


def test_values_are_found_and_changed_by_their_path():
    changed = with_values(MegSettings(), {"generator.heads": 3, "generator.width": 96, "layer": "auto"})
    assert (changed.generator.heads, changed.generator.width, changed.layer) == (3, 96, "auto")
    assert value_at(changed, "generator.heads") == 3
    with pytest.raises(SettingError, match="heads"):
        with_values(MegSettings(), {"generator.heads": 3})


def test_presets_differ_and_go_through_json():
    made = {name: settings() for name, (_, settings) in PRESETS.items()}
    assert made["balanced"] == MegSettings()
    assert made["fast"].generator.answered < made["balanced"].generator.answered
    assert (made["paper"].gate, made["paper"].generator.stopping) == ("entropy", "distance")
    for settings in made.values():
        assert settings_from(json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


def test_the_help_is_told_once():
    assert help_of(MegSettings, "layer").startswith("The FFN block")
    assert help_of(CollectionSettings, "neurons") == described(CollectionSettings, "neurons").help


@pytest.mark.parametrize("kind", EDITORS.values(), ids=list(EDITORS))
def test_the_registry_tells_of_each_editor_what_the_editor_does(kind):
    from engine.editors.registry import make_editor

    for _, settings in kind.presets.values():
        editor = make_editor(kind.name, settings())
        assert editor.stages() == kind.stages_of(settings())
        assert kind.restore(dataclasses.asdict(settings())) == settings()
    for group in kind.groups:
        owner = type(value_at(settings(), group.part)) if group.part else type(settings())
        names = {found.name for found in describe(owner)}
        assert names
        assert set(group.names) <= names


@pytest.mark.parametrize("kind", EDITORS.values(), ids=list(EDITORS))
def test_every_setting_of_an_editor_has_a_path_at_which_it_can_be_set(kind):
    settings = kind.usual()[1]()
    known = kind.described(settings)
    assert known
    for path, found in known.items():
        value = value_at(settings, path)
        text = "yes" if value is True else "no" if value is False else "" if value is None else str(value)
        assert found.read(text) == value
        assert with_values(settings, {path: value}) == settings


def test_a_sweep_is_a_stage_of_its_own():
    from engine.editors.registry import make_editor

    swept = MegSettings(layer="auto")
    assert EDITORS["meg"].stages_of(swept) == make_editor("meg", swept).stages()
