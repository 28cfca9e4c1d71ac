"""Loads torch and all that is built on it in the worker's thread without holding up the window's.

Two things would stop every thread of the program for some hundred milliseconds each: the dynamic linker, while
Python waits for it with its lock held, and Python's garbage collector, once a million objects of libraries lie in
memory. The first is called with the lock released; the second is told that the libraries are here to stay.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_LIBRARIES = (("libtorch_global_deps.so", ctypes.RTLD_GLOBAL), ("libtorch.so", ctypes.RTLD_LOCAL))
"""As torch itself loads them, in its order."""


@cache
def load_engine() -> None:
    """Import what every job of the model worker needs; at once where that was done before."""
    if "torch" not in sys.modules:
        _link_torch()
    with collector_at_rest():
        import engine.meg.editor
        import engine.packs  # noqa: F401

        gc.freeze()  # before the collector is at work again: its first deed would be to look at all of it


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """No garbage collection while something large is loaded: all of it is new, and none of it is garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _link_torch() -> None:
    """Have torch's libraries linked before Python asks for them; where that fails, Python's import says why."""
    if not sys.platform.startswith("linux"):
        return
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    # A function called through ctypes runs without Python's lock; ctypes.CDLL itself keeps it.
    link = ctypes.CDLL(None).dlopen
    link.restype, link.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for name, scope in _LIBRARIES:
        library = Path(found.origin).parent / "lib" / name
        if library.is_file():
            link(os.fsencode(library), os.RTLD_NOW | scope)
