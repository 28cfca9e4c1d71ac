from __future__ import annotations

from pathlib import Path

import pytest

from studio import settings as settings_module
from studio.settings import Settings, load_settings, locations, save_settings


def test_everything_lies_under_one_home_where_that_is_asked_for(own_folders: Path) -> None:
    found = locations()
    for folder in (found.data, found.config, found.state, found.projects, found.settings.parent):
        assert folder.is_relative_to(own_folders)
        assert folder.is_dir()


def test_facts_are_never_kept_in_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(settings_module.HOME)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = locations()
    assert "cache" not in str(found.projects.relative_to(tmp_path)).lower()
    assert found.projects.is_dir()


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "config" / "settings.json"
    assert load_settings(path) == (Settings(), "")
    saved = Settings(theme="dark", zoom=1.5, geometry="AAA=", page="runs").with_recent(tmp_path / "ü")
    save_settings(saved, path)
    assert load_settings(path) == (saved, "")
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


def test_recent_projects_are_few_and_each_is_there_once(tmp_path: Path) -> None:
    settings = Settings()
    for number in range(20):
        settings = settings.with_recent(tmp_path / str(number))
    settings = settings.with_recent(tmp_path / "15")
    assert settings.recent_projects[:3] == (tmp_path / "15", tmp_path / "19", tmp_path / "18")
    assert len(settings.recent_projects) == len(set(settings.recent_projects)) == 10


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"theme": "pink"}', b'{"zoom": 99}', b"\xff\xfe", b'{"recent_projects": 3}']
)
def test_a_bad_file_is_kept_aside_and_does_not_keep_the_window_shut(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    settings, sentence = load_settings(path)
    assert settings == Settings()
    assert "start afresh" in sentence
    assert path.with_suffix(".unreadable.json").read_bytes() == content
    assert not path.exists()


def test_a_folder_in_the_place_of_the_file_is_survived(tmp_path: Path) -> None:
    settings, sentence = load_settings(tmp_path)
    assert settings == Settings()
    assert "could not be read" in sentence


def test_what_a_newer_version_added_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "light", "holograms": true}')
    assert load_settings(path) == (Settings(theme="light"), "")


def test_a_crash_while_saving_leaves_the_old_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    save_settings(Settings(theme="dark"), path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.atomic.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        save_settings(Settings(theme="light"), path)
    assert load_settings(path) == (Settings(theme="dark"), "")
