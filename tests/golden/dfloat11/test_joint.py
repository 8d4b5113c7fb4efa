"""Layout 2 of compressed tensors, ``joint``: all bits are restored, and damage is found.

A symbol is the exponent and some upper mantissa bits, or all bits of a type of 8 bits. Rare symbols
share a code, the escape, and are stored apart. A tensor is divided into chunks of 65536 elements,
and each chunk into blocks of 4096.

The loops exist in C++ (the engine "native") and in numba. ``reference_decode`` is an independent
decoder, written from ``docs/dfloat11.md``.
"""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from halfbyte.golden.dfloat11 import (
    CorruptError,
    compress,
    decompress,
    decompress_chunks,
    joint,
    native,
    opened,
    read_header,
)
from halfbyte.golden.dfloat11.joint_layout import CHUNK, JOINT_TYPES
from halfbyte.golden.dfloat11.joint_table import Fields, SymbolTable
from halfbyte.golden.dfloat11.layouts import LAYOUTS
from halfbyte.golden.dfloat11.loops import crc32c

TYPES = [each.torch_dtype for each in JOINT_TYPES.values()]
ENGINES = ["native", "numba"]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Run the loops of one engine, then of the other."""
    monkeypatch.setenv(native.VARIABLE, request.param)
    if native.engine() != request.param:
        pytest.skip("no C++ compiler")
    return request.param


def bits_of(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def assert_same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert torch.equal(bits_of(found), bits_of(wanted))


def normal(count, seed=0, scale=0.02):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)) * scale


def values(count, dtype):
    """Random values; some floating-point values have rare exponents."""
    made = normal(count, count, 20)
    if dtype.is_floating_point:
        made[::97] *= 1e-30
    return (made.abs() if dtype == torch.uint8 else made).to(dtype)


def reference_decode(data):
    """The bytes of the elements, decoded without our code, as ``docs/dfloat11.md`` describes."""
    (magic, version, size, _, kind, width, shift, escape, dims, rows, base, count, words,
     escapes, _) = struct.unpack("<6sHIIBBBBHHH2xQQQQ", data[:60])  # fmt: skip
    assert (magic, version) == (b"hbdf11", 2)
    bits = {1: 16, 2: 16, 3: 8, 4: 8, 5: 8, 6: 8, 7: 32}[kind]
    at, slots = 60 + 8 * dims, []
    for row in range(rows):
        frequency, at = data[at], at + 1
        if frequency > 127:
            frequency, at = frequency - 128 + 128 * data[at], at + 1
        slots += [(row, place, frequency) for place in range(frequency)]
    assert len(slots) == 4096
    chunks = -(-count // 65536)
    places = [size]
    for part in (4 * chunks, 12 * chunks, 2 * words, 2 * escapes):
        places.append(places[-1] + -(-part // 8) * 8)
    _, sizes, stream, escaped, raw = places
    made = bytearray()
    for chunk in range(chunks):
        length, _, left_out = struct.unpack_from("<3I", data, sizes + 12 * chunk)
        elements = min(65536, count - 65536 * chunk)
        chunk_words = iter(struct.unpack_from(f"<{length}H", data, stream))
        stream += 2 * length
        states = [next(chunk_words) + 65536 * next(chunk_words) for _ in range(32)]
        for i in range(elements):
            if i % 4096 == 0:
                zeros = 0 if left_out >> 16 + i // 4096 & 1 else left_out & 255
                raw_bits = bits - width - zeros
                end = raw + -(-min(4096, elements - i) // 8) * raw_bits
                raw_text, raw = int.from_bytes(data[raw:end], "little"), end
            row, place, frequency = slots[states[i % 32] % 4096]
            states[i % 32] = states[i % 32] // 4096 * frequency + place
            if states[i % 32] < 65536:
                states[i % 32] = states[i % 32] * 65536 + next(chunk_words)
            symbol = base + row
            if escape and row == rows - 1:
                symbol = struct.unpack_from("<H", data, escaped)[0]
                escaped += 2
            rest = raw_text >> i % 4096 * raw_bits & (1 << raw_bits) - 1
            high, low = rest >> shift - zeros, rest & (1 << shift - zeros) - 1
            word = high << shift + width | symbol << shift | low << zeros
            made += word.to_bytes(bits // 8, "little")
        assert states == [65536] * 32
        assert next(chunk_words, None) is None
    return bytes(made)


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", TYPES)
    @pytest.mark.parametrize("count", [1, 7, 31, 33, 4097, CHUNK, CHUNK + 4099])
    def test_sizes_at_the_edges(self, engine, dtype, count):
        x = values(count, dtype)
        assert_same(decompress(joint.compress(x)), x)

    @pytest.mark.parametrize("dtype", TYPES)
    def test_both_engines_write_the_same(self, monkeypatch, dtype):
        x = values(CHUNK + 5001, dtype)
        data = joint.compress(x)
        monkeypatch.setenv(native.VARIABLE, "numba")
        assert torch.equal(joint.compress(x), data)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_every_bit_pattern(self, dtype):
        x = torch.arange(1 << 16).to(torch.uint16).view(dtype)
        assert_same(decompress(joint.compress(x)), x)

    @settings(max_examples=60)
    @given(hnp.arrays(np.uint32, st.integers(1, 300)), st.sampled_from([0, 13, 16, 24]))
    def test_any_bits(self, words, zeros):
        x = torch.from_numpy(words >> zeros << zeros).view(torch.float32)
        assert_same(decompress(joint.compress(x)), x)

    def test_shapes_and_strides(self):
        for x in (
            torch.tensor(2.5),
            torch.ones(3, 5, 7),
            values(600, torch.float32).view(20, 30).T,
        ):
            assert_same(decompress(joint.compress(x)), x)

    def test_constant_tensors_take_almost_no_space(self):
        x = torch.full((CHUNK,), -1.5)
        data = joint.compress(x)
        assert len(data) < CHUNK * 4 / 25
        assert_same(decompress(data), x)

    def test_chunks_decode_on_their_own(self):
        x = normal(3 * CHUNK + 7).bfloat16()
        data = joint.compress(x)
        for first, last in ((0, 1), (1, 3), (3, 4), (2, 2)):
            wanted = x[first * CHUNK : last * CHUNK]
            found = decompress_chunks(data, first, last)
            assert torch.equal(found.view(torch.int16), wanted.view(torch.int16))

    def test_a_tensor_opened_once_can_be_decoded_often(self):
        x = values(5000, torch.float32)
        for data in (joint.compress(x), compress(x.bfloat16())):
            decode = opened(data)
            assert_same(decode(), decode())
        assert set(LAYOUTS) >= {1, 2}


@pytest.mark.parametrize("dtype", TYPES)
def test_a_decoder_written_from_the_description_agrees(dtype):
    x = values(CHUNK + 5333, dtype)
    if dtype == torch.float32:
        x[3000:30_000] = x[3000:30_000].bfloat16()  # here, low bits are 0
        x[CHUNK : CHUNK + 4096] = x[CHUNK : CHUNK + 4096].half()
    data = joint.compress(x).numpy().tobytes()
    assert reference_decode(data) == bits_of(x).numpy().tobytes()


class TestSize:
    @pytest.mark.parametrize(
        ("dtypes", "share"),
        [
            ((torch.bfloat16,), 10.50 / 16),
            ((torch.float32,), 0.83),
            ((torch.bfloat16, torch.float32), 0.34),
            ((torch.float16, torch.float32), 0.43),
        ],
    )
    def test_size_relative_to_the_original(self, dtypes, share):
        """The weights are normally distributed. In BF16, their entropy is 10.46 bits each."""
        x = normal(1 << 20)
        for dtype in dtypes:
            x = x.to(dtype)
        assert len(joint.compress(x)) < share * x.nbytes

    def test_elements_of_fewer_bits_take_less_space(self):
        """Low bits that are zero in a whole chunk are left out of that chunk."""
        x = normal(4 * CHUNK)
        plain = len(joint.compress(x))
        x[CHUNK : 2 * CHUNK] = x[CHUNK : 2 * CHUNK].bfloat16()
        data = joint.compress(x)
        assert len(data) < plain - 2 * CHUNK + 1000
        assert_same(decompress(data), x)

    def test_elements_of_fewer_bits_take_less_space_within_a_chunk(self, engine):
        """Only blocks in which the low bits of all elements are zero leave these bits out."""
        x = normal(2 * CHUNK - 77)
        plain = len(joint.compress(x))
        x[9 * 4096 - 50 : 12 * 4096 + 50] = x[9 * 4096 - 50 : 12 * 4096 + 50].bfloat16()
        x[CHUNK:] = x[CHUNK:].half()
        data = joint.compress(x)
        saved = (3 * 4096 * 16 + (CHUNK - 77) * 13) / 8
        assert plain - len(data) == pytest.approx(saved, rel=0.01)
        assert_same(decompress(data), x)

    def test_counts_predict_the_size(self):
        x = normal(300_000).bfloat16()
        counts = joint.count(x)
        assert counts.bytes() == pytest.approx(len(joint.compress(x, counts)), rel=0.002)


class TestDamage:
    @pytest.fixture(scope="class")
    @staticmethod
    def data():
        return joint.compress(values(CHUNK + 3000, torch.bfloat16))

    def test_every_part_is_protected(self, data, engine):
        good, missed = decompress(data), 0
        for place in range(0, len(data), 503 if engine == "native" else 5003):
            damaged = data.clone()
            damaged[place] ^= 0x10
            try:
                assert_same(decompress(damaged), good)
                missed += 1
            except CorruptError:
                pass
        assert missed <= 1  # a byte of padding

    def test_truncated_data_is_refused(self, data):
        for size in range(0, len(data), 997):
            with pytest.raises(CorruptError):
                decompress(data[:size])

    def test_both_engines_treat_damage_alike(self, data, monkeypatch):
        outcomes = {}
        for engine in ENGINES:
            monkeypatch.setenv(native.VARIABLE, engine)
            outcomes[engine] = []
            for place in range(400, len(data), 9001):
                damaged = data.clone()
                damaged[place] ^= 0x81
                try:
                    outcomes[engine].append(bits_of(decompress(damaged, verify=False)).tolist())
                except CorruptError:
                    outcomes[engine].append("refused")
        assert outcomes["native"] == outcomes["numba"]

    @pytest.mark.parametrize(
        ("offset", "value", "message"),
        [
            (8, b"\xff\xff\xff\x7f", "header is cut off, or its length is wrong"),
            (16, b"\x63", "unknown element type, 99"),
            (17, b"\x0d", "does not fit in the element"),
            (18, b"\x09", "does not fit in the element"),
            (19, b"\x02", "contradict its shape"),
            (20, b"\xff\xff", "too short for a shape of"),
            (22, b"\x01\x00", "do not sum to 4096"),
            (24, b"\xff\xff", "contradicts the width of symbols"),
            (28, b"\xff" * 8, "contradict its shape"),
            (36, b"\xff" * 8, "should have .* bytes"),
            (60, b"\xff" * 8, "contradict its shape"),
        ],
    )
    def test_hostile_headers(self, data, offset, value, message):
        """The CRC is computed again for the changed header."""
        raw = data.numpy().copy()
        size = int.from_bytes(raw[8:12].tobytes(), "little")
        raw[offset : offset + len(value)] = np.frombuffer(value, np.uint8)
        raw[12:16] = 0
        raw[12:16] = np.frombuffer(crc32c(raw[:size].copy()).to_bytes(4, "little"), np.uint8)
        with pytest.raises(CorruptError, match=message):
            decompress(torch.from_numpy(raw))

    @pytest.mark.parametrize("word", [10, 0x101, 1 << 16, 1 | 1 << 17], ids=hex)
    def test_bits_that_cannot_be_left_out(self, data, word):
        """A word of each chunk says how many low bits are left out, and which blocks keep them.

        These are refused: too many bits; a set bit that has no meaning; a block that keeps bits
        although none are left out; a block that does not exist.
        """
        raw = data.numpy().copy()
        # The second chunk's word comes after two CRCs and five other words.
        last = read_header(raw).size + 8 + 12 + 8
        raw[last : last + 4] = np.frombuffer(word.to_bytes(4, "little"), np.uint8)
        with pytest.raises(CorruptError, match="leaves out is not valid"):
            decompress(torch.from_numpy(raw), verify=False)

    def test_sizes_that_lead_out_of_the_stream(self, data):
        raw = data.numpy().copy()
        header = read_header(raw)
        raw[header.size + 8 : header.size + 12] = 0xFF
        with pytest.raises(CorruptError, match="sizes of the chunks contradict"):
            decompress(torch.from_numpy(raw), verify=False)


class TestWrongArguments:
    def test_types_and_sizes(self):
        with pytest.raises(TypeError, match=r"one of the types BF16.*, not torch\.float64"):
            joint.compress(torch.ones(3, dtype=torch.float64))
        with pytest.raises(ValueError, match="without elements"):
            joint.compress(torch.ones(0))

    def test_data_in_another_layout(self):
        with pytest.raises(CorruptError, match="layout's version must be 2, not 1"):
            joint.decompress(compress(torch.ones(100).bfloat16()))
        with pytest.raises(CorruptError, match="does not begin with 'hbdf11'"):
            joint.decompress(torch.zeros(200, dtype=torch.uint8))

    def test_fields_and_tables(self):
        with pytest.raises(ValueError, match="symbol does not fit"):
            Fields(16, 12, 3)
        with pytest.raises(ValueError, match="outside the symbol"):
            Fields(32, 3, 28)
        with pytest.raises(ValueError, match="do not sum to 4096"):
            SymbolTable(0, (4095,), False)
        with pytest.raises(ValueError, match="cut off"):
            SymbolTable.from_bytes(b"\xff", 0, 1, False)
