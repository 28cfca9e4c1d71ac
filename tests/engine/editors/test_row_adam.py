"""Adam by rows."""

from __future__ import annotations

import torch

from engine.editors.row_adam import RowAdam

GOALS = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def loss(point: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    return (point - goals).pow(2).sum(1) * (1 + goals[:, 0].abs())


def test_every_row_goes_where_adam_takes_it_alone() -> None:
    rows = RowAdam([torch.zeros(4, 6)], 0.1)
    for _ in range(30):
        rows.step(loss(rows.tensors[0], GOALS))
    for row in range(4):
        alone = torch.zeros(1, 6, requires_grad=True)
        adam = torch.optim.Adam([alone], lr=0.1)
        for _ in range(30):
            adam.zero_grad()
            loss(alone, GOALS[row, None]).sum().backward()
            adam.step()
        torch.testing.assert_close(rows.tensors[0][row], alone[0])


def test_those_that_stay_do_not_notice_who_leaves() -> None:
    all_of_them, some = RowAdam([torch.zeros(4, 6)], 0.1), RowAdam([torch.zeros(4, 6)], 0.1)
    kept = torch.tensor([True, False, True, False])
    for step in range(20):
        all_of_them.step(loss(all_of_them.tensors[0], GOALS))
        if step == 10:
            some.keep(kept)
        some.step(loss(some.tensors[0], GOALS[kept] if step >= 10 else GOALS))
    torch.testing.assert_close(some.tensors[0], all_of_them.tensors[0][kept])


def test_a_long_gradient_is_shortened_row_by_row() -> None:
    steep, mild = RowAdam([torch.zeros(2, 3)], 0.1), RowAdam([torch.zeros(2, 3)], 0.1)
    goals = torch.tensor([[100.0, 0, 0], [0.1, 0, 0]])
    for _ in range(2):
        steep.step((steep.tensors[0] - goals).pow(2).sum(1), clip=1.0)
        mild.step((mild.tensors[0] - torch.tensor([[0.5, 0, 0], [0.1, 0, 0]])).pow(2).sum(1))
    torch.testing.assert_close(steep.tensors[0][1], mild.tensors[0][1])
    assert float(steep._squares[0][0].max()) < 0.01
