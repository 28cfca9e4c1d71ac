"""A pack as one file, and what pretends to be one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from engine.meg.pack import MegPack
from engine.pack_archive import copy_pack, opened_pack, write_archive
from engine.packs import MANIFEST, PackError, read_pack


@pytest.fixture(scope="module")
def saved(pack: MegPack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "pack"
    pack.save(folder)
    return folder


@pytest.fixture
def archive(saved: Path, tmp_path: Path) -> Path:
    write_archive(saved, tmp_path / "mine.zip")
    return tmp_path / "mine.zip"


def rewritten(archive: Path, target: Path, **changes: bytes | None) -> Path:
    """The archive with files changed, added, or left out where None."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as made:
        content = {name: source.read(name) for name in source.namelist()} | changes
        for name, data in content.items():
            if data is not None:
                made.writestr(name, data)
    return target


def test_an_archive_holds_the_pack_and_leaves_nothing_behind(saved: Path, archive: Path) -> None:
    with opened_pack(archive) as folder:
        stored = read_pack(folder)
        assert folder.name == "mine"
    assert stored.manifest == read_pack(saved).manifest
    assert not folder.exists()
    assert [path.name for path in archive.parent.iterdir()] == ["mine.zip"]


def test_a_folder_is_opened_where_it_is(saved: Path) -> None:
    with opened_pack(saved) as folder:
        assert folder == saved


def test_files_at_the_top_are_a_pack_too(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "flat.zip"
    with zipfile.ZipFile(path, "w") as made:
        for file in saved.iterdir():
            made.write(file, file.name)
    with opened_pack(path) as folder:
        read_pack(folder)


def refused(path: Path) -> str:
    with pytest.raises(PackError) as caught, opened_pack(path) as folder:
        read_pack(folder)
    return str(caught.value)


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"not a zip")
    assert "no zip that can be read" in refused(path)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("other.txt", "x")
    assert "does not hold the files" in refused(path)


def test_a_cut_or_flipped_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "cut.zip")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 255
    (tmp_path / "flipped.zip").write_bytes(bytes(flipped))
    refused(tmp_path / "flipped.zip")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [(8, 0x1, "encrypted"), (8, 0x20, "encrypted"), (10, zipfile.ZIP_LZMA, "packed in a way"), (6, 99, "no zip that")],
    ids=["a password", "a patch", "another packing", "a later version"],
)
def test_what_no_pack_is_written_like_is_refused(
    archive: Path, tmp_path: Path, place: int, value: int, said: str
) -> None:
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the first file in the archive's own list
    data[entry + place : entry + place + 2] = value.to_bytes(2, "little")
    (tmp_path / "odd.zip").write_bytes(bytes(data))
    assert said in refused(tmp_path / "odd.zip")


def test_names_that_lead_elsewhere_are_never_followed(archive: Path, tmp_path: Path) -> None:
    evil = rewritten(archive, tmp_path / "evil.zip", **{"../../evil.txt": b"x", "/tmp/meg-evil.txt": b"x"})
    with opened_pack(evil) as folder:
        read_pack(folder)
        assert {path.name for path in folder.iterdir()} == {MANIFEST, *read_pack(folder).manifest.files}
    assert not (tmp_path / "evil.txt").exists()
    assert not Path("/tmp/meg-evil.txt").exists()
    moved = rewritten(archive, tmp_path / "moved.zip", **{"mine/edits.jsonl": None, "../edits.jsonl": b"x"})
    assert "edits.jsonl is missing" in refused(moved)


def test_a_bomb_is_stopped_at_the_size_that_the_manifest_tells(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            made.writestr(name, b"0" * 40_000_000 if name.endswith("edits.jsonl") else source.read(name))
    assert "larger than it should be" in refused(path)


def test_the_same_name_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    twice = rewritten(archive, tmp_path / "twice.zip", **{"other/manifest.json": b"{}"})
    assert "does not hold the files" in refused(twice)


def test_a_copy_is_whole_and_never_over_something(saved: Path, tmp_path: Path) -> None:
    (saved / "note.txt").write_text("not the pack's")
    copy_pack(saved, tmp_path / "copy")
    assert read_pack(tmp_path / "copy").manifest == read_pack(saved).manifest
    assert not (tmp_path / "copy" / "note.txt").exists()
    with pytest.raises(PackError, match="there already"):
        copy_pack(saved, tmp_path / "copy")


def test_a_place_that_cannot_be_written_to_is_one_sentence(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be written"):
        write_archive(saved, tmp_path / "gone" / "x.zip")
