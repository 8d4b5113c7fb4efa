"""Layout 1 of compressed tensors: all bits are restored, and damage is found.

Symbols, such as the exponents of BF16 numbers, have codes. Rare symbols share one code, the escape.
After an escape, the symbol itself is written. A tensor is divided into chunks of 16384 elements,
and a chunk into segments of 512. ``reference_decode`` is an independent decoder, written from
``docs/dfloat11.md``.
"""

import hashlib
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from halfbyte.base import UserError
from halfbyte.golden.dfloat11 import (
    CorruptError,
    compress,
    decompress,
    decompress_chunks,
    measure,
    prepare,
    symbol_counts,
    threads,
)
from halfbyte.golden.dfloat11.joint_table import order_0
from halfbyte.golden.dfloat11.kernels import CHUNK, crc32c
from halfbyte.golden.dfloat11.layout import read_header, split

TYPES = [
    torch.bfloat16,
    torch.float16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int8,
    torch.uint8,
]


def bits_of(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def assert_same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert torch.equal(bits_of(found), bits_of(wanted))


def normal(*shape, seed=0, scale=0.02):
    """Normally distributed values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def plain_crc(data):
    """CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def reference_decode(data):
    """The bytes of the elements, decoded without our code, as ``docs/dfloat11.md`` describes."""
    magic, version, size, crc, kind, dims, elements, words, sha = struct.unpack(
        "<6sHIIBB6xQQ32s", data[:72]
    )
    assert (magic, version) == (b"hbdf11", 1)
    assert plain_crc(data[:12] + bytes(4) + data[16:size]) == crc
    at = 72 + 8 * dims
    rows, escape, *per_length = struct.unpack("<14H", data[at : at + 28])
    symbols = list(data[at + 28 : at + 28 + rows])
    decoder, code, row = {}, 0, 0
    for length, count in enumerate(per_length, start=1):
        code <<= 1
        for _ in range(count):
            decoder[f"{code:0{length}b}"] = "escape" if row == escape else symbols[row]
            code, row = code + 1, row + 1
    chunks = -(-elements // 16384)
    places = [size]
    for part in (4 * chunks, 4 * chunks, 64 * chunks, 4 * words):
        places.append(places[-1] + -(-part // 8) * 8)
    crcs, starts, lengths, stream, raw = places
    made = bytearray()
    for chunk in range(chunks):
        start = struct.unpack_from("<I", data, starts + 4 * chunk)[0]
        segment_bits = struct.unpack_from("<32H", data, lengths + 64 * chunk)
        count = min(16384, elements - 16384 * chunk)
        used = -(-sum(segment_bits) // 32)
        window = data[stream + 4 * start : stream + 4 * (start + used)]
        text = "".join(f"{word:032b}" for (word,) in struct.iter_unpack("<I", window))
        found, place = [], 0
        while len(found) < count:
            if len(found) % 512 == 0:
                assert place == sum(segment_bits[: len(found) // 512])
            end = place + 1
            while text[place:end] not in decoder:
                end += 1
            symbol = decoder[text[place:end]]
            if symbol == "escape":
                symbol, end = int(text[end : end + 8], 2), end + 8
            found.append(symbol)
            place = end
        others = b""
        if kind <= 2:
            others = data[raw + 16384 * chunk : raw + 16384 * chunk + count]
            for symbol, other in zip(found, others, strict=True):
                made += struct.pack("<H", (other & 0x80) << 8 | symbol << 7 | other & 0x7F)
        else:
            made += bytes(found)
        wanted = plain_crc(struct.pack("<32H", *segment_bits)) ^ plain_crc(window)
        wanted ^= plain_crc(others)
        assert struct.unpack_from("<I", data, crcs + 4 * chunk)[0] == wanted
    assert hashlib.sha256(made).digest() == sha
    return bytes(made)


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", TYPES)
    def test_every_bit_pattern(self, dtype):
        count = 1 << (8 * dtype.itemsize)
        words = torch.arange(count).to(torch.uint16 if dtype.itemsize == 2 else torch.uint8)
        x = words.view(dtype)
        assert_same(decompress(compress(x)), x)
        if dtype.itemsize == 2:  # all symbols but one are escaped
            x = torch.cat([x, torch.ones(1 << 18).to(dtype)])
            assert_same(decompress(compress(x, measure(x, max_rows=2))), x)

    @pytest.mark.parametrize("count", [1, 2, 511, 512, 513, 16383, 16384, 16385, 40000])
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int8])
    def test_sizes_at_the_edges_of_segments_and_chunks(self, dtype, count):
        x = (normal(count, scale=30)).to(dtype)
        assert_same(decompress(compress(x)), x)

    @settings(max_examples=60)
    @given(hnp.arrays(np.uint16, st.integers(1, 700)), st.integers(2, 256))
    def test_any_bits(self, words, rows):
        x = torch.from_numpy(words).view(torch.bfloat16)
        assert_same(decompress(compress(x, measure(x, max_rows=rows))), x)

    @settings(max_examples=30)
    @given(hnp.arrays(np.int8, st.integers(1, 700)))
    def test_any_bytes(self, values):
        x = torch.from_numpy(values)
        assert_same(decompress(compress(x)), x)

    @pytest.mark.parametrize("shape", [(), (1,), (3, 5, 7), (1, 1, 1, 1, 9)])
    def test_shapes(self, shape):
        x = normal(*shape).bfloat16() if shape else torch.tensor(2.0).bfloat16()
        assert_same(decompress(compress(x)), x)

    def test_strided_tensors(self):
        x = normal(60, 70).bfloat16()
        assert_same(decompress(compress(x.T)), x.T)

    def test_constant_tensors(self):
        x = torch.full((5000,), -1.5).bfloat16()
        assert_same(decompress(compress(x)), x)

    def test_the_number_of_cores_does_not_change_the_bytes(self, monkeypatch):
        x = normal(100_000).bfloat16()
        first = compress(x)
        monkeypatch.setattr(threads, "cores", lambda: 1)
        assert torch.equal(compress(x.clone()), first)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_decoder_written_from_the_description_agrees(dtype):
    values = normal(16384 + 700, scale=20)
    x = (values.abs() if dtype == torch.uint8 else values).to(dtype)
    if dtype == torch.bfloat16:
        x[::200] = torch.logspace(-30, 30, len(x[::200])).bfloat16()  # rare symbols
    data = compress(x).numpy().tobytes()
    assert reference_decode(data) == bits_of(x).numpy().tobytes()


@pytest.mark.parametrize("data", [b"", b"a", b"123456789", bytes(32), bytes(range(200))])
def test_crc32c(data):
    assert crc32c(np.frombuffer(data, np.uint8), 0, len(data)) == plain_crc(data)


def test_crc32c_is_the_standard_one():
    """The check value that catalogues of CRCs give for CRC-32C."""
    assert crc32c(np.frombuffer(b"123456789", np.uint8), 0, 9) == 0xE3069283


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int8])
def test_any_chunks_decode_on_their_own(dtype):
    x = normal(70_000, scale=20).to(dtype)
    data = compress(x)
    assert decompress_chunks(data, 2, 2).shape == (0,)
    for first in range(5):
        for last in range(first + 1, 6):
            wanted = x[first * CHUNK : last * CHUNK]
            assert_same(decompress_chunks(data, first, last), wanted)
    damaged = data.clone()
    damaged[-8] ^= 1  # in the last chunk
    with pytest.raises(CorruptError, match="chunk 4 of 5: its CRC is wrong"):
        decompress_chunks(damaged, 3, 5)
    assert_same(decompress_chunks(damaged, 0, 4), x[: 4 * CHUNK])
    with pytest.raises(ValueError, match="last must be 2 to 5, not 6"):
        decompress_chunks(data, 2, 6)


class TestSize:
    @pytest.mark.parametrize("scale", [0.5, 0.75])  # best and worst scale for uniform values
    @pytest.mark.parametrize("kind", ["normal", "t", "uniform", "laplace"])
    def test_within_one_and_a_half_per_cent_of_the_entropy(self, kind, scale):
        torch.manual_seed(1)
        count = 1 << 20
        values = {
            "normal": torch.randn(count),
            "t": torch.distributions.StudentT(torch.tensor(5.0)).sample((count,)),
            "uniform": 2 * torch.rand(count) - 1,
            "laplace": torch.distributions.Laplace(0.0, 1.0).sample((count,)),
        }
        x = (values[kind] * scale).bfloat16()
        measured = measure(x)
        assert 8 * measured.size / count < 1.015 * (8 + order_0(measured.counts))

    def test_is_the_predicted_one(self):
        x = normal(10_000).bfloat16()
        assert len(compress(x)) == measure(x).size

    def test_noise_is_not_worth_compressing(self):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, (1 << 16,), dtype=torch.uint8, generator=generator)
        assert not measure(noise.view(torch.bfloat16)).pays
        assert measure(normal(1 << 14).bfloat16()).pays


class TestWrongArguments:
    def test_compressed_data_is_bytes(self):
        with pytest.raises(TypeError, match=r"must be uint8 with 1 dimension, not torch\.float32"):
            decompress(torch.ones(200))
        with pytest.raises(TypeError, match=r"1 dimension, not torch\.uint8 with 2"):
            decompress(torch.ones(2, 100, dtype=torch.uint8))

    def test_data_must_be_on_the_device_that_decodes(self):
        data = compress(torch.zeros(4, dtype=torch.bfloat16))
        with pytest.raises(UserError, match="Data on a cpu device cannot be decoded on meta: move"):
            prepare(data, device="meta")

    def test_types_without_a_codec(self):
        with pytest.raises(TypeError, match=r"one of the types BF16.*, not torch\.float32"):
            compress(torch.ones(3))
        with pytest.raises(TypeError, match="not list"):
            measure([1, 2])

    def test_empty(self):
        assert not symbol_counts(torch.ones(0, 4).bfloat16()).any()
        with pytest.raises(ValueError, match="without elements"):
            compress(torch.ones(0, 4).bfloat16())

    def test_limits(self):
        x = normal(5000).bfloat16()
        with pytest.raises(ValueError, match="max_length must be 1 to 12, not 13"):
            measure(x, max_length=13)
        for rows in (0, 1):
            with pytest.raises(ValueError, match=f"max_rows must be 2 to 256, not {rows}"):
                measure(x, max_rows=rows)
        with pytest.raises(ValueError, match="max_length must be 1 to 12, not 0"):
            measure(x, max_length=0)
        with pytest.raises(UserError, match="4 symbols can have codes of at most 2 bits, not 9"):
            measure(x, max_rows=9, max_length=2)


class TestDamage:
    @pytest.fixture(scope="class")
    @staticmethod
    def data():
        return compress(normal(17_000).bfloat16())

    def test_every_part_is_protected(self, data):
        """Only the padding between the parts is not protected."""
        good = decompress(data)
        missed = []
        for place in range(0, len(data), 23):
            damaged = data.clone()
            damaged[place] ^= 0x10
            try:
                assert_same(decompress(damaged), good)
                missed.append(place)
            except CorruptError:
                pass
        assert len(missed) <= 1

    def test_truncated_data_is_refused(self, data):
        for size in range(0, len(data), 211):
            with pytest.raises(CorruptError):
                decompress(data[:size])

    def test_the_chunk_is_named(self, data):
        damaged = data.clone()
        damaged[-8] ^= 1  # the raw byte of an element in the second chunk
        with pytest.raises(CorruptError, match="chunk 1 of 2: its CRC is wrong"):
            decompress(damaged)

    def test_the_digest_covers_what_crcs_cannot(self, data):
        """Two whole chunks are exchanged together with their CRCs."""
        x = torch.cat([torch.ones(16384), torch.full((16384,), 2.0)]).bfloat16()
        raw = compress(x).numpy().copy()
        header = read_header(raw)
        parts = split(raw, header)
        parts.crcs[:] = parts.crcs[::-1].copy()
        parts.stream[:] = np.roll(parts.stream, len(parts.stream) // 2)
        with pytest.raises(CorruptError, match="whole tensor's SHA-256 is wrong"):
            decompress(torch.from_numpy(raw))

    @pytest.mark.parametrize(
        ("offset", "value", "message"),
        [
            (0, b"PK", "does not begin with 'hbdf11'"),
            (6, b"\x63", "version is 99; this release reads 1, 2"),
            (8, b"\0\0\0\0", "header is cut off, or its length is wrong"),
            (8, b"\xff\xff\xff\x7f", "header is cut off, or its length is wrong"),
            (16, b"\x63", "unknown element type, 99"),
            (17, b"\xff", "too short for a shape of 255 dimensions"),
            (24, b"\xff" * 8, "contradict its shape"),
            (32, b"\xff" * 8, "should have .* bytes"),
            (72, b"\xff" * 8, "contradict its shape"),
        ],
    )
    def test_hostile_headers(self, data, offset, value, message):
        """The CRC is computed again for the changed header, unless its size is impossible."""
        raw = data.numpy().copy()
        raw[offset : offset + len(value)] = np.frombuffer(value, np.uint8)
        size = int.from_bytes(raw[8:12].tobytes(), "little")
        if size <= len(raw) and size >= 72:
            raw[12:16] = 0
            crc = int(crc32c(raw[:size].copy(), 0, size))
            raw[12:16] = np.frombuffer(crc.to_bytes(4, "little"), np.uint8)
        with pytest.raises(CorruptError, match=message):
            decompress(torch.from_numpy(raw))

    def test_starts_that_lead_out_of_the_stream(self, data):
        raw = data.numpy().copy()
        header = read_header(raw)
        raw[header.size + 8 : header.size + 16] = 0xFF
        with pytest.raises(CorruptError, match="the start of chunk 0 contradicts"):
            decompress(torch.from_numpy(raw), verify=False)
