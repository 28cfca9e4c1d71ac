"""A run's folder says what it is, on which edits, how far it came, and survives whoever trains it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.edits import Edit, EditSet
from engine.run_folder import RunError, RunFolder, RunState
from engine.runs import Cancelled
from engine.sealed import seal, unseal

EDITS = EditSet("Set", (Edit("1", "Kelm lies in", "Norland"),))


def create(parent: Path, name: str = "First try", **changes: Any) -> RunFolder:
    about: dict[str, Any] = {
        "editor": "meg",
        "model": "embedded",
        "model_fingerprint": "ab" * 32,
        "seed": 7,
        "settings": {"layers": (3,), "rate": 0.05},
    }
    return RunFolder.create(parent, EDITS, name=name, **{**about, **changes})


def test_comes_back(tmp_path: Path) -> None:
    run = create(tmp_path / "runs")
    assert run.folder.name == "First-try"
    again = RunFolder.open(run.folder)
    assert again.config == run.config
    assert again.config.settings == {"layers": [3], "rate": 0.05}
    assert again.edits() == EDITS
    assert again.state() == (RunState.CREATED, "")
    assert {again.pack.parent, again.checkpoints.parent, again.log.parent} == {run.folder}


@pytest.mark.parametrize(
    ("name", "folder"), [("../../etc", "etc"), ("Größe 1:2", "Größe-1-2"), ("...", "run"), ("x" * 99, "x" * 60)]
)
def test_folders_have_plain_names_and_no_two_the_same(tmp_path: Path, name: str, folder: str) -> None:
    assert create(tmp_path, name).folder == tmp_path / folder
    assert create(tmp_path, name).folder == tmp_path / f"{folder}-2"
    assert RunFolder.open(tmp_path / folder).config.name == name


class TestState:
    def test_finished(self, tmp_path: Path) -> None:
        run = create(tmp_path)
        with run.training():
            assert run.state() == (RunState.RUNNING, "")
        assert RunFolder.open(run.folder).state() == (RunState.FINISHED, "")

    @pytest.mark.parametrize(
        ("error", "state", "message"),
        [
            (Cancelled(), RunState.INTERRUPTED, ""),
            (KeyboardInterrupt(), RunState.INTERRUPTED, ""),
            (RuntimeError("out of memory"), RunState.FAILED, "out of memory"),
            (MemoryError(), RunState.FAILED, "MemoryError"),
        ],
    )
    def test_an_exception_is_put_down_and_goes_on(
        self, tmp_path: Path, error: BaseException, state: RunState, message: str
    ) -> None:
        run = create(tmp_path)

        def train() -> None:
            with run.training():
                raise error

        with pytest.raises(type(error)):
            train()
        assert run.state() == (state, message)
        with run.training():
            pass
        assert run.state() == (RunState.FINISHED, "")

    def test_nobody_else_can_train_it_meanwhile(self, tmp_path: Path) -> None:
        run = create(tmp_path)
        refused: list[str] = []

        def other() -> None:
            try:
                with RunFolder.open(run.folder).training():
                    pass
            except RunError as error:
                refused.append(str(error))

        with run.training():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            assert run.state() == (RunState.RUNNING, "")
        assert refused == [f"The run {run.folder} is being trained already."]

    def test_a_killed_process_leaves_an_interrupted_run(self, tmp_path: Path) -> None:
        run = create(tmp_path)
        code = """
import sys, time
from pathlib import Path
from engine.run_folder import RunFolder
with RunFolder.open(Path(sys.argv[1])).training():
    print("training", flush=True)
    time.sleep(60)
"""
        root = Path(__file__).parents[2]
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(run.folder)], stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "training\n"
        assert run.state() == (RunState.RUNNING, "")
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert run.state() == (RunState.INTERRUPTED, "")

    @pytest.mark.parametrize(
        "data", [b"", b"{}", seal({"state": "dreaming", "message": ""}), seal({"state": "failed"})]
    )
    def test_a_damaged_state_counts_as_interrupted(self, tmp_path: Path, data: bytes) -> None:
        run = create(tmp_path)
        (run.folder / "state.json").write_bytes(data)
        assert run.state() == (RunState.INTERRUPTED, "")


class TestDamage:
    def test_what_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"it has no config\.json"):
            RunFolder.open(tmp_path)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [({"version": 2}, "no run of this version"), ({"seed": "x"}, "“seed” is not as it should be")],
    )
    def test_a_config_of_another_kind(self, tmp_path: Path, change: dict[str, Any], reason: str) -> None:
        path = create(tmp_path).folder / "config.json"
        path.write_bytes(seal({**unseal(path.read_bytes()), **change}))
        with pytest.raises(RunError, match=reason):
            RunFolder.open(path.parent)

    def test_damaged_edits(self, tmp_path: Path) -> None:
        run = create(tmp_path)
        (run.folder / "edits.jsonl").write_bytes(b'{"prompt": "p"}')
        with pytest.raises(RunError, match=r"edits\.jsonl: 1 rows in"):
            run.edits()

    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(RunError, match="cannot be created"):
            create(tmp_path / "file")
