"""`meg editors`: the editors that there are, what each requires and how it is undone, and the settings of one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from engine.commands.options import JsonOption
from engine.editors.registry import EDITORS, EditorKind, editor_kind, make_editor
from engine.meg.settings import MegSettings
from engine.setting_fields import help_of, value_at


def editors(
    name: Annotated[str | None, typer.Argument(help="An editor, to list its settings too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the editors, what each requires and how it is undone; of one, every setting for `meg fit --set` too."""
    if name is not None:
        kind = editor_kind(name)
        told = _about(kind) | {"settings": _settings(kind)}
        print(json.dumps(told, ensure_ascii=False) if as_json else _page(told))
        return
    for kind in EDITORS.values():
        told = _about(kind)
        print(json.dumps(told, ensure_ascii=False) if as_json else _page(told) + "\n")


def _about(kind: EditorKind) -> dict[str, Any]:
    editor = make_editor(kind.name, kind.usual()[1]())
    return {
        "name": kind.name,
        "title": kind.title,
        "about": kind.about,
        "requires": list(editor.requirements()),
        "undo": kind.undo or _UNDO[kind.undoes_one],
        "goes on from a pack": kind.grows,
        "gate": kind.gated,
        "layered": kind.layered,
        "presets": {name: told for name, (told, _) in kind.presets.items()},
    }


_UNDO = {
    True: "One edit is switched off without training again.",
    False: "All edits are taken back together; without one of them it is trained again.",
}


def _settings(kind: EditorKind) -> list[dict[str, Any]]:
    usual = kind.usual()[1]()
    return [
        {"path": path, "usual": value_at(usual, path), "values": each.bounds, "help": each.help}
        for path, each in kind.described(usual).items()
    ]


def _page(told: dict[str, Any]) -> str:
    """What is told of an editor, as lines."""
    lines = [
        f"{told['name']}: {told['title']}. {told['about']}",
        f"  requires   {', '.join(told['requires'])}",
        f"  undo       {told['undo']}",
        f"  goes on    {'from a pack of its own (--start)' if told['goes on from a pack'] else 'from no pack'}",
        f"  gate       {'tells questions apart' if told['gate'] else 'none: every question meets the edits'}",
        *(f"  preset     {name}: {what}" for name, what in told["presets"].items()),
    ]
    if told["layered"]:
        lines.append(f"  --layer N|auto  {help_of(MegSettings, 'layer')}")
    for each in told.get("settings", ()):
        values = f" ({each['values']})" if each["values"] else ""
        lines.append(f"  --set {each['path']}={_written(each['usual'])}{values}  {each['help']}")
    return "\n".join(lines)


def _written(value: object) -> str:
    """A value as `--set` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
