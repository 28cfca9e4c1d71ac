"""What no editor can learn, refused in a sentence before anything long begins."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.device import free_memory
from engine.editor import Editor
from engine.edits import Edit, EditError
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel, QueryError

ROOM = 256 * 2**20
"""Bytes beside what an editor counts: what libraries load and keep for themselves, and what was freed in pieces."""


def check_learnable(model: LanguageModel, edits: Sequence[Edit]) -> None:
    """Raise EditError where there is no edit, or for the first one that the model cannot be asked or taught."""
    if not edits:
        raise EditError("There is no edit to train: add one, or switch one on.")
    for edit in edits:
        try:
            model.encode_targets([edit.prompt], [edit.new_object])
        except QueryError as error:
            raise EditError(f"Edit {edit.id} cannot be learnt. {error}") from error


def check_new(edit: Edit, original: str) -> None:
    """Raise EditError where an edit wants what the model answers already; an `original` that is empty is not known."""
    if original and is_answer(original, edit.new_object):
        raise EditError(
            f"Edit {edit.id} (“{edit.prompt[:60]}”) wants “{edit.new_object[:60]}”, which is the original answer "
            "already: switch it off, or give another new object."
        )


def check_memory(title: str, need: int, device: torch.device) -> None:
    """Raise EditError where the editor called `title` needs more bytes than `device` has free, ROOM with them."""
    need, free = need + ROOM, free_memory(device)
    if need > free:
        raise EditError(
            f"{title} needs about {need / 2**30:.1f} GiB beside the model and {device} has {free / 2**30:.1f} GiB "
            "free: take fewer layers, a smaller model, or close other programs."
        )


def memory_stated(editor: Editor, model: LanguageModel, edits: Sequence[Edit]) -> int | None:
    """The bytes that `editor` says it will take beside the model, at most; None of edits that cannot be learnt.

    Of those its training says what is wrong. Raises EditError where the editor's settings do not suit the model.
    """
    try:
        return editor.memory(model, edits) + ROOM if edits else None
    except QueryError:
        return None
