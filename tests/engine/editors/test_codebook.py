"""The codebook's rules, and that any edit can be taken out of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.editors.codebook import Codebook, Entry, Rules

A, B = [1, 2], [2, 1]  # the same mean of token ids, and not the same label


def on_a_line(places: list[float], labels: list[list[int]], radius: float = 1.0, rules: Rules = "fixed") -> Codebook:
    codebook = Codebook(torch.tensor(places)[:, None], labels, radius, rules)
    codebook.set_live(range(len(places)))
    return codebook


def state(codebook: Codebook) -> tuple[list[int], list[float], list[Entry]]:
    return codebook.entries, codebook.radii, codebook.journal


def test_far_from_every_key_a_new_one_is_made() -> None:
    codebook = on_a_line([0.0, 2.1], [A, B])
    assert (codebook.entries, codebook.radii) == ([0, 1], [1.0, 1.0])
    assert [entry.deed for entry in codebook.journal] == ["new", "new"]


def test_two_answers_share_the_distance_between_them() -> None:
    codebook = on_a_line([0.0, 1.5], [A, B])
    assert codebook.radii == [0.75, 0.75]
    assert codebook.journal[1] == Entry(1, "split", 0, 1.0)


def test_a_key_grows_as_far_as_to_the_same_answer() -> None:
    codebook = on_a_line([0.0, 1.5], [A, A])
    assert (codebook.entries, codebook.radii) == ([0], [1.5])
    assert codebook.journal[1] == Entry(1, "grown", 0, 1.0)
    assert on_a_line([0.0, 0.5], [A, A]).radii == [1.0]  # what is in reach needs no more


def test_a_split_never_makes_a_radius_larger_but_in_the_reference() -> None:
    places, labels = [0.0, 0.2, -1.0], [A, B, B]
    assert on_a_line(places, labels).radii == pytest.approx([0.1, 0.1, 0.5])
    assert on_a_line(places, labels, rules="faithful").radii == pytest.approx([0.5, 0.1, 0.5])


def test_a_key_that_grew_gives_each_edit_its_own_value_but_in_the_reference() -> None:
    query = torch.tensor([1.4])
    assert on_a_line([0.0, 1.5], [A, A]).answering(0, query) == 1
    assert on_a_line([0.0, 1.5], [A, A], rules="faithful").answering(0, query) == 0


def test_of_two_edits_of_one_prompt_the_later_is_nearest() -> None:
    codebook = on_a_line([0.0, 0.0], [A, B])
    places, distances = codebook.nearest(torch.tensor([[0.0], [3.0]]))
    assert places.tolist() == [[1], [1]]
    assert distances.tolist() == [[0.0], [3.0]]


@pytest.mark.parametrize("gone", [[2], [1], [0], [0, 2], [2, 1], [1, 0]])
def test_a_b_c_and_then_without_some_of_them(gone: list[int]) -> None:
    """c splits b's reach, b is what a grew to: a wrong row taken out would show."""
    places, labels = [0.0, 1.5, 2.6], [A, A, B]
    codebook, left = on_a_line(places, labels), [0, 1, 2]
    for row in gone:
        left.remove(row)
        codebook.set_live(left)
        fresh = Codebook(torch.tensor(places)[:, None], labels, 1.0)
        fresh.set_live(left)
        assert state(codebook) == state(fresh)
        assert codebook.live() == left


@given(
    places=st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=9),
    labels=st.lists(st.sampled_from([A, B, [3]]), min_size=9, max_size=9),
    moves=st.lists(st.integers(0, 8), max_size=12),
    rules=st.sampled_from(["fixed", "faithful"]),
)
def test_in_whatever_order_edits_go_and_come_the_codebook_is_that_of_those_that_are_there(
    places: list[tuple[int, int]], labels: list[list[int]], moves: list[int], rules: Rules
) -> None:
    keys = torch.tensor(places, dtype=torch.float32) / 2
    codebook = Codebook(keys, labels[: len(places)], 1.2, rules)
    live = set(range(len(places)))
    codebook.set_live(sorted(live))
    for move in moves:
        live ^= {move % len(places)}
        codebook.set_live(sorted(live))
        fresh = Codebook(keys, labels[: len(places)], 1.2, rules)
        fresh.set_live(sorted(live))
        assert state(codebook) == state(fresh)
        for place, key in enumerate(codebook.entries):
            assert codebook.answering(place, keys[key]) == fresh.answering(place, keys[key])
