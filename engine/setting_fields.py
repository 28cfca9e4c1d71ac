"""What a setting says of itself: a help text and the bounds of its values, told once for command line and window.

A settings class is a dataclass whose fields are made by `setting` and whose `__post_init__` calls `check`: a value that
is refused is refused with a sentence, wherever it came from.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

_HELP, _LEAST, _MOST, _TITLE = "help", "least", "most", "title"
_YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}
_BY_KIND = {int: "a whole number", float: "a number", str: "a text", bool: "yes or no"}


class SettingError(ValueError):
    """A value that a setting refuses; the message is one sentence for the user."""


def setting(
    default: Any, help: str, *, title: str = "", least: float | None = None, most: float | None = None
) -> Any:  # as `dataclasses.field`, whose type is the field's
    """A field of a settings class; numbers lie between `least` and `most`, both included."""
    return dataclasses.field(default=default, metadata={_HELP: help, _TITLE: title, _LEAST: least, _MOST: most})


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """One setting as a form needs it."""

    name: str
    title: str
    help: str
    kind: type  # int, float, str or bool; str where there are `choices`
    optional: bool  # whether it may be left to the program: None
    choices: tuple[str, ...]
    least: float | None
    most: float | None

    @property
    def bounds(self) -> str:
        """What values there are, in words; empty where any will do."""
        if self.choices:
            return " or ".join(f"“{choice}”" for choice in self.choices)
        if self.least is not None and self.most is not None:
            return f"{self.least:,g} to {self.most:,g}"
        if self.least is not None:
            return f"{self.least:,g} or more"
        return "" if self.most is None else f"{self.most:,g} or less"

    def refusal(self, value: object) -> str:
        """Why `value` cannot be taken, as a sentence; empty where it can."""
        if value is None and self.optional:
            return ""
        number = self.kind is float and type(value) in (int, float)
        if type(value) is not self.kind and not number:
            return f"“{self.title}” takes {_BY_KIND[self.kind]}{', or nothing' if self.optional else ''}."
        if self.choices and value not in self.choices:
            return f"“{self.title}” is {self.bounds}: “{value}” is none of them."
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.least is not None and not value >= self.least:  # what is no number is refused too
                return f"“{self.title}” is {self.bounds}: {value:,g} is too little."
            if self.most is not None and not value <= self.most:
                return f"“{self.title}” is {self.bounds}: {value:,g} is too much."
        return ""

    def read(self, text: str) -> object:
        """The value that `text` stands for. Raises SettingError with the reason where it is refused."""
        plain = text.strip()
        value: object = plain
        if not plain and self.optional:
            value = None
        elif self.kind is bool:
            value = _YES_OR_NO.get(plain.lower(), plain)
        elif self.kind in (int, float):
            try:
                value = self.kind(plain.replace(",", ""))
            except ValueError:
                raise SettingError(self.refusal(plain)) from None
        refusal = self.refusal(value)
        if refusal:
            raise SettingError(refusal)
        return value


def describe(kind: type) -> tuple[Described, ...]:
    """The settings of the class `kind` that were made by `setting`, in their order."""
    hints = typing.get_type_hints(kind)
    return tuple(_described(field, hints[field.name]) for field in dataclasses.fields(kind) if _TITLE in field.metadata)


def help_of(kind: type, name: str) -> str:
    """The help text of one setting; empty where it has none."""
    return next(str(field.metadata.get(_HELP, "")) for field in dataclasses.fields(kind) if field.name == name)


def check(settings: Any) -> None:
    """Raise SettingError for the first value of `settings` that is refused."""
    for described in describe(type(settings)):
        refusal = described.refusal(getattr(settings, described.name))
        if refusal:
            raise SettingError(refusal)


def value_at(settings: Any, path: str) -> Any:
    """The value of the setting at `path`: “layer”, or “generator.steps” of a part."""
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings


def with_values(settings: Any, values: Mapping[str, Any]) -> Any:
    """`settings` with other values at their paths. Raises SettingError where they are refused."""
    parts: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        part, _, name = path.rpartition(".")
        parts.setdefault(part, {})[name] = value
    own = parts.pop("", {})
    changed = {part: dataclasses.replace(getattr(settings, part), **inner) for part, inner in parts.items()}
    return dataclasses.replace(settings, **own, **changed)


def _described(field: dataclasses.Field[Any], hint: Any) -> Described:
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    given = [part for part in parts if part is not type(None)]
    choices = typing.get_args(given[0]) if typing.get_origin(given[0]) is Literal else ()
    told = field.metadata
    return Described(
        name=field.name,
        title=told[_TITLE] or field.name.replace("_", " "),
        help=told[_HELP],
        kind=str if choices else given[0],
        optional=len(given) < len(parts),
        choices=choices,
        least=told[_LEAST],
        most=told[_MOST],
    )
