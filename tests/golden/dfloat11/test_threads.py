"""Ranges over all cores, and work that is done ahead."""

import itertools
import threading

import pytest

from halfbyte.golden.dfloat11 import threads
from halfbyte.golden.dfloat11.threads import ahead, meanwhile, over_ranges


@pytest.fixture(params=[1, 2])
def core_count(request, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 513])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_ranges_cover_all_and_begin_at_multiples_of_the_step(core_count, count, step):
    found = over_ranges(lambda first, last: (first, last), count, step=step)
    assert list(itertools.chain(*(range(*each) for each in found))) == list(range(count))
    assert all(first % step == 0 for first, _ in found)


def test_all_items_come_in_order(core_count):
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []


def test_an_error_while_an_item_is_made_arrives(core_count):
    def items():
        yield 1
        raise ValueError("the second cannot be made")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second cannot be made"):
        next(found)


def test_an_item_is_made_while_the_one_before_is_used(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    is_made = threading.Event()

    def items():
        yield 1
        is_made.set()
        yield 2

    for item in ahead(items()):
        assert item == 2 or is_made.wait(20)


def test_what_is_done_meanwhile_is_done_once(core_count):
    calls = []
    wait = meanwhile(lambda: calls.append(1) or len(calls))
    assert (wait(), wait(), calls) == (1, 1, [1])
