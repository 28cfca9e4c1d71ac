"""Two processes that train together, against one that trains alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine import processes
from engine.device import DeviceError
from engine.language_model import LanguageModel
from engine.meg import gate_training
from engine.meg.pack import MegPack
from engine.packs import load_pack
from engine.processes import Message
from tests.engine.quick import fit, quick_settings, sample_edits
from tests.engine.quick_fit import EPISODE
from tests.engine.together import generated

ROOT = Path(__file__).resolve().parents[2]


def launch(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Two processes of `module`, as `accelerate launch` starts them too."""
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--module", module]
    return subprocess.run(
        [sys.executable, "-m", *command, *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"},
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What the main and the other process came to."""
    folder = tmp_path_factory.mktemp("together")
    told = launch("tests.engine.together", folder)
    assert told.returncode == 0, told.stderr
    return load_file(folder / "0.safetensors"), load_file(folder / "1.safetensors")


class TestTogether:
    def test_each_knows_its_place_and_its_share(self, both: tuple[dict[str, Tensor], ...]) -> None:
        assert [found["place"].tolist() for found in both] == [[0, 2, 1], [1, 2, 0]]
        assert [found["share"].tolist() for found in both] == [[0, 2, 4], [1, 3]]

    def test_what_the_main_process_says_goes_for_all(self, both: tuple[dict[str, Tensor], ...]) -> None:
        for found in both:
            assert found["told"].tolist() == [0.5, 0.0]
            assert found["agreed"].eq(0).all()
        assert torch.equal(both[0]["drawn"], both[1]["drawn"])

    def test_everyone_hears_everyone(self, both: tuple[dict[str, Tensor], ...]) -> None:
        for found in both:
            assert found["gathered"].tolist() == [[0, 0], [3, 1]]
            assert found["sums"].tolist() == [3.0] * 4 + [0.0, 2.0, 4.0]
            assert found["least"].item() == 6

    def test_a_generator_learns_as_it_does_alone(self, both: tuple[dict[str, Tensor], ...]) -> None:
        alone = generated(None, [])
        torch.testing.assert_close(both[0]["generated"], alone, atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(both[1]["generated"], both[0]["generated"], atol=1e-5, rtol=1e-5)

    def test_a_resumed_training_is_the_same_to_the_bit(self, both: tuple[dict[str, Tensor], ...]) -> None:
        for found in both:
            assert torch.equal(found["resumed"], found["generated"])


class TestAlone:
    def test_nothing_changes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        numbers, message = torch.rand(3), Message({"numbers": torch.rand(2)}, object())
        before = numbers.clone()
        with processes.joined():
            assert (processes.rank(), processes.count(), processes.is_main()) == (0, 1, True)
            assert processes.share([3, 4, 5]) == [3, 4, 5]
            assert processes.told(lambda: message) is message
            assert processes.gathered(message)[0] is message
            processes.agree(numbers)
            processes.add_up([numbers])
            processes.agree_on_random(torch.device("cpu"))
            assert torch.equal(numbers, before)
            assert processes.least(5) == 5
            assert processes.take_device("auto") == "auto"


class TestDevices:
    """Which card a process takes, on a machine that seems to have two."""

    @pytest.fixture(autouse=True)
    def launched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "_together", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")

    def test_each_takes_its_own(self) -> None:
        assert processes.take_device("auto") == processes.take_device("cuda") == "cuda:1"
        assert processes.take_device("cpu") == "cpu"

    def test_one_for_all_is_refused_in_a_sentence(self) -> None:
        with pytest.raises(DeviceError, match="“cuda:0” is one for all"):
            processes.take_device("cuda:0")

    def test_on_machines_with_one_process_each_it_may_be_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
        assert processes.take_device("cuda:0") == "cuda:0"


class TestTraining:
    def test_two_processes_train_what_one_does(
        self, model: LanguageModel, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gate_training, "EPISODE", EPISODE)
        few = sample_edits(4)
        told = launch("tests.engine.quick_fit", len(few.edits), encoder, tmp_path / "run", tmp_path / "pack")
        assert told.returncode == 0, told.stderr
        alone = fit(model, few, quick_settings(encoder), run=tmp_path / "alone")
        one, two = collected(tmp_path / "alone"), collected(tmp_path / "run")
        assert one["answered"].all()
        assert two["answered"].all()
        assert torch.cosine_similarity(one["neurons"], two["neurons"]).min() > 0.98

        pack = load_pack(tmp_path / "pack")
        assert isinstance(pack, MegPack)
        assert pack.figures["answered"] == alone.figures["answered"] == 1
        edited = pack.attach(model)
        answers = [answer.edited for answer in edited.answer([edit.prompt for edit in few.edits])]
        edited.detach()
        assert answers == [edit.new_object for edit in few.edits]


def collected(run: Path) -> dict[str, Tensor]:
    """The neurons that a run collected."""
    (last,) = run.glob("checkpoints/collection/*")
    assert json.loads((last / "manifest.json").read_text())["meta"]["lessons"] == 4
    return load_file(last / "tensors.safetensors")
