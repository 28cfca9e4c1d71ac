"""What Qt needs of the system before it can be imported, checked so that a missing library is one sentence."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys

INSTALL = (
    "sudo apt-get install libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-keysyms1 libxcb-shape0 libxcb-image0 libxcb-render-util0 fonts-dejavu-core"
)
"""The command for Debian and Ubuntu."""


def missing_libraries() -> str:
    """A sentence about the system's libraries that Qt lacks, empty where it lacks none."""
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        advice = f" On Debian and Ubuntu, run: {INSTALL}" if sys.platform.startswith("linux") else ""
        return f"Qt cannot be loaded: {error}.{advice}"
    on_x11 = os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and on_x11 and not os.environ.get("QT_QPA_PLATFORM"):
        # Without it Qt does not fail: it ends the process.
        if ctypes.util.find_library("xcb-cursor") is None:
            return f"Qt needs the library libxcb-cursor to show a window. On Debian and Ubuntu, run: {INSTALL}"
    return ""


def _main() -> int:
    """Check, and where the program runs as root on Debian, install what is missing."""
    complaint = missing_libraries()
    if not complaint:
        return 0
    if sys.platform.startswith("linux") and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write("Installing the libraries that Qt needs …\n")
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run([*INSTALL.removeprefix("sudo ").split(), "-y", "-qq"], check=False)
        complaint = missing_libraries()
    if complaint:
        sys.stderr.write(f"{complaint}\n")
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(_main())
