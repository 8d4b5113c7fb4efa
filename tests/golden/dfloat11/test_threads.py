"""Test functions that work on several threads.

``over_ranges`` divides a range among all threads, and calls ``then`` for finished parts in order.
``behind`` uses one item while the next is made. ``meanwhile`` starts a function in the background.
With one core, the calling thread does all of this.
"""

import itertools
import threading

import pytest

from halfbyte.golden.dfloat11 import threads
from halfbyte.golden.dfloat11.threads import behind, meanwhile, over_ranges


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


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 513])
def test_then_is_called_in_order_and_after_its_range(core_count, count):
    done, followed = set(), []

    def then(first, last):
        assert done.issuperset(range(first, last))
        followed.extend(range(first, last))

    found = over_ranges(lambda first, last: done.update(range(first, last)), count, then=then)
    assert followed == list(range(count))
    assert len(found) == min(count, 16 * core_count)


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_each_item_is_used_in_order(core_count, count):
    used = []
    behind(range(count), used.append)
    assert used == list(range(count))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_in_the_use_of_an_item_reaches_the_caller(core_count, bad):
    def use(item):
        if item == bad:
            raise ValueError("this one is wrong")

    with pytest.raises(ValueError, match="this one is wrong"):
        behind(range(3), use)


def test_an_error_in_the_making_of_an_item_comes_after_the_last_use(core_count):
    used = []

    def items():
        yield 1
        yield 2
        raise ValueError("the third cannot be made")

    with pytest.raises(ValueError, match="the third cannot be made"):
        behind(items(), used.append)
    assert used == [1, 2]


def test_an_item_is_made_while_the_one_before_is_used(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    is_made, is_used = threading.Event(), threading.Event()

    def items():
        yield 1
        assert is_used.wait(20)
        is_made.set()
        yield 2

    def use(item):
        is_used.set()
        assert is_made.wait(20)

    behind(items(), use)


def test_meanwhile_calls_its_function_once(core_count):
    calls = []
    wait = meanwhile(lambda: calls.append(1) or len(calls))
    assert (wait(), wait(), calls) == (1, 1, [1])


class TestTwoThreads:
    @pytest.fixture(autouse=True)
    def _two(self, monkeypatch):
        monkeypatch.setattr(threads, "cores", lambda: 2)

    def test_the_caller_works_too_if_the_others_are_busy(self):
        """The other thread is busy here until all ranges are done."""
        goes_on = threading.Event()
        wait = meanwhile(lambda: goes_on.wait(20))
        assert over_ranges(lambda first, last: last - first, 64) == [2] * 32
        goes_on.set()
        assert wait()

    def test_a_waiting_caller_does_work_that_has_not_begun(self):
        goes_on = threading.Event()
        first, second = meanwhile(lambda: goes_on.wait(20)), meanwhile(threading.get_ident)
        assert second() == second() == threading.get_ident()
        goes_on.set()
        assert first()

    def test_both_threads_take_ranges(self):
        both = threading.Barrier(2, timeout=20)
        ids = over_ranges(lambda *_: both.wait() * 0 + threading.get_ident(), 64)
        assert len(set(ids)) == 2

    def test_one_thread_calls_then_while_the_other_takes_ranges(self):
        """The first call of ``then`` waits until the other thread has taken all ranges."""
        all_taken = threading.Event()

        def work(first, last):
            if last == 64:
                all_taken.set()

        def then(first, last):
            assert all_taken.wait(20)

        over_ranges(work, 64, then=then)

    def test_an_error_in_then_reaches_the_caller(self):
        def then(first, last):
            raise ValueError("damaged")

        with pytest.raises(ValueError, match="damaged"):
            over_ranges(lambda first, last: None, 64, then=then)

    @pytest.mark.parametrize("is_caller", [True, False])
    def test_an_error_reaches_the_caller_after_the_other_thread_has_stopped(self, is_caller):
        caller, both = threading.get_ident(), threading.Barrier(2, timeout=20)
        at_work = set()

        def work(first, _):
            me = threading.get_ident()
            at_work.add(me)
            if first < 4:  # each of the two takes one of the first two ranges
                both.wait()
            at_work.remove(me)
            if (me == caller) == is_caller:
                raise ValueError("damaged")

        with pytest.raises(ValueError, match="damaged"):
            over_ranges(work, 64)
        assert not at_work
