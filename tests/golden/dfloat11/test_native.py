"""The codec's loops in C++ and in numba give the same bytes and the same messages for damage."""

import pytest
import torch

from halfbyte.base import ToolError
from halfbyte.golden.dfloat11 import CorruptError, compress, decompress, measure, native

TYPES = [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.int8]

pytestmark = pytest.mark.skipif(native.library() is None, reason="no C++ compiler")


@pytest.fixture
def with_numba(monkeypatch):
    """``with_numba(function, ...)`` calls a function that uses the loops in numba."""

    def run(function, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setenv(native.VARIABLE, "numba")
            assert native.engine() == "numba"
            return function(*arguments, **options)

    return run


def values(count, dtype):
    """Random values, of which every 97th is tiny, or 0 in narrow types."""
    made = torch.randn(count, generator=torch.Generator().manual_seed(count)) * 20
    made[::97] *= 1e-30
    return made.to(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [1, 3, 512, 4097, 16384 + 4096, 40_000])
def test_the_same_bytes_both_ways(with_numba, dtype, count):
    x = values(count, dtype)
    data = compress(x)
    assert torch.equal(with_numba(compress, x), data)
    for found in (decompress(data), with_numba(decompress, data)):
        assert torch.equal(found.view(torch.uint8), x.view(torch.uint8))


def test_long_codes_and_many_escapes(with_numba):
    x = values(30_000, torch.bfloat16)
    x[5:9000:2] = torch.randint(-(2**15), 2**15, (4498,), dtype=torch.int16).view(torch.bfloat16)
    for rows, length in ((2, 1), (16, 10), (256, 12)):
        data = compress(x, measure(x, max_rows=rows, max_length=length))
        again = with_numba(lambda r=rows, n=length: measure(x, max_rows=r, max_length=n))
        assert torch.equal(with_numba(compress, x, again), data)
        assert torch.equal(decompress(data).view(torch.int16), x.view(torch.int16))


def test_the_same_messages_for_damage(with_numba):
    data = compress(values(40_000, torch.bfloat16))
    refused = 0
    for place in range(600, len(data), 997):
        damaged = data.clone()
        damaged[place] ^= 0x24
        outcomes = []
        for run in (lambda f, *a, **o: f(*a, **o), with_numba):
            try:
                outcomes.append(run(decompress, damaged, verify=False).view(torch.uint8).tolist())
            except CorruptError as error:
                outcomes.append(str(error))
                refused += 1
        assert outcomes[0] == outcomes[1]
    assert refused > 10


def test_numba_is_used_if_there_is_no_compiler(monkeypatch):
    def fail(**_):
        raise ToolError("No C++ compiler found")

    monkeypatch.setattr(native, "host_compiler", fail)
    native._library.cache_clear()
    try:
        assert native.engine() == "numba"
        x = values(2000, torch.bfloat16)
        assert torch.equal(decompress(compress(x)).view(torch.int16), x.view(torch.int16))
    finally:
        native._library.cache_clear()


def test_an_engine_that_does_not_exist(monkeypatch):
    monkeypatch.setenv(native.VARIABLE, "abacus")
    with pytest.raises(ValueError, match="must be native, sanitized or numba, not 'abacus'"):
        native.engine()
