"""SHA-256 of one message, or of two at once, given in pieces, agrees with :mod:`hashlib`."""

import gc
import hashlib
import time
import weakref

import numpy as np
import pytest

from halfbyte.golden.dfloat11 import digests, native, threads
from halfbyte.golden.dfloat11.digests import Digest, Reading, counts_of


@pytest.fixture(params=["native", "hashlib"])
def engine(request, monkeypatch):
    """Compute digests with the processor's SHA instructions, then with :mod:`hashlib`."""
    if request.param == "hashlib":
        monkeypatch.setenv(native.VARIABLE, "numba")
    elif digests._native() is None:
        pytest.skip("the processor lacks SHA instructions, or there is no C++ compiler")
    return request.param


def some_bytes(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def test_the_standard_digest(engine):
    for size in (*range(131), 1000, 65536, 100_001):
        data = some_bytes(size)
        message = Digest()
        message.add(data)
        assert message.digest() == hashlib.sha256(data.tobytes()).digest(), size


@pytest.mark.parametrize("seed", range(8))
def test_two_messages_in_pieces(engine, seed):
    """Each piece belongs to the first message, to the second, or to both."""
    random = np.random.default_rng(seed)
    messages, wanted = [Digest(), Digest()], [hashlib.sha256(), hashlib.sha256()]
    for _ in range(12):
        data = some_bytes(int(random.integers(0, 300)), seed)
        who = int(random.integers(3))
        if who == 2:
            messages[0].add(data, messages[1])
        else:
            messages[who].add(data)
        for k in (0, 1) if who == 2 else (who,):
            wanted[k].update(data.tobytes())
        assert [each.digest() for each in messages] == [each.digest() for each in wanted]


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("lead", [None, 0, 10, 64, 99])
def test_one_reading_gives_counts_and_digests(engine, monkeypatch, cores, kind, lead):
    monkeypatch.setattr(digests, "cores", lambda: cores)
    words = some_bytes(50_002).view(kind)
    shift = 7 if kind == "u2" else 0
    before = some_bytes(lead or 0, 1)
    whole = None if lead is None else Digest()
    if whole is not None:
        whole.add(before)
    reading = Reading(whole)
    wanted = np.bincount(words >> shift & 0xFF, minlength=256)
    assert (reading.counts(words, shift) == wanted).all()
    assert (counts_of(words, shift) == wanted).all()
    assert reading.digest() == hashlib.sha256(words.tobytes()).digest()
    if whole is not None:
        assert whole.digest() == hashlib.sha256(before.tobytes() + words.tobytes()).digest()


@pytest.mark.parametrize("cores", [1, 2])
def test_the_memory_of_a_tensor_is_freed_without_the_garbage_collector(engine, cores, monkeypatch):
    """The next tensor needs this memory, so it cannot wait for the garbage collector."""
    monkeypatch.setattr(threads, "cores", lambda: cores)
    monkeypatch.setattr(digests, "cores", lambda: cores)
    data = some_bytes(1 << 12)
    held = weakref.ref(data)
    gc.disable()
    try:
        reading = Reading()
        reading.counts(data.view(np.uint16), 7)
        reading.digest()
        del data, reading
        # A thread still refers to its last function for a short time after the result is known.
        until = time.monotonic() + 10
        while held() is not None and time.monotonic() < until:
            time.sleep(0.001)
        assert held() is None
    finally:
        gc.enable()
