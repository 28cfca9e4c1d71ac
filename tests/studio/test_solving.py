"""Edits that are switched off in an editor whose weights are solved for anew: told, stopped, and left as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.editors.registry import EDITORS
from engine.runs import Cancel, Cancelled, ProgressBoard
from studio.model_jobs import SOLVING, ModelSource, _Attached
from tests.engine.editors.locating import EDITS, fit, quick_settings, text
from tests.tiny_models import tiny_model


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_taking_an_edit_out_is_told_and_can_be_stopped(name: str, tmp_path: Path) -> None:
    model = tiny_model()
    original = {key: value.clone() for key, value in model.model.state_dict().items()}
    pack = fit(name, model, quick_settings(name, text(tmp_path)))
    every = frozenset(edit.id for edit in EDITS.edits)
    attached = _Attached(pack.attach(model), EDITORS[name], every, ModelSource(), tmp_path)
    whole = {key: value.clone() for key, value in model.model.state_dict().items()}
    board, stopped = ProgressBoard(), Cancel()
    stopped.set()

    attached.keep_live(every, board, stopped)
    assert board.latest().stage == ""  # nothing to do, nothing to tell

    with pytest.raises(Cancelled):
        attached.keep_live(every - {"e1"}, board, stopped)
    assert board.latest().stage == SOLVING
    assert all(torch.equal(value, whole[key]) for key, value in model.model.state_dict().items())

    attached.keep_live(every - {"e1"}, board, Cancel())
    without = pack.without(frozenset({"e1"}), pack_model(original))
    edited = dict(model.model.state_dict())
    for key, change in without.changes().items():
        assert not torch.equal(edited[key], whole[key])
        torch.testing.assert_close(edited[key], original[key] + change, rtol=1e-4, atol=1e-6)

    attached.keep_live(every - {"e2"}, ProgressBoard(), Cancel())  # one back and another off, solved for once
    attached.keep_live(every, ProgressBoard(), Cancel())
    assert all(torch.equal(value, whole[key]) for key, value in model.model.state_dict().items())
    attached.edited.detach()
    assert all(torch.equal(value, original[key]) for key, value in model.model.state_dict().items())


def pack_model(weights: dict[str, torch.Tensor]) -> object:
    """The same model once more, unedited."""
    model = tiny_model()
    model.model.load_state_dict(weights)
    return model
