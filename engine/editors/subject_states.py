"""What FFN blocks read and write where the subjects of edits end, on a model as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.editors.ffn_states import read_ffn_states
from engine.editors.subject_tokens import last_token
from engine.editors.target_values import Lesson
from engine.language_model import LanguageModel, in_batches
from engine.runs import Cancel


@dataclass(frozen=True, slots=True)
class SubjectStates:
    """All float32, a row a lesson; keys by layer."""

    keys: dict[int, Tensor]  # [lessons, d_ff]: mean over the lesson's asks
    own_keys: dict[int, Tensor]  # [lessons, d_ff]: of the prompt alone
    value: Tensor  # [lessons, d_model]: what the deepest layer's block writes, of the prompt alone
    stream: Tensor  # [lessons, d_model]: what the deepest layer returns, of the prompt alone


def read_subject_states(
    model: LanguageModel, lessons: Sequence[Lesson], layers: Sequence[int], cancel: Cancel
) -> SubjectStates:
    """The states of `lessons` at `layers`."""
    asks = [(row, turn, ask) for row, lesson in enumerate(lessons) for turn, ask in enumerate(lesson.asks)]
    ids = [model.token_ids(ask.text) for _, _, ask in asks]
    ends = [last_token(model, ask) for _, _, ask in asks]
    count, deepest, device = len(lessons), max(layers), model.device
    times = torch.tensor([len(lesson.asks) for lesson in lessons], device=device)
    keys = {layer: torch.zeros(count, model.blocks[layer].d_ff, device=device) for layer in layers}
    own = {layer: torch.zeros_like(found) for layer, found in keys.items()}
    value = torch.zeros(count, model.d_model, device=device)
    stream = torch.zeros_like(value)
    for some in in_batches([len(row) for row in ids]):
        cancel.check()
        batch = model.batch_of([ids[number] for number in some])
        length = batch.input_ids.shape[1]
        states = read_ffn_states(model, batch, layers)
        places = torch.tensor([length - len(ids[number]) + ends[number] for number in some], device=device)
        index = torch.arange(len(some), device=device), places
        rows = torch.tensor([asks[number][0] for number in some], device=device)
        first = torch.tensor([asks[number][1] == 0 for number in some], device=device)
        for layer in layers:
            found = states.keys[layer][index].float()
            keys[layer].index_add_(0, rows, found / times[rows, None])
            own[layer][rows[first]] = found[first]
        value[rows[first]] = states.values[deepest][index].float()[first]
        stream[rows[first]] = states.stream[deepest][index].float()[first]
    return SubjectStates(keys, own, value, stream)
