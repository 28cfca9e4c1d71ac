"""The words of the window: what they are in the user's language, and how values are put into them.

Every sentence that is shown goes through `tr` as it stands in the source, so that a gettext catalogue
(`xgettext -ktr -kcounted:2 -kcount:2`) holds all of them. Values come in by name, and are never
looked at for names themselves: they may be the user's text.
"""

from __future__ import annotations

import re
from gettext import NullTranslations

_SLOT = re.compile(r"\{(\w+)\}")
_language = NullTranslations()


def use_language(language: NullTranslations) -> None:
    """Speak `language` from now on; what it lacks stays as it is in the source."""
    global _language  # noqa: PLW0603  # the one language of the program
    _language = language


def tr(text: str, **values: object) -> str:
    """`text` in the user's language, with each {name} replaced by the value of that name."""
    told = _language.gettext(text) if text else ""
    return _SLOT.sub(lambda slot: str(values.get(slot[1], slot[0])), told) if values else told


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`number` things, in words: "1 edit", "1,024 edits"."""
    return f"{number:,} {_language.ngettext(thing, things or thing + 's', number)}"
