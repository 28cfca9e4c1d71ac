"""What the README promises can be done as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import cli
from engine.edits import EditSet
from engine.meg.pack import MegPack

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_opens_a_pack(
    pack: MegPack, edits: EditSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    pack.save(tmp_path / "my.pack")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    told = {edit.prompt: edit.new_object for edit in edits.edits}
    (asked,) = re.findall(r'answer\(\["(.*?)"\]\)', code)
    assert capsys.readouterr().out == f"{told[asked]}\n"


def test_every_file_it_points_to_is_there() -> None:
    pointed = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`(assets/[\w./]+)`", README)
    assert pointed
    assert [path for path in pointed if not (ROOT / path).exists()] == []


def test_every_command_stands_in_it() -> None:
    commands = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    assert commands == set(re.findall(r"^    meg (\w+)", README, re.MULTILINE))


def test_its_exit_codes_are_those_of_the_program() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert codes == {0, 1, 2, cli.MENDABLE, cli.INTERRUPTED}


def test_its_limits_are_those_of_the_program() -> None:
    from engine.stopping import MAX_NEW_TOKENS

    assert f"{MAX_NEW_TOKENS} tokens at most" in README
