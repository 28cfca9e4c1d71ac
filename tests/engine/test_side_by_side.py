"""Two pieces of work at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from engine.side_by_side import beside, pays


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_one_has_a_thread_and_the_other_the_rest_while_both_work():
    with beside(lambda: (torch.get_num_threads(), threading.current_thread())) as other:
        mine = torch.get_num_threads()
    theirs, thread = other.result()
    assert (mine, theirs) == (3, 1)
    assert thread is not threading.current_thread()
    assert not thread.is_alive()
    assert torch.get_num_threads() == 4


def test_they_work_at_the_same_time():
    here, there = threading.Event(), threading.Event()

    def work() -> bool:
        there.set()
        return here.wait(timeout=10)

    with beside(work) as other:
        assert there.wait(timeout=10)
        here.set()
    assert other.result()


def test_what_one_raises_comes_out_when_its_result_is_wanted():
    with beside(lambda: {}["missing"]) as other:
        pass
    with pytest.raises(KeyError):
        other.result()


def test_what_the_block_raises_leaves_no_thread_and_all_threads_to_work_with():
    alive = threading.active_count()
    with pytest.raises(ZeroDivisionError), beside(lambda: None):
        raise ZeroDivisionError
    assert threading.active_count() == alive
    assert torch.get_num_threads() == 4


def test_it_pays_where_a_processor_has_more_than_one_thread():
    assert pays(torch.device("cpu"))
    assert not pays(torch.device("meta"))
    torch.set_num_threads(1)
    assert not pays(torch.device("cpu"))
