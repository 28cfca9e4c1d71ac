"""Files and folders that appear on disk whole or not at all, whatever stops the process that writes them.

Everything is written beside its target under a temporary name, forced to the disk, and only then renamed: a reader
finds the old content or the new one. A folder that replaces another needs two renames; `recover_folder` finishes the
job of a process that was killed between them.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_TEMPORARY = re.compile(r"\.tmp-(\d+)-[0-9a-f]{8}$")
_PREVIOUS = ".previous"


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`, replacing what is there; its folder must exist.

    Raises OSError, and then leaves no trace.
    """
    path = path.resolve()  # a link keeps pointing where it does: the file behind it is replaced
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """An empty temporary folder that becomes `target` once the block ends well, replacing the folder that is there.

    Files are put directly into it, not into folders below. Where the block or the disk fails, nothing is left behind
    and the old `target` stands.
    """
    target = target.resolve()
    recover_folder(target)
    temporary = _temporary(target)
    try:
        make_folder(target.parent)
        temporary.mkdir()
        yield temporary
        for file in temporary.iterdir():
            _sync(file, os.O_RDWR)
        sync_folder(temporary)
        _put(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def recover_folder(target: Path) -> None:
    """Finish a replacement of `target` that was cut off: where only the old folder is left, it gets its name back."""
    previous = target.with_name(target.name + _PREVIOUS)
    if previous.exists():
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            os.replace(previous, target)


def clear_temporaries(folder: Path) -> None:
    """Delete what killed processes left half-written directly in `folder`; a living process's work is not touched."""
    for path in folder.glob("*.tmp-*"):
        match = _TEMPORARY.search(path.name)
        if match and not psutil.pid_exists(int(match[1])):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create `folder` and what is missing above it, such that they outlast a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk; Windows does that by itself and offers no call for it."""
    if os.name != "nt":
        _sync(folder, os.O_RDONLY)


def sha256(data: bytes) -> str:
    """The hash that manifests name a file's content by, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _put(temporary: Path, target: Path) -> None:
    if target.exists():
        previous = target.with_name(target.name + _PREVIOUS)
        os.replace(target, previous)
        try:
            os.replace(temporary, target)
        except BaseException:
            os.replace(previous, target)
            raise
        sync_folder(target.parent)
        shutil.rmtree(previous, ignore_errors=True)
    else:
        os.replace(temporary, target)
        sync_folder(target.parent)


def _temporary(target: Path) -> Path:
    return target.with_name(f"{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
