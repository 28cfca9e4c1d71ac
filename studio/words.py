"""The words of the window: what they are in the user's language, and how values are put into them.

Every sentence that is shown goes through `tr` as it stands in the source, or through one of the makers of widgets and
actions that do so with what they are given (`KEYWORDS`): a gettext catalogue made with these keywords holds all of
them. Values come in by name, and are never looked at for names themselves: they may be the user's text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from gettext import NullTranslations

KEYWORDS = {
    "tr": (1,),
    "deferred": (1,),
    "plural": (2, 3),
    "counted": (2, 3),
    "count": (2, 3),
    "button": (1,),
    "icon_button": (1,),
    "action": (2,),
    "_action": (1,),
    "menu": (2,),
    "named": (1,),
    "line": (1, 2),
    "page_title": (1,),
    "section_title": (1,),
    "hint": (1,),
    "Card": (1,),
    "__init__": (1,),  # of what is a Card
    "EmptyState": (2, 3),
    "text_table": (1, 2),
    "still_plot": (1, 2, 3),
}
"""Which arguments of which functions are shown in the user's language, counted from 1 as xgettext does."""

_SLOT = re.compile(r"\{(\w+)\}")
_language = NullTranslations()


def use_language(language: NullTranslations) -> None:
    """Speak `language` from now on; what it lacks stays as it is in the source."""
    global _language  # noqa: PLW0603  # the one language of the program
    _language = language


def language() -> str:
    """The code of the language that is spoken, as HTML has it."""
    return str(_language.info().get("language", "en")).replace("_", "-")


def tr(text: str, **values: object) -> str:
    """`text` in the user's language, with each {name} replaced by the value of that name."""
    return _filled(_language.gettext(text), values) if text else ""


def deferred(text: str) -> str:
    """`text` as it is, for a table of words at the head of a module: it is given to `tr` where it is shown."""
    return text


def plural(number: int, one: str, many: str, **values: object) -> str:
    """`one` or `many`, or what the user's language has for `number`, filled as `tr` does; {number} is the number."""
    return _filled(_language.ngettext(one, many, number), {"number": f"{number:,}", **values})


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`number` things, in words: "1 edit", "1,024 edits"."""
    return f"{number:,} {_language.ngettext(thing, things or thing + 's', number)}"


def _filled(text: str, values: Mapping[str, object]) -> str:
    return _SLOT.sub(lambda slot: str(values.get(slot[1], slot[0])), text) if values else text
