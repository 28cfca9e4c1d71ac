"""Which language the window speaks: the desktop's, where there is a catalogue of it in assets/locale."""

from __future__ import annotations

import gettext
from importlib import resources
from pathlib import Path

from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from studio.words import use_language

DOMAIN = "meg-studio"


def catalogues() -> Path:
    """Where the catalogues lie, as gettext wants them: LANGUAGE/LC_MESSAGES/meg-studio.mo."""
    return Path(str(resources.files("assets"))) / "locale"


def speak(app: QApplication, locale: QLocale | None = None, folder: Path | None = None) -> bool:
    """Speak the language of `locale`, from right to left where it is written so; False where nobody translated it."""
    wanted = locale or QLocale.system()
    try:
        found = gettext.translation(DOMAIN, folder or catalogues(), languages=[wanted.name()])
    except FileNotFoundError:
        return False
    use_language(found)
    app.setLayoutDirection(wanted.textDirection())
    # The words of Qt's own dialogs; where Qt has none in this language they stay English.
    own = QTranslator(app)
    if own.load(wanted, "qtbase", "_", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        app.installTranslator(own)
    return True
