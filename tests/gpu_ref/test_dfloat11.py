"""Tests of the kernels that decode DFloat11, in our two layouts and the published one.

The kernels are tested against the golden codec and on damaged data, on a GPU if there is one, and
on the host build, which compiles the kernels for the CPU.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from halfbyte.base import ToolError
from halfbyte.base.compilers import host_compiler
from halfbyte.golden.dfloat11 import CorruptError, compress, joint, published
from halfbyte.gpu_ref import build, dfloat11
from halfbyte.gpu_ref.dfloat11.bench import benchmark_dfloat11, benchmark_product
from halfbyte.gpu_ref.dfloat11.check import check_dfloat11
from halfbyte.gpu_ref.dfloat11.fuzz import fuzz
from halfbyte.gpu_ref.dfloat11.package_kernel import find_ptx, launch_of

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def normal(count=60_000):
    return (torch.randn(count, generator=torch.Generator().manual_seed(2)) * 0.02).bfloat16()


@pytest.mark.parametrize("device", DEVICES)
def test_every_decoder_agrees_with_the_golden_codec(device):
    found = check_dfloat11(torch.device(device))
    assert [each.different for each in found] == [0, 0, 0, 0]
    own, joint_layout, other, products = (each.compared for each in found)
    assert min(own, joint_layout) > 1_000_000
    assert other > 300_000
    assert products > 5_000


def test_shape_and_type_are_restored():
    x = torch.randn(3, 5, 7).half()
    seen = dfloat11.decode(compress(x))
    assert (seen.shape, seen.dtype) == (x.shape, x.dtype)


def test_an_unaligned_view_is_decoded():
    data = compress(normal())
    shifted = torch.cat([torch.zeros(3, dtype=torch.uint8), data])[3:]
    assert torch.equal(dfloat11.decode(shifted), normal())


def test_damage_is_named():
    data = compress(normal())
    with pytest.raises(CorruptError, match="does not begin with 'hbdf11'"):
        dfloat11.decode(data[8:])
    with pytest.raises(CorruptError, match="size of the data is not what the header says"):
        dfloat11.decode(data[:-8])
    with pytest.raises(TypeError, match="must be uint8 with 1 dimension"):
        dfloat11.decode(data.int())
    header = data.clone()
    header[30] ^= 1
    with pytest.raises(CorruptError, match="header's CRC is wrong"):
        dfloat11.decode(header)
    last = data.clone()
    last[-16] ^= 1  # a raw byte of the last chunk
    with pytest.raises(CorruptError, match="chunk 3 of 4: its CRC is wrong"):
        dfloat11.decode(last)
    index = data.clone()
    index[dfloat11.CompressedTensor.open(data).container.starts + 4] ^= 1
    with pytest.raises(CorruptError, match="chunk 0 of 4: its start contradicts the lengths"):
        dfloat11.decode(index, verify=False)


def test_products_of_the_joint_layout():
    """Sums of a thousand products in FP32 are compared with those in FP64."""
    weight = normal(96_000).reshape(96, 1000)
    x = torch.randn(3, 1000, generator=torch.Generator().manual_seed(1))
    tensor = dfloat11.JointTensor.open(joint.compress(weight))
    y = tensor.multiply(x)
    torch.testing.assert_close(y.double(), x.double() @ weight.double().T, rtol=2e-5, atol=2e-6)
    for wrong, message in [
        (x[:, 1:], r"must have shape \(N, 1000\), not \(3, 999\)"),
        (torch.ones(9, 1000), "must be 1 to 8, not 9"),
        (torch.ones(1, 1000, device="meta"), "Vectors must be on cpu, not on meta"),
    ]:
        with pytest.raises(ValueError, match=message):
            tensor.multiply(wrong)
        with pytest.raises(ValueError, match=message):
            dfloat11.multiply_plain(weight, wrong)
    with pytest.raises(TypeError, match="take BF16 weights and FP32 vectors"):
        tensor.multiply(x.half())


def test_products_with_infinities_and_nans_have_the_bits_of_uncompressed_weights():
    generator = torch.Generator().manual_seed(2)
    bits = torch.randint(-(2**15), 2**15, (40, 1000), generator=generator, dtype=torch.int16)
    weight, x = bits.view(torch.bfloat16), torch.ones(2, 1000)
    x[1, 1:] = 0
    x[1, 0] = -(2.0**-130)
    weight[:20, 1:] = -0.0
    y = dfloat11.JointTensor.open(joint.compress(weight)).multiply(x)
    assert torch.equal(y.view(torch.int32), dfloat11.multiply_plain(weight, x).view(torch.int32))
    assert set(y.view(torch.int32)[y.isnan()].tolist()) == {0x7FC0_0000}


def test_damage_of_the_joint_layout_is_named():
    x = normal(150_000)
    x[::500] *= 1e-20  # symbols too rare for a code of their own
    data = joint.compress(x)
    with pytest.raises(CorruptError, match="size of the data is not what the header says"):
        dfloat11.decode(data[:-8])
    with pytest.raises(CorruptError, match="header is cut off"):
        dfloat11.decode(data[:40])
    opened = dfloat11.JointTensor.open(data)
    places = opened.container

    def damaged(place, value=1):
        changed = data.clone()
        changed[place] ^= value
        return changed

    for place, message in [
        (places.sizes, "sizes of the chunks contradict"),
        (places.sizes + 8, "sizes of the chunks contradict"),
        (40, "header's CRC is wrong"),
        (places.stream, "chunk 0 of 3: (its codes do not end|its escapes are not|its CRC)"),
        (places.raw + places.raw_bytes - 3, "chunk 2 of 3: its CRC is wrong"),
        (places.escaped, "chunk 0 of 3: its CRC is wrong"),
    ]:
        with pytest.raises(CorruptError, match=message):
            dfloat11.decode(damaged(place))
    matrix = joint.compress(x.reshape(300, 500))
    matrix[dfloat11.JointTensor.open(matrix).container.stream] ^= 1
    with pytest.raises(CorruptError, match=r"chunk 0 of 3: its (codes|escapes)"):
        dfloat11.JointTensor.open(matrix).multiply(torch.ones(1, 500))


def test_damage_of_the_published_layout_is_named():
    module = published.encode([normal()])
    gaps, positions = module.gaps.copy(), module.output_positions.copy()
    gaps[10] ^= 0xFF
    positions[1] = 2**32 - 1
    for change, message in [
        ({"gaps": gaps}, "block 0 of 5: (a gap contradicts|the number of its codes)"),
        ({"output_positions": positions}, "block 0 of 5: output positions must ascend"),
        ({"gaps": gaps[:-1]}, "contradict each other"),
        ({"luts": np.full_like(module.luts, 255)}, "huge, infinite or NaN"),
        ({"split_positions": (5, 3)}, "split positions must be in ascending order"),
    ]:
        with pytest.raises(CorruptError, match=message):
            dfloat11.decode_published(replace(module, **change))


@pytest.mark.slow
def test_sanitizers_find_nothing_in_damaged_data():
    output = fuzz(20_000, seed=5)
    assert "seed 5: 20000 damaged inputs" in output
    for outcome in (
        "own good", "own index", "own code table", "published end", "own no code",
        "joint good", "joint sizes", "joint coders", "joint escapes", "joint frequencies",
    ):  # fmt: skip
        assert f"{outcome}: " in output


# Checks that stop decoders at the end of damaged data: source file; check; the same check with a
# switch.
# The environment variable FAULT is the number of the check to leave out.
MISSING = {
    "own": ("dfloat11_own.h", "word < end ? d", "fault == 1 || word < end ? d"),
    "joint": ("dfloat11_joint.h", "wants[lane] && word >=", "fault != 2 && wants[lane] && word >="),
    "published": ("dfloat11_published.h", "(byte + i < d", "(fault == 3 || byte + i < d"),
}
SWITCH = """\
#include <cstdlib>
static const int fault = std::atoi(std::getenv("FAULT"));
"""


@pytest.fixture(scope="module")
def careless(gpu_ref_build):
    """The library that feeds damaged data to decoders, built so that checks can be left out."""
    files = {path.name: path.read_text() for path in build.SOURCES.glob("*.h")}
    files[build.FUZZ] = SWITCH + (build.SOURCES / build.FUZZ).read_text()
    for name, right, wrong in MISSING.values():
        assert files[name].count(right) == 1
        files[name] = files[name].replace(right, wrong)
    return build._library(host_compiler(sanitize=True), build.FUZZ, files)


@pytest.mark.slow
@pytest.mark.parametrize("name", MISSING)
def test_a_missing_check_is_found(monkeypatch, careless, name):
    monkeypatch.setenv("FAULT", str(list(MISSING).index(name) + 1))
    with pytest.raises(ToolError, match=r"(?s)seed 5 failed.*execution \d+"):
        fuzz(20_000, seed=5, library=careless)


def test_the_published_kernel_gets_the_arguments_that_its_package_gives():
    text = find_ptx().read_text()
    assert text.count(".param .u64 decode_param_") == 6
    assert text.count(".param .u32 decode_param_") == 3
    module = published.encode([normal()])
    parts, out = dfloat11.PublishedModule.from_golden(module), torch.empty(60_000).bfloat16()
    launch = launch_of(parts, out)
    assert (launch.blocks, launch.threads) == (5, 512)
    largest = int(np.diff(module.output_positions.astype(np.int64)).max())
    assert launch.shared_bytes == 4 * 513 + 2 * largest
    assert launch.arguments[5].value == out.data_ptr()
    counts = [argument.value for argument in launch.arguments[6:]]
    assert counts == [len(module.luts), len(module.encoded_exponent), 60_000]


def test_the_benchmark_counts_bytes_read_and_written():
    records = {
        record.kernel: record
        for record in benchmark_dfloat11(torch.device("cpu"), elements=40_000, repeats=1)
    }
    copy, own = records["copy"], records["dfloat11 own layout"]
    assert copy.share_of_copy == pytest.approx(1)
    size = len(compress(normal(40_000))) + 80_000
    assert own.gigabytes_per_second * own.seconds * 1e9 == pytest.approx(size, rel=0.01)
    assert own.build == "host"
    assert records["dfloat11 joint layout"].gigabytes_per_second * records[
        "dfloat11 joint layout"
    ].seconds * 1e9 == pytest.approx(len(joint.compress(normal(40_000))) + 80_000, rel=0.01)


def test_the_benchmark_of_products_counts_bytes_read():
    timings = benchmark_product(torch.device("cpu"), outputs=20, inputs=4096, repeats=1)
    records = {each.kernel: each for each in timings}
    plain = records["BF16 in PyTorch, one vector"]
    fused = records["dfloat11 joint layout, one vector"]
    assert plain.gigabytes_per_second == pytest.approx(plain.weights_gigabytes_per_second)
    share = fused.gigabytes_per_second / fused.weights_gigabytes_per_second
    assert 10.4 / 16 < share < 10.8 / 16
