"""One window a project: a second start finds the first one through a local socket and has it come to the front.

That two programs never write to one project is the project's lock's business; this is only the way to the window that
holds it. The socket of a program that was killed is in nobody's way: who holds the lock takes its name over.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_ACTIVATION = "XDG_ACTIVATION_TOKEN"
"""What a Wayland desktop gives a program that was started by a person: without it no window may come to the front."""
_GREETING = b"raised"
_CONNECTED = 300
_ANSWERED = 2_000
"""Milliseconds."""


class ProjectDoor(QObject):
    """Where other starts of the studio knock for the project that this window has open."""

    knocked = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._answer)

    def open(self, folder: Path | None) -> bool:
        """Listen for the project in `folder`, whose lock this program holds, and for no other; None for none."""
        self._server.close()
        if folder is None:
            return True
        name = _name(folder)
        QLocalServer.removeServer(name)  # left by a program that was killed
        return self._server.listen(name)

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def _answer(self) -> None:
        while (caller := self._server.nextPendingConnection()) is not None:
            caller.disconnected.connect(caller.deleteLater)
            caller.readyRead.connect(lambda caller=caller: self._raise(caller))
            if caller.bytesAvailable():
                self._raise(caller)

    def _raise(self, caller: QLocalSocket) -> None:
        token = bytes(caller.readAll().data()).decode("utf-8", "replace").strip()
        if token:
            os.environ[_ACTIVATION] = token
        caller.write(_GREETING)
        caller.flush()
        caller.disconnectFromServer()
        self.knocked.emit()


def knock(folder: Path, *, wait: bool) -> bool:
    """Ask the window that has the project in `folder` open to come to the front; whether there is one.

    `wait` for its answer: a program that hangs has a socket too, but no window to show.
    """
    socket = QLocalSocket()
    socket.connectToServer(_name(folder))
    if not socket.waitForConnected(_CONNECTED):
        return False
    socket.write((os.environ.get(_ACTIVATION, "") + "\n").encode())
    socket.flush()
    answered = not wait or (socket.waitForReadyRead(_ANSWERED) and bytes(socket.readAll().data()) == _GREETING)
    socket.disconnectFromServer()
    return answered


def _name(folder: Path) -> str:
    return "meg-studio-" + hashlib.sha256(f"{Path.home()}\0{folder.resolve()}".encode()).hexdigest()[:24]
