"""Whatever happens while a checkpoint is written or lies on disk, the newest good one is found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.checkpoints import CheckpointError, Checkpoints, fingerprint_of
from engine.edits import Edit, EditSet

MARK, OTHER = "ab" * 32, "cd" * 32


def save(checkpoints: Checkpoints, step: int, stage: str = "encoder") -> Path:
    return checkpoints.save(stage, step, {"w": torch.full((50,), float(step))}, {"loss": step / 10, "rng": [2**100]})


def steps(checkpoints: Checkpoints, stage: str = "encoder") -> int | None:
    found = checkpoints.newest(stage)
    if found is None:
        return None
    assert torch.equal(found.tensors["w"], torch.full((50,), float(found.step)))
    assert found.meta == {"loss": found.step / 10, "rng": [2**100]}
    return found.step


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", MARK)


def test_comes_back_and_two_are_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    assert checkpoints.newest("encoder") is None
    for step in (5, 10, 15):
        save(checkpoints, step)
        assert steps(checkpoints) == step
    names = sorted(os.listdir(tmp_path / "checkpoints" / "encoder"))
    assert names == ["step-000000010-abababababab", "step-000000015-abababababab"]
    assert checkpoints.ignored == []


def test_stages_are_apart_and_may_have_any_name(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1, "Tuning the encoder/gate: 100 %")
    save(checkpoints, 2, "generator")
    assert steps(checkpoints, "Tuning the encoder/gate: 100 %") == 1
    checkpoints.clear("generator")
    assert checkpoints.newest("generator") is None
    assert steps(checkpoints, "Tuning the encoder/gate: 100 %") == 1
    for stage in ("", " ", ".", "../x"):
        with pytest.raises(ValueError, match="no name for a stage"):
            checkpoints.newest(stage)


def test_saving_without_meta_and_again_at_the_same_step(checkpoints: Checkpoints) -> None:
    checkpoints.save("encoder", 3, {})
    save(checkpoints, 3)
    assert steps(checkpoints) == 3


def test_a_course_that_was_left_goes(checkpoints: Checkpoints) -> None:
    for step in (10, 20, 12):
        save(checkpoints, step)
    assert steps(checkpoints) == 12


def test_what_cannot_be_numbered_or_written_as_json(checkpoints: Checkpoints) -> None:
    for step in (-1, 10**9):
        with pytest.raises(ValueError, match="cannot be numbered"):
            save(checkpoints, step)
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoints.save("encoder", 1, {}, {"loss": float("nan")})
    assert checkpoints.newest("encoder") is None
    with pytest.raises(ValueError, match="sha256"):
        Checkpoints(Path(), "short")


class TestFingerprint:
    def test_another_one_is_passed_over_and_told_and_kept(self, checkpoints: Checkpoints, tmp_path: Path) -> None:
        save(checkpoints, 100)
        other = Checkpoints(tmp_path / "checkpoints", OTHER)
        assert other.newest("encoder") is None
        assert "the settings, the edits, the model or the seed were others" in other.ignored[0]
        for step in (1, 2, 3):
            save(other, step)
        assert steps(other) == 3
        assert steps(checkpoints) == 100

    def test_it_covers_all_that_a_training_depends_on(self) -> None:
        edits = EditSet("Set", (Edit("1", "p", "o"),))
        base: dict[str, Any] = {"settings": {"a": 1, "b": (2,)}, "edits": edits, "seed": 0, "model": MARK}
        changes: list[dict[str, Any]] = [
            {"settings": {"a": 2, "b": (2,)}},
            {"edits": EditSet("Set", (Edit("1", "p", "x"),))},
            {"seed": 1},
            {"model": OTHER},
        ]
        marks = {fingerprint_of(**{**base, **change}) for change in ({}, *changes)}
        assert len(marks) == 5
        assert fingerprint_of(**base) == fingerprint_of(**{**base, "settings": {"b": [2], "a": 1}})
        Checkpoints(Path(), fingerprint_of(**base))


class TestDamage:
    @pytest.mark.parametrize("name", ["manifest.json", "tensors.safetensors"])
    def test_the_one_before_is_taken(self, checkpoints: Checkpoints, name: str) -> None:
        save(checkpoints, 1)
        path = save(checkpoints, 2) / name
        good = path.read_bytes()
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 1
        for bad in (b"", good[: len(good) // 2], good + b"x", bytes(flipped), b"{}"):
            path.write_bytes(bad)
            assert steps(checkpoints) == 1
            assert len(checkpoints.ignored) == 1
            assert "passed over" in checkpoints.ignored[0]
        path.unlink()
        assert steps(checkpoints) == 1
        assert f"{name} is missing" in checkpoints.ignored[0]
        path.write_bytes(good)
        assert steps(checkpoints) == 2
        assert checkpoints.ignored == []

    def test_every_flipped_byte_is_noticed(self, checkpoints: Checkpoints) -> None:
        path = save(checkpoints, 2) / "tensors.safetensors"
        good = path.read_bytes()
        for position in range(0, len(good), 5):
            bad = bytearray(good)
            bad[position] ^= 0x10
            path.write_bytes(bad)
            assert checkpoints.newest("encoder") is None

    def test_a_checkpoint_under_another_name(self, checkpoints: Checkpoints) -> None:
        path = save(checkpoints, 2)
        path.rename(path.with_name("step-000000009-abababababab"))
        assert checkpoints.newest("encoder") is None
        assert "another stage or step" in checkpoints.ignored[0]

    def test_litter_is_not_looked_at(self, checkpoints: Checkpoints) -> None:
        folder = save(checkpoints, 2).parent
        (folder / "step-000000009-abababababab.tmp-1-00000000").mkdir()
        (folder / "notes.txt").write_text("mine")
        (folder / "step-000000008-abababababab").write_text("a file")
        assert steps(checkpoints) == 2


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("again", [False, True])
def test_every_failing_call_leaves_a_good_checkpoint(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, name: str, again: bool
) -> None:
    original = getattr(os, name)
    save(checkpoints, 1)
    for at in range(1, 9):
        calls = 0

        def full(*arguments: Any, at: int = at) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise OSError(28, "No space left on device")
            return original(*arguments)

        monkeypatch.setattr(os, name, full)
        with suppress(CheckpointError):
            save(checkpoints, 1 if again else at + 1)
        monkeypatch.setattr(os, name, original)
        found = steps(checkpoints)
        assert found == 1 if again else found in (at, at + 1)
        save(checkpoints, 1 if again else at + 1)
        assert steps(checkpoints) == (1 if again else at + 1)


def test_a_full_disk_is_told_in_a_sentence(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    save(checkpoints, 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"step-000000002-\w+ cannot be written: No space left on device\.$"):
        save(checkpoints, 2)


CHILD = """
import sys, torch
from pathlib import Path
from engine.checkpoints import Checkpoints
torch.set_num_threads(1)
checkpoints = Checkpoints(Path(sys.argv[1]), "ab" * 32)
found = checkpoints.newest("encoder")
step = found.step if found else 0
print("from", step, flush=True)
while True:
    step += 1
    checkpoints.save("encoder", step, {"w": torch.full((50,), float(step))}, {"loss": step / 10, "rng": [2**100]})
    print(step, flush=True)
"""


def test_a_killed_process_loses_no_checkpoint_that_it_reported(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    reported = 0
    for kill in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert child.stdout is not None
        assert child.stdout.readline() == f"from {reported}\n"
        for _ in range(4):
            reported = int(child.stdout.readline())
        time.sleep(0.003 * kill)  # the kill falls somewhere within a later save
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        reported = int(rest[-1]) if rest else reported
        found = steps(Checkpoints(folder, MARK))
        assert found in (reported, reported + 1)
        reported = found
    Checkpoints(folder, MARK).newest("encoder")
    assert not [name for name in os.listdir(folder / "encoder") if ".tmp-" in name or ".previous" in name]
