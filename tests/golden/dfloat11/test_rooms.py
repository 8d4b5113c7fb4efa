"""A *room* is memory for a result. It is kept for the next result when it is no longer used."""

import gc
import threading

import numpy as np
import pytest
import torch

from halfbyte.golden.dfloat11 import rooms
from halfbyte.golden.dfloat11.rooms import LEAST, room


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """The store of kept memory, empty at first."""
    gc.collect()
    kept = rooms._Kept()
    monkeypatch.setattr(rooms, "_KEPT", kept)
    return kept


def place(array):
    """The address of an array's memory."""
    return array.__array_interface__["data"][0]


def test_memory_that_is_no_longer_used_is_used_again():
    first = room(LEAST)
    at = place(first)
    del first
    again = room(LEAST // 2, "u2")
    assert (place(again), again.shape, again.dtype) == (at, (LEAST // 2,), np.uint16)
    assert place(room(LEAST)) != at


@pytest.mark.parametrize(
    "view",
    [
        lambda array: array[3:9],
        lambda array: array[5:].view(np.uint32)[:2].reshape(2, 1),
        lambda array: memoryview(array)[7:8],
        lambda array: torch.from_numpy(array)[1:].view(2, -1)[1],
        lambda array: torch.from_numpy(array[:8].view(np.uint16)).view(torch.bfloat16),
    ],
    ids=["slice", "type", "buffer", "tensor", "tensor of a view"],
)
def test_a_view_keeps_the_memory_from_others(view):
    whole = room(LEAST + 1)
    at, held = place(whole), view(whole)
    del whole
    assert place(room(LEAST + 1)) != at
    del held
    assert place(room(LEAST + 1)) == at


def test_small_arrays_are_not_kept(kept):
    room(LEAST - 1)
    assert not kept._free


def test_the_smallest_memory_that_fits_is_used_unless_it_is_far_too_large():
    sizes = [8 * LEAST, 3 * LEAST, 2 * LEAST]
    held = [room(size) for size in sizes]
    at = [place(each) for each in held]
    del held
    assert place(room(LEAST)) == at[2]
    assert place(first := room(2 * LEAST)) == at[2]
    assert place(room(2 * LEAST)) == at[1]
    assert place(room(3 * LEAST)) == at[1]
    assert place(room(2 * LEAST - 1)) == at[1]
    assert first is not None


def test_the_oldest_is_freed_if_too_much_is_kept(kept, monkeypatch):
    monkeypatch.setattr(rooms, "MOST", 3 * LEAST)
    room(2 * LEAST)
    held = [room(LEAST) for _ in range(4)]
    at = [place(each) for each in held]
    while held:
        held.pop(0)
    assert [place(each) for each in kept._free.values()] == at[1:]
    big = room(4 * LEAST)
    del big
    assert not kept._free


def test_no_more_is_kept_than_twice_the_largest_memory(kept):
    held = [room(LEAST) for _ in range(4)]
    at = [place(each) for each in held]
    while held:
        held.pop(0)
    assert [place(each) for each in kept._free.values()] == at[2:]


def test_no_memory_is_given_to_two_users_at_once():
    """Each thread writes its own number into its memory, and must find no other number there."""
    wrong = []

    def use(number):
        for _ in range(200):
            mine = room(LEAST)
            mine[::4096] = number
            if (mine[::4096] != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
