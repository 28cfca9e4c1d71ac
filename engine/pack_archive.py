"""A pack as one file to send: a zip that holds the pack's files and nothing else.

A zip is read by name, never unpacked as it says: only the names that a pack can have, at its top or in one folder, and
never more bytes than the largest file of a pack. What comes out is a pack like any other, whose manifest has the hash
of every file.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from engine import atomic, tensor_files
from engine.packs import MANIFEST, Manifest, PackError, read_manifest

ENDING = ".zip"
MOST = 64
"""Files in an archive, at most."""
LOCKED = 0x1 | 0x20 | 0x40
"""Flags of a file that is encrypted, or a patch of another file."""
KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How files may be packed."""


def checked_manifest(pack: Path) -> Manifest:
    """The manifest of the pack in a folder, each of its files as its hash says. Raises PackError."""
    manifest = read_manifest(pack)
    for name, told in manifest.files.items():
        try:
            with (pack / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise PackError(f"The pack {pack} is damaged: {name} cannot be read: {error.strerror}.") from error
        if found != told.sha256:
            raise PackError(f"The pack {pack} is damaged: the content of {name} is not what was written.")
    return manifest


def write_archive(pack: Path, path: Path) -> None:
    """Write the pack in a folder to the zip `path`, whole or not at all. Raises PackError."""
    names = [MANIFEST, *checked_manifest(pack).files]
    try:
        with TemporaryDirectory(prefix=".meg-pack-", dir=path.resolve().parent) as place:
            made = Path(place) / path.name
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name in names:
                    archive.write(pack / name, f"{path.stem}/{name}")
            with made.open("rb") as file:
                atomic.write_file(path, iter(lambda: file.read(2**20), b""))
    except OSError as error:
        raise PackError(f"The pack cannot be written to {path}: {error.strerror}.") from error


@contextmanager
def opened_pack(path: Path) -> Iterator[Path]:
    """The folder of the pack at `path`, which is one or a zip of one; a zip's is gone afterwards. Raises PackError."""
    if not path.is_file():
        yield path
        return
    with TemporaryDirectory(prefix="meg-pack-") as place:
        # The folder's name is the archive's: it is what sentences about the pack call it.
        folder = Path(place) / (path.stem or "pack")
        _unpack(path, folder)
        yield folder


def _unpack(path: Path, folder: Path) -> None:
    try:
        folder.mkdir()
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            names = [PurePosixPath(member.filename).name for member in members]
            if any(member.flag_bits & LOCKED or member.compress_type not in KNOWN for member in members):
                raise PackError(f"{path} is no pack: its files are encrypted, or packed in a way that no pack is.")
            if MANIFEST not in names or len(members) > MOST or len(set(names)) < len(names):
                raise PackError(f"{path} is no pack: it does not hold the files of one.")
            _take(archive, members[names.index(MANIFEST)], folder / MANIFEST)
            top = PurePosixPath(members[names.index(MANIFEST)].filename).parent
            wanted = read_manifest(folder).files
            for name, file in wanted.items():
                if name not in names or PurePosixPath(members[names.index(name)].filename) != top / name:
                    raise PackError(f"The pack {path} is damaged: {name} is missing.")
                _take(archive, members[names.index(name)], folder / name, file.bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        # The last is zipfile's word for an archive of a later version of the format than it knows.
        raise PackError(f"{path} is no pack: it is no folder, and no zip that can be read.") from error
    except OSError as error:
        raise PackError(f"The pack {path} cannot be read: {error.strerror}.") from error


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, size: int = 16 * 2**20) -> None:
    """Write one file of `archive` to `target`: at most `size` bytes, whatever the archive says of it."""
    left = min(size, tensor_files.MAX_BYTES) + 1
    with archive.open(member) as source, target.open("xb") as file:
        while left > 0 and (data := source.read(min(left, 2**20))):
            file.write(data)
            left -= len(data)
    if left <= 0:
        raise PackError(f"The pack {archive.filename} is damaged: {target.name} is larger than it should be.")


def copy_pack(pack: Path, target: Path) -> None:
    """Copy the pack in a folder to the new folder `target`. Raises PackError."""
    names = [MANIFEST, *checked_manifest(pack).files]
    if target.exists():
        raise PackError(f"{target} is there already: choose another folder, or move it away.")
    try:
        with atomic.new_folder(target) as temporary:
            for name in names:
                shutil.copyfile(pack / name, temporary / name)
    except OSError as error:
        raise PackError(f"The pack cannot be copied to {target}: {error.strerror}.") from error
