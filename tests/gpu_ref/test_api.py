"""Tests of the functions for PyTorch users, ``quantize``, ``matmul`` and ``mac_stream``.

The GPU kernels behind these functions are compiled for the CPU here (the host build).
"""

from fractions import Fraction

import pytest
import torch

from halfbyte import golden, gpu_ref
from halfbyte.base import UserError
from halfbyte.formats import Format, Overflow, Ties, load
from halfbyte.golden import scalar
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat
from halfbyte.gpu_ref.cases import random_formats
from halfbyte.gpu_ref.multiply import choose_kernel, refusal


def test_a_product_is_that_of_the_golden_model():
    a, w = torch.randn(2, 3, 256), torch.randn(5, 256)
    y = gpu_ref.matmul(gpu_ref.quantize(a, "e2m1_sp"), gpu_ref.quantize(w, "e2m1_sp"))
    fmt = load("e2m1_sp")
    expected = golden.gemm(golden.quantize(a.flatten(0, 1), fmt), golden.quantize(w, fmt))
    assert torch.equal(y, expected.view(2, 3, 5))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_element_type_is_quantized_as_the_golden_model_does(dtype):
    x = (torch.randn(4, 100, dtype=torch.float64) * 3).to(dtype)
    seen, expected = gpu_ref.quantize(x, "nf4"), golden.quantize(x, load("nf4"))
    assert torch.equal(seen.unpacked(), expected.codes)
    assert torch.equal(seen.scales, expected.scales)


def test_strided_views_are_read_correctly():
    x = torch.randn(64, 96).T[::2, 5:]
    seen, expected = (
        gpu_ref.quantize(x, "int4", block=16),
        golden.quantize(x, load("int4"), block=16),
    )
    assert torch.equal(seen.unpacked(), expected.codes)
    codes = seen.codes.T.contiguous().T
    strided = gpu_ref.Packed(codes, seen.scales, seen.format, seen.length, seen.block)
    assert torch.equal(gpu_ref.matmul(strided, strided), gpu_ref.matmul(seen, seen))


def test_a_format_may_be_given_as_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: Mine\nvalues: [0, 1, -1, 1/3]\nsource: me\n")
    x = torch.randn(3, 40)
    seen, expected = gpu_ref.quantize(x, path), golden.quantize(x, load(path))
    assert torch.equal(seen.dequantize(), expected.dequantize())


def test_every_block_may_have_its_own_clip():
    x = torch.randn(3, 64)
    clips = torch.tensor([[0.5, 1.0], [0.9, 0.3], [1.0, 0.7]])
    for rule in ScaleFormat:
        options = {"block": 32, "scale_format": rule, "clip": clips}
        seen, expected = (
            gpu_ref.quantize(x, "int4", **options),
            golden.quantize(x, load("int4"), **options),
        )
        assert torch.equal(seen.scales, expected.scales)
        assert torch.equal(seen.unpacked(), expected.codes)


def test_mirrored_blocks_are_kept():
    """A mirrored block holds the codes of its negated values. In Packed, its scale is negative."""
    sign = SupernormalSign.BLOCK
    tensor = golden.quantize(torch.randn(4, 256), load("e2m1_sr"), block=32, supernormal_sign=sign)
    packed = gpu_ref.Packed.from_golden(tensor)
    assert bool(tensor.mirrored.any())
    assert torch.equal(packed.dequantize(), tensor.dequantize())
    assert torch.equal(packed.unpacked(), tensor.codes)
    assert torch.equal(packed.scales < 0, tensor.mirrored)
    assert torch.equal(gpu_ref.matmul(packed, packed), golden.gemm(tensor, tensor))


def test_results_are_the_same_if_the_caller_flushes_subnormals():
    x = torch.full((2, 64), 2.0**-140)
    x[0, ::3] = 2.0**-133
    expected = gpu_ref.quantize(x, "int4")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        seen = gpu_ref.quantize(x, "int4")
    finally:
        torch.set_flush_denormal(False)
    assert torch.equal(seen.scales.view(torch.int32), expected.scales.view(torch.int32))
    assert torch.equal(seen.codes, expected.codes)
    assert bool((expected.scales > 0).all())


def test_the_number_of_threads_changes_nothing():
    a, w = (
        gpu_ref.quantize(torch.randn(70, 300), "sf4"),
        gpu_ref.quantize(torch.randn(90, 300), "sf4"),
    )
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(gpu_ref.matmul(a, w))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (0, 0), (2, 0, 5)])
def test_empty_tensors_stay_empty(shape):
    packed = gpu_ref.quantize(torch.empty(shape), "int4")
    assert packed.shape == shape
    assert packed.dequantize().shape == shape


def test_bad_input_of_quantize_is_refused():
    with pytest.raises(ValueError, match=r"not NaN \(1 of 4\) or infinities \(2 of 4\)"):
        gpu_ref.quantize(torch.tensor([1.0, torch.nan, torch.inf, -torch.inf]), "int4")
    with pytest.raises(ValueError, match="needs finite FP32"):
        gpu_ref.quantize(torch.tensor([1e300], dtype=torch.float64), "int4")
    with pytest.raises(TypeError, match=r"floating-point tensor, not torch\.int32"):
        gpu_ref.quantize(torch.ones(4, dtype=torch.int32), "int4")
    with pytest.raises(ValueError, match="at least one dimension"):
        gpu_ref.quantize(torch.tensor(1.0), "int4")
    with pytest.raises(ValueError, match="did you mean e2m1"):
        gpu_ref.quantize(torch.ones(4), "e2m1x")
    with pytest.raises(ValueError, match="block must be 1 to 1048576, not 0"):
        gpu_ref.quantize(torch.ones(4), "int4", block=0)
    with pytest.raises(ValueError, match="clip must be above 0"):
        gpu_ref.quantize(torch.ones(4), "int4", clip=0.0)
    with pytest.raises(UserError, match="on the CPU or an NVIDIA GPU, not on meta"):
        gpu_ref.quantize(torch.ones(4, device="meta"), "int4")
    with pytest.raises(UserError, match="Kernel must be auto, units or spans, not 'fast'"):
        gpu_ref.quantize(torch.ones(4), "int4", kernel="fast")
    with pytest.raises(UserError, match="Kernel spans needs blocks of 16"):
        gpu_ref.quantize(torch.ones(4), "int4", kernel="spans")


def test_a_scale_beyond_fp32_is_refused(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text("name: small\ntitle: Small\nvalues: [0, 1/8, -1/8, 1/16]\nsource: me\n")
    x = torch.full((2, 256), 3e38)
    for kernel in ("units", "spans"):
        with pytest.raises(UserError, match="small: a block scale exceeds FP32"):
            gpu_ref.quantize(x, path, kernel=kernel)


def test_bad_operands_of_matmul_are_refused():
    a = gpu_ref.quantize(torch.randn(2, 64), "int4", block=32)
    with pytest.raises(ValueError, match=r"not \(2, 64\) and \(2, 63\)"):
        gpu_ref.matmul(a, gpu_ref.quantize(torch.randn(2, 63), "int4", block=32))
    with pytest.raises(ValueError, match="equal block sizes, not 32 and 16"):
        gpu_ref.matmul(a, gpu_ref.quantize(torch.randn(2, 64), "int4", block=16))
    with pytest.raises(TypeError, match="Packed operands, not Tensor"):
        gpu_ref.matmul(a, torch.ones(2, 64))
    with pytest.raises(ValueError, match=r"needs \(\.\.\., K\) and \(N, K\)"):
        gpu_ref.matmul(a, gpu_ref.quantize(torch.randn(1, 2, 64), "int4", block=32))
    with pytest.raises(
        UserError, match="auto, plain, dp4a, mma, rows, pairs, doubles, not 'cublas'"
    ):
        gpu_ref.matmul(a, a, kernel="cublas")


@pytest.mark.parametrize("kernel", ["dp4a", "mma"])
def test_kernels_that_multiply_int8_refuse_wider_integers(kernel):
    wide = gpu_ref.quantize(torch.randn(2, 64), "e2m1_b")
    message = f"Kernel {kernel} cannot compute this product: it multiplies int8"
    with pytest.raises(UserError, match=message):
        gpu_ref.matmul(wide, wide, kernel=kernel)


def test_refusals_of_the_kernel_for_few_rows_say_what_came():
    fmt = load("int4")
    for sizes, message in [
        ({"rows": 17, "length": 64}, "1 to 16 rows of activations, not 17"),
        ({}, "1 to 16 rows of activations, not an unknown number"),
        ({"rows": 2, "length": 40}, "not rows of 40 codes in blocks of 32"),
    ]:
        assert message in refusal("rows", fmt, fmt, 32, **sizes)


def test_rows_beyond_32_bit_offsets_are_refused():
    length = 2**26  # blocks of one code are padded to 32 bytes each
    codes = torch.zeros(1, 1, dtype=torch.uint8).expand(1, length // 2)
    scales = torch.ones(1, 1).expand(1, length)
    packed = gpu_ref.Packed(codes, scales, load("int4"), length, 1, trusted=True)
    with pytest.raises(UserError, match="at most 2147483647 bytes as padded int8, not 2147483648"):
        gpu_ref.matmul(packed, packed, kernel="dp4a")


def test_warpgroup_kernels_are_refused_on_other_gpus(monkeypatch):
    packed = gpu_ref.quantize(torch.randn(2, 64), "int4", block=32)
    monkeypatch.setattr("halfbyte.gpu_ref.multiply._has_groups", lambda device: False)
    with pytest.raises(UserError, match=r"needs compute capability 9\.0 and nvcc 12"):
        gpu_ref.matmul(packed, packed, kernel="wgmma 64x128x3")


def test_a_refusal_names_the_smallest_and_the_largest_integer():
    values = tuple(map(Fraction, (0, -200, 1, 100)))
    fmt = Format(name="low", title="Mostly negative", bits=2, values=values, ties=Ties.DOWN)
    assert "low has integers from -200 to 100" in refusal("dp4a", fmt, fmt, 32)


def test_kernels_are_chosen_by_the_integers_of_the_formats():
    int8, int4, e2m1_b, e4m3 = map(load, ("int8", "int4", "e2m1_b", "e4m3"))
    assert choose_kernel("auto", "cuda", int8, int4, 128) == "mma"
    assert choose_kernel("auto", "cuda", e2m1_b, int4, 128) == "plain"
    # The kernel mma would pad blocks of 4 to 32.
    assert choose_kernel("auto", "cuda", int4, int4, 4) == "plain"
    assert choose_kernel("auto", "host", e2m1_b, e2m1_b, 128) == "pairs"
    assert choose_kernel("auto", "host", e4m3, int4, 128) == "doubles"
    assert refusal("mma", int8, int8, 2**17 - 1) is None
    assert "exceed int32" in refusal("mma", int8, int8, 2**17)
    assert "exceed 2^53" in refusal("doubles", e4m3, e4m3, 2**20)
    assert choose_kernel("auto", "host", e4m3, e4m3, 2**20) == "plain"


@pytest.mark.parametrize("kernel", ["plain", "dp4a", "mma", "pairs", "doubles"])
@pytest.mark.parametrize("length", [255, 256, 257, 70_000])
def test_the_largest_sums_are_exact(kernel, length):
    # The kernel mma converts small sums by a subtraction, which is exact below 2^22. A length of
    # 256 gives a sum of -128 * -128 * 256 = 2^22.
    codes = torch.full((1, length), 128, dtype=torch.uint8)
    extreme = golden.Quantized(codes, torch.ones(1, 1), load("int8"), length)
    packed = gpu_ref.Packed.from_golden(extreme)
    expected = torch.tensor([[128 * 128 * length]], dtype=torch.float64).float()
    assert torch.equal(gpu_ref.matmul(packed, packed, kernel=kernel), expected)


@pytest.mark.parametrize("kernel", ["plain", "dp4a", "mma", "pairs", "doubles"])
def test_a_result_beyond_fp32_is_refused(kernel):
    huge = golden.Quantized(
        torch.tensor([[7, 0]], dtype=torch.uint8), torch.full((1, 1), 1e30), load("int4"), 2
    )
    packed = gpu_ref.Packed.from_golden(huge)
    with pytest.raises(ValueError, match="exceeds the range of FP32"):
        gpu_ref.matmul(packed, packed, kernel=kernel)


def test_hostile_packed_tensors_are_refused():
    fmt = load("int4")
    codes, scales = torch.zeros(2, 4, dtype=torch.uint8), torch.ones(2, 1)
    gpu_ref.Packed(codes, scales, fmt, 8, 8)
    for bad, message in [
        ((codes, scales, fmt, 9, 8), r"must have shapes \(2, 5\) and \(2, 2\)"),
        ((codes, scales, fmt, -1, 8), "length must be 0"),
        ((codes, scales, fmt, 8, 0), "block must be 1"),
        ((codes, scales * 0, fmt, 8, 8), "finite and not 0"),
        ((codes, scales / 0, fmt, 8, 8), "finite and not 0"),
        ((codes[0, 0], scales, fmt, 8, 8), "at least one dimension"),
    ]:
        with pytest.raises(ValueError, match=message):
            gpu_ref.Packed(*bad)
    with pytest.raises(TypeError, match=r"must be a torch\.uint8 tensor"):
        gpu_ref.Packed(codes.int(), scales, fmt, 8, 8)
    with pytest.raises(TypeError, match=r"halfbyte\.formats\.Format"):
        gpu_ref.Packed(codes, scales, "int4", 8, 8)
    with pytest.raises(ValueError, match="Codes of user1_4 must be below 8, not 15"):
        gpu_ref.Packed(codes + 255, scales, random_formats()[1], 8, 8)


def test_several_streams_are_computed_independently():
    fmt = load("int4")
    generator = torch.Generator().manual_seed(1)
    w, a = (torch.randint(16, (3, 50), generator=generator).to(torch.uint8) for _ in range(2))
    clear = torch.rand(3, 50, generator=generator) < 0.2
    rule = {"weight": fmt, "activation": fmt, "acc_width": 7, "overflow": Overflow.SATURATE}
    seen = gpu_ref.mac_stream(w, a, clear, initial=-5, **rule)
    for stream in range(3):
        row = w[stream], a[stream], clear[stream]
        assert torch.equal(seen[stream], golden.mac_stream(*row, initial=-5, **rule))
        assert torch.equal(seen[stream], gpu_ref.mac_stream(*row, initial=-5, **rule))


def test_a_64_bit_accumulator_overflows_as_defined():
    fmt = load("int8")
    a_codes = torch.full((2,), 127, dtype=torch.uint8)
    clear = torch.tensor([False, False])
    for initial, w in ((2**63 - 5, 127), (-(2**63) + 5, 128)):
        rule = {"weight": fmt, "activation": fmt, "acc_width": 64, "initial": initial}
        w_codes = torch.full((2,), w, dtype=torch.uint8)
        for overflow in Overflow:
            seen = gpu_ref.mac_stream(w_codes, a_codes, clear, overflow=overflow, **rule)
            expected = scalar.mac_stream(
                w_codes.tolist(), a_codes.tolist(), clear.tolist(), overflow=overflow, **rule
            )
            assert seen.tolist() == expected


def test_bad_streams_are_refused():
    fmt = load("int4")
    w, clear = torch.zeros(4, dtype=torch.uint8), torch.zeros(4, dtype=torch.bool)
    rule = {"weight": fmt, "activation": fmt, "acc_width": 16}
    with pytest.raises(ValueError, match="inputs of one shape"):
        gpu_ref.mac_stream(w, w[:3], clear, **rule)
    with pytest.raises(TypeError, match=r"clear must be a torch\.bool tensor, not torch\.int32"):
        gpu_ref.mac_stream(w, w, clear.int(), **rule)
    with pytest.raises(TypeError, match=r"enable must be a torch\.bool tensor, not list"):
        gpu_ref.mac_stream(w, w, clear, enable=[True] * 4, **rule)
    with pytest.raises(ValueError, match="Codes of int4 must be below 16, not 16"):
        gpu_ref.mac_stream(w + 16, w, clear, **rule)
    with pytest.raises(ValueError, match="initial must be -32768 to 32767"):
        gpu_ref.mac_stream(w, w, clear, initial=2**15, **rule)
    with pytest.raises(UserError, match="2 to 64"):
        gpu_ref.mac_stream(w, w, clear, **{**rule, "acc_width": 65})


def test_streams_stored_as_columns_give_the_same_accumulators():
    fmt = load("e2m1_sp")
    generator = torch.Generator().manual_seed(5)
    w, a = (torch.randint(16, (40, 7), generator=generator, dtype=torch.uint8) for _ in range(2))
    clear = torch.rand(40, 7, generator=generator) < 0.1
    options = {"weight": fmt, "activation": fmt, "acc_width": 12}
    seen = gpu_ref.mac_stream(w.T, a.T, clear.T, **options)
    assert seen.T.is_contiguous()
    rows = [column.T.contiguous() for column in (w, a, clear)]
    assert torch.equal(seen, gpu_ref.mac_stream(*rows, **options))
