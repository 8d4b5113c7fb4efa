"""Test the layout of the published ``dfloat11`` package.

halfbyte writes the same bytes as the package, except for one number that the package leaves out. It
also encodes weights that the package cannot encode.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfbyte.golden.dfloat11 import CorruptError, published
from halfbyte.golden.dfloat11.bench import encode_with_package, package_encoder
from halfbyte.golden.dfloat11.huffman import END, bounded_huffman, huffman
from halfbyte.golden.dfloat11.published import Module, UnrepresentableError, decode, encode

BLOCK_BYTES = 4096
PARTS = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps")


@pytest.fixture(scope="module")
def package():
    """The encoder of the ``dfloat11`` package."""
    return package_encoder()


def normal(*counts, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(count, generator=generator) * 0.02).bfloat16() for count in counts]


def with_exponents(exponents, seed=0):
    """BF16 weights with these exponents, and with random signs and mantissas."""
    generator = torch.Generator().manual_seed(seed)
    other = torch.randint(0, 256, (len(exponents),), generator=generator)
    words = (other & 0x80) << 8 | torch.as_tensor(exponents) << 7 | other & 0x7F
    return words.to(torch.int32).to(torch.uint16).view(torch.bfloat16)


def fibonacci(symbols, total_limit=10**6):
    """Fibonacci numbers. As counts of symbols, they lead to the longest Huffman codes."""
    counts = [1, 1]
    while len(counts) < symbols and sum(counts) < total_limit:
        counts.append(counts[-1] + counts[-2])
    return counts


def shuffled(exponents, seed=0):
    return torch.tensor(exponents)[
        torch.randperm(len(exponents), generator=torch.Generator().manual_seed(seed))
    ]


def assert_same_module(found, wanted):
    for part in PARTS:
        a, b = getattr(found, part), getattr(wanted, part)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), part
        assert np.array_equal(a, b), part
    assert found.split_positions == wanted.split_positions


def assert_same_weights(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a.view(torch.int16), b.view(torch.int16))


class TestAgainstThePackage:
    def check(self, package, weights):
        theirs = encode_with_package(weights, package)
        assert_same_module(encode(weights), theirs)
        assert_same_weights(decode(theirs), weights)

    @pytest.mark.parametrize("counts", [(3000,), (20_011, 7, 5000), (100_003, 64)])
    def test_normal_weights(self, package, counts):
        self.check(package, normal(*counts))

    def test_equal_counts_everywhere(self, package):
        self.check(package, [with_exponents(list(range(1, 240)) * 20)])

    def test_deep_codes_take_several_tables(self, package):
        counts = fibonacci(22)
        exponents = [90 + i for i, count in enumerate(counts) for _ in range(count)]
        weights = [with_exponents(shuffled(exponents))]
        assert len(encode(weights).luts) > 3
        self.check(package, weights)

    @pytest.mark.parametrize("seed", range(4))
    def test_random_histograms(self, package, seed):
        generator = torch.Generator().manual_seed(seed)
        shares = torch.rand(60, generator=generator) ** (2 + 2 * seed)
        exponents = 70 + torch.multinomial(shares, 9000, True, generator=generator)
        self.check(package, [with_exponents(exponents)])

    def test_codes_are_limited_to_32_bits_as_in_the_package(self, package):
        """Without a limit, 40 symbols with Fibonacci counts have codes of more than 32 bits."""
        counts = dict(enumerate(fibonacci(40, 10**12), start=80))
        assert max(code.bits for code in huffman(counts).values()) > 32
        _, _, table = package.get_32bit_codec(counts)
        found = bounded_huffman(counts)
        assert max(code.bits for code in found.values()) <= 32
        theirs = {
            symbol if isinstance(symbol, int) else END: code for symbol, code in table.items()
        }
        assert {symbol: tuple(code) for symbol, code in found.items()} == theirs

    def test_a_last_block_in_which_no_code_starts(self, package):
        """The package leaves out this block's output position. We store it: the kernel reads it."""
        exponents = last_code_crosses_a_block()
        weights = [with_exponents(exponents)]
        theirs = encode_with_package(weights, package)
        ours = encode(weights)
        assert len(theirs.encoded_exponent) == BLOCK_BYTES + 1
        assert (len(theirs.output_positions), len(ours.output_positions)) == (2, 3)
        assert ours.output_positions.tolist() == [0, len(exponents), len(exponents)]
        assert_same_weights(decode(theirs), weights)
        assert_same_weights(decode(ours), weights)


def last_code_crosses_a_block():
    """Exponents whose stream has exactly 4097 bytes, and whose last code starts in byte 4095."""
    counts = {100 + i: 1 << i for i in range(3, 12)}
    while True:
        codes = huffman(counts)
        total = sum(codes[symbol].bits * count for symbol, count in counts.items())
        missing = 8 * (BLOCK_BYTES + 1) - total
        if missing == 0:
            break
        # The most frequent exponent has a code of one bit, so each further use of it adds a bit.
        counts[111] += missing
    long = max(counts, key=lambda symbol: codes[symbol].bits)
    assert codes[long].bits >= 9
    rest = [s for s, count in counts.items() for _ in range(count - (s == long))]
    return torch.cat([shuffled(rest), torch.tensor([long])])


class TestWhereThePackageFails:
    @pytest.mark.parametrize("count", [1, 2, 7, 300, 70_000])
    @pytest.mark.parametrize("values", [[0.0], [-1.5], [1.0, 300.0]])
    def test_few_symbols(self, count, values):
        weights = [torch.tensor(values * count).bfloat16()]
        assert_same_weights(decode(encode(weights)), weights)

    def test_empty_weights(self):
        weights = [normal(500)[0], torch.empty(0, dtype=torch.bfloat16), normal(30)[0]]
        assert_same_weights(decode(encode(weights)), weights)

    @settings(max_examples=40)
    @given(st.lists(st.integers(0, 239), min_size=1, max_size=300))
    def test_any_exponents_below_240(self, exponents):
        weights = [with_exponents(exponents)]
        assert_same_weights(decode(encode(weights)), weights)

    @pytest.mark.parametrize("value", [float("inf"), float("nan"), 2.0**120])
    def test_exponents_that_mean_pointers_are_refused(self, value):
        weight = normal(500)[0]
        weight[100] = value
        with pytest.raises(UnrepresentableError, match="can hold exponents up to 239"):
            encode([weight])

    def test_too_many_tables_are_refused(self):
        shares = torch.exp(-0.4 * (torch.arange(240) - 120).abs().double())
        exponents = torch.cat([torch.arange(240), torch.multinomial(shares, 500_000, True)])
        with pytest.raises(UnrepresentableError, match="look-up tables, and the published layout"):
            encode([with_exponents(exponents)])

    def test_wrong_types(self):
        with pytest.raises(TypeError, match="holds only BF16"):
            encode([torch.ones(3)])
        with pytest.raises(ValueError, match="without elements"):
            encode([torch.empty(0).bfloat16()])


class TestDamage:
    @pytest.fixture(scope="class")
    @staticmethod
    def module():
        return encode(normal(60_000, 1000))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"luts": np.zeros((1, 256), np.uint8)}, "luts must be 2 to 18 rows"),
            ({"luts": np.zeros((40, 256), np.uint8)}, "luts must be 2 to 18 rows"),
            ({"luts": np.full((3, 256), 99, np.uint8)}, "say that a code has 99 bits"),
            ({"luts": np.full((3, 256), 8, np.uint8)}, "exponents from 240 on"),
            ({"encoded_exponent": np.zeros(0, np.uint8)}, "stream of the module is empty"),
            ({"output_positions": np.zeros(9, np.uint32)}, "need . output positions"),
            ({"gaps": np.zeros(320, np.uint8)}, "bytes of gaps, not 320"),
            ({"split_positions": (5, 3)}, "split positions must be in ascending order"),
            ({"split_positions": (2**60,)}, "split positions must be in ascending order"),
            ({"sign_mantissa": np.zeros(5, np.uint8)}, "ascend from 0 to the number of elements"),
        ],
    )
    def test_parts_that_do_not_fit(self, module, change, message):
        with pytest.raises(CorruptError, match=message):
            decode(replace(module, **change))

    def test_positions_in_the_billions(self, module):
        positions = module.output_positions.copy()
        positions[1] = 2**32 - 1
        with pytest.raises(CorruptError, match="must ascend"):
            decode(replace(module, output_positions=positions))

    def test_some_flipped_bits_of_the_stream_are_found(self, module):
        """The layout has no checksum. Damaged codes may be read as others of the same length."""
        missed = 0
        for place in range(0, len(module.encoded_exponent), 97):
            stream = module.encoded_exponent.copy()
            stream[place] ^= 0x40
            try:
                decode(replace(module, encoded_exponent=stream))
                missed += 1
            except CorruptError as error:
                assert "block" in str(error)
        assert 0 < missed < 0.75 * len(module.encoded_exponent) / 97

    def test_a_gap_that_is_wrong(self, module):
        gaps = module.gaps.copy()
        gaps[10] ^= 0xFF
        with pytest.raises(CorruptError, match=r"block 0 of \d: a gap contradicts the stream"):
            decode(replace(module, gaps=gaps))

    def test_tables_that_point_to_each_other_without_end(self, module):
        luts = module.luts.copy()
        luts[:-1] = 255  # each entry points to table 1
        with pytest.raises(CorruptError, match="bits that are not a code"):
            decode(replace(module, luts=luts))


def test_size_counts_every_part():
    weights = normal(50_000, 300)
    module = encode(weights)
    assert isinstance(module, Module)
    parts = sum(getattr(module, part).nbytes for part in PARTS)
    assert module.size == parts + 8
    assert published.BYTES_PER_THREAD * published.THREADS_PER_BLOCK == BLOCK_BYTES
