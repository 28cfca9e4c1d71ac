"""A pack is what was written, or an error of one sentence says what is damaged."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine import packs, tensor_files
from engine.atomic import sha256
from engine.edits import Edit, EditSet, Relation
from engine.packs import VERSION, ModelIdentity, PackError, load_pack, read_manifest, read_pack, write_pack
from engine.sealed import seal, unseal
from tests.engine.edit_strategies import any_text, edit_sets

RELATION = Relation("r1", "country", ("{} lies in",))
EDITS = EditSet("Set", (Edit("1", "Kelm lies in", "Norland", "Kelm", "r1"),), {"r1": RELATION})


def tensors() -> dict[str, dict[str, torch.Tensor]]:
    return {
        "generator": {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.5], dtype=torch.bfloat16)},
        "gate": {"table": torch.arange(4)},
    }


def write(folder: Path, **changes: Any) -> packs.Manifest:
    content: dict[str, Any] = {
        "editor": "meg",
        "model": ModelIdentity(name="embedded", fingerprint="ab" * 32),
        "seed": 7,
        "settings": {"layers": [3], "rate": 0.05, "name": "Größe"},
        "state": {"threshold": 0.5},
        "figures": {"reliability": 0.99, "generality": None},
        "tensors": tensors(),
        "edits": EDITS,
    }
    return write_pack(folder, **{**content, **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    write(tmp_path / "pack")
    return tmp_path / "pack"


def test_comes_back(pack: Path) -> None:
    stored = read_pack(pack)
    assert stored.manifest == read_manifest(pack)
    assert (stored.manifest.editor, stored.manifest.seed) == ("meg", 7)
    assert stored.manifest.model == ModelIdentity(name="embedded", fingerprint="ab" * 32)
    assert stored.manifest.settings == {"layers": [3], "rate": 0.05, "name": "Größe"}
    assert stored.manifest.state == {"threshold": 0.5}
    assert stored.manifest.figures == {"reliability": 0.99, "generality": None}
    assert stored.edits == EDITS
    assert stored.tensors.keys() == {"generator", "gate"}
    for stem, group in tensors().items():
        assert stored.tensors[stem].keys() == group.keys()
        for name, tensor in group.items():
            assert stored.tensors[stem][name].dtype == tensor.dtype
            assert torch.equal(stored.tensors[stem][name], tensor)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(any_text, _values, max_size=3)
_tensors = st.builds(
    lambda shape, dtype, seed: torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool]),
    st.integers(0, 9),
)


@settings(max_examples=15, deadline=None)
@given(edit_sets(), _objects, _objects, _objects, st.dictionaries(st.sampled_from("abc"), _tensors))
def test_whatever_is_written_comes_back(
    edits: EditSet, chosen: Any, state: Any, figures: Any, weights: dict[str, torch.Tensor]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        told = {"settings": chosen, "state": state, "figures": figures, "edits": edits, "tensors": {"gate": weights}}
        write(Path(scratch) / "one", **told)
        stored = read_pack(Path(scratch) / "one")
        manifest = stored.manifest
        assert (manifest.settings, manifest.state, manifest.figures, stored.edits) == (chosen, state, figures, edits)
        back = stored.tensors["gate"]
        assert back.keys() == weights.keys()
        assert all(torch.equal(back[name], weight) for name, weight in weights.items())


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    turned = {stem: dict(reversed(group.items())) for stem, group in reversed(tensors().items())}
    write(tmp_path / "other", tensors=turned)
    assert content(tmp_path / "one") == content(tmp_path / "other")
    assert sorted(content(tmp_path / "one")) == [
        "edits.jsonl",
        "gate.safetensors",
        "generator.safetensors",
        "manifest.json",
    ]


def test_a_pack_can_be_replaced_and_nothing_else_can(pack: Path, tmp_path: Path) -> None:
    write(pack, seed=8, tensors={"gate": tensors()["gate"]})
    assert read_pack(pack).manifest.seed == 8
    assert not (pack / "generator.safetensors").exists()
    assert os.listdir(tmp_path) == ["pack"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"")
    with pytest.raises(PackError, match="holds something else than a pack"):
        write(tmp_path / "photos")
    with pytest.raises(PackError, match="is a file"):
        write(tmp_path / "photos" / "one.jpg")
    assert os.listdir(tmp_path / "photos") == ["one.jpg"]


def test_an_empty_folder_may_stand_there(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    write(tmp_path / "pack")
    assert read_pack(tmp_path / "pack").edits == EDITS


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="“w” of gate holds numbers that are not finite"):
        write(tmp_path / "pack", tensors={"gate": {"w": torch.tensor([torch.nan])}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "pack", figures={"score": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("module", "name"), [(packs, packs.MANIFEST), (tensor_files, "gate.safetensors")])
def test_what_could_not_be_read_again_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 500)
    with pytest.raises(PackError, match="would be too large: train on fewer edits") as told:
        write(tmp_path / "pack", tensors={"gate": {"table": torch.arange(1_000)}})
    assert f"its {name} " in str(told.value)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("stem", ["", "../evil", "a/b", "Upper", ".hidden", "x" * 65])
def test_names_of_files_are_plain(tmp_path: Path, stem: str) -> None:
    with pytest.raises(ValueError, match="no name for a file"):
        write(tmp_path / "pack", tensors={stem: {}})


class TestDamage:
    @pytest.mark.parametrize("name", ["edits.jsonl", "gate.safetensors", "generator.safetensors", "manifest.json"])
    def test_every_flipped_byte_is_noticed(self, pack: Path, name: str) -> None:
        good = (pack / name).read_bytes()
        for position in range(0, len(good), 7):
            bad = bytearray(good)
            bad[position] ^= 0x04
            (pack / name).write_bytes(bad)
            with pytest.raises(PackError) as caught:
                read_pack(pack)
            assert str(pack) in str(caught.value)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
    @given(
        st.sampled_from(["edits.jsonl", "gate.safetensors", "generator.safetensors", "manifest.json"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["another", "missing", "more"]),
        st.integers(0, 255),
    )
    def test_whatever_byte_is_changed_lost_or_added_is_noticed(
        self, pack: Path, name: str, where: float, deed: str, byte: int
    ) -> None:
        good = (pack / name).read_bytes()
        place = int(where * len(good))
        new = b"" if deed == "missing" else bytes([byte]) + (good[place : place + 1] if deed == "more" else b"")
        bad = good[:place] + new + good[place + 1 :]
        assume(bad != good)
        (pack / name).write_bytes(bad)
        try:
            found = read_pack(pack)
        except PackError:
            return
        finally:
            (pack / name).write_bytes(good)
        # White space between the parts of a manifest says nothing.
        assert name == "manifest.json"
        assert b"".join(bad.split()) == b"".join(good.split())
        assert (found.manifest, found.edits) == (read_manifest(pack), EDITS)

    @pytest.mark.parametrize("name", ["edits.jsonl", "gate.safetensors", "manifest.json"])
    def test_a_file_that_is_cut_off_or_goes_on(self, pack: Path, name: str) -> None:
        good = (pack / name).read_bytes()
        for bad in (b"", good[:-5], good + b"more"):
            (pack / name).write_bytes(bad)
            with pytest.raises(PackError, match="damaged"):
                read_pack(pack)

    @pytest.mark.parametrize("name", ["edits.jsonl", "gate.safetensors"])
    def test_a_file_that_is_missing_or_a_link(self, pack: Path, name: str) -> None:
        (pack / name).rename(pack.parent / "elsewhere")
        with pytest.raises(PackError, match=f"{name} is missing"):
            read_pack(pack)
        (pack / name).symlink_to(pack.parent / "elsewhere")
        with pytest.raises(PackError, match=f"{name} is missing"):
            read_pack(pack)

    def test_what_is_no_pack(self, pack: Path, tmp_path: Path) -> None:
        with pytest.raises(PackError, match="There is no pack"):
            read_pack(tmp_path / "missing")
        with pytest.raises(PackError, match="There is no pack"):
            read_pack(pack / "edits.jsonl")
        with pytest.raises(PackError, match=r"it has no manifest\.json"):
            read_pack(tmp_path)

    def test_a_replacement_that_was_cut_off_is_finished(self, pack: Path) -> None:
        pack.rename(pack.with_name("pack.previous"))
        assert read_pack(pack).edits == EDITS


class TestForged:
    """Manifests whose own hash is right: somebody made them."""

    def forge(self, pack: Path, change: dict[str, Any]) -> None:
        path = pack / "manifest.json"
        path.write_bytes(seal({**unseal(path.read_bytes()), **change}))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"version": VERSION + 1}, f"newer MeG Studio: update to open it .version {VERSION + 1}"),
            (
                {"version": VERSION - 1},
                f"an older MeG Studio.*: train it again .version {VERSION - 1}",
            ),
            ({"version": 0}, "a version that does not exist"),
            ({"version": str(VERSION)}, "a version that does not exist"),
            ({"format": "zip"}, "belongs to something else"),
            ({"seed": "7"}, "“seed” is not as it should be"),
            ({"extra": 1}, "“extra” is not as it should be"),
            ({"model": {"name": "x", "fingerprint": "y"}}, "“model.fingerprint” is not as it should be"),
            ({"files": {}}, "names no edits.jsonl"),
            ({"files": {"../../evil.safetensors": {"sha256": "0" * 64, "bytes": 1}}}, "a file that no pack has"),
            ({"files": {"code.pkl": {"sha256": "0" * 64, "bytes": 1}}}, "a file that no pack has"),
        ],
    )
    def test_refused(self, pack: Path, change: dict[str, Any], reason: str) -> None:
        self.forge(pack, change)
        with pytest.raises(PackError, match=reason):
            read_pack(pack)

    def replace(self, pack: Path, name: str, data: bytes, **more: Any) -> None:
        (pack / name).write_bytes(data)
        files = json.loads((pack / "manifest.json").read_text("utf-8"))["files"]
        files[name] |= {"sha256": sha256(data), "bytes": len(data), **more}
        self.forge(pack, {"files": files})

    def test_tensors_of_another_form(self, pack: Path) -> None:
        self.replace(pack, "gate.safetensors", tensor_files.to_bytes({"table": torch.arange(5)}))
        with pytest.raises(PackError, match="not those that its manifest lists"):
            read_pack(pack)

    def test_numbers_that_are_not_finite(self, pack: Path) -> None:
        data = tensor_files.to_bytes({"table": torch.tensor([torch.inf])})
        self.replace(pack, "gate.safetensors", data, tensors={"table": {"dtype": "float32", "shape": [1]}})
        with pytest.raises(PackError, match=r"“table” of gate\.safetensors holds numbers that are not finite"):
            read_pack(pack)

    def test_a_file_that_is_no_safetensors(self, pack: Path) -> None:
        self.replace(pack, "gate.safetensors", b"\x80\x04code to run")
        with pytest.raises(PackError, match="it is no safetensors file"):
            read_pack(pack)

    def test_a_file_that_claims_to_be_endless(self, pack: Path) -> None:
        self.replace(pack, "gate.safetensors", b"", bytes=2**50)
        with pytest.raises(PackError, match="larger than any of its kind"):
            read_pack(pack)

    @pytest.mark.parametrize("data", [b'{"prompt": "p"}\n', b"", b"PK\x03\x04"])
    def test_edits_that_are_none(self, pack: Path, data: bytes) -> None:
        self.replace(pack, "edits.jsonl", data)
        with pytest.raises(PackError, match=r"is damaged: edits\.jsonl"):
            read_pack(pack)


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_full_disk_leaves_the_old_pack(pack: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    original, calls = getattr(os, name), 0

    def full(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise OSError(28, "No space left on device")
        return original(*arguments)

    monkeypatch.setattr(os, name, full)
    try:
        write(pack, seed=8)
    except PackError as error:
        assert "No space left on device" in str(error)  # noqa: PT017
    monkeypatch.undo()
    assert read_pack(pack).manifest.seed in (7, 8)
    write(pack, seed=9)
    assert read_pack(pack).manifest.seed == 9
    assert os.listdir(pack.parent) == ["pack"]


class TestLoading:
    def test_the_editors_own_kind(self, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Kind:
            @classmethod
            def from_stored(cls, stored: packs.StoredPack, device: object) -> tuple[str, packs.StoredPack]:
                return "loaded", stored

        module = ModuleType("an_editor")
        module.Kind = Kind  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "an_editor", module)
        monkeypatch.setitem(packs.EDITORS, "other", ("an_editor", "Kind"))
        shutil.rmtree(pack)
        write(pack, editor="other")
        word, stored = load_pack(pack)  # type: ignore[misc]
        assert word == "loaded"
        assert stored.edits == EDITS

    def test_an_editor_that_is_not_known(self, pack: Path) -> None:
        write(pack, editor="sorcery")
        with pytest.raises(PackError, match="made by the editor 'sorcery'; known here: meg"):
            load_pack(pack)
