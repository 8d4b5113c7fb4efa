"""Compares the kernels of dot-product units with the golden model, on a GPU if there is one.

The kernels also run on the host build, which compiles the kernels for the CPU.
"""

from fractions import Fraction

import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import Format, find_scale_code, load
from halfbyte.gpu_ref import cases, dot_unit, unit_check, unit_gemm
from halfbyte.gpu_ref.comparison import merged
from halfbyte.gpu_ref.unit_check import check_units

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# Two codes in a byte; one code in a byte, with wide integers; random formats of 4 and 6 bits.
FORMATS = [load(name) for name in ("e2m1", "sf4", "e4m3")] + cases.random_formats()[::2]
KERNELS = {
    "unit integer",
    "unit fp32",
    "unit exact",
    "unit blackwell (published model, not verified by us)",
    "unit integer stream",
    "unit fp32 stream",
    "unit exact stream",
}
E2M1, E8M0 = load("e2m1"), find_scale_code("e8m0")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_every_accumulator_agrees_bit_for_bit(fmt, device):
    totals = {total.kernel: total for total in merged(check_units(fmt, torch.device(device)))}
    assert totals.keys() == KERNELS
    assert all(total.compared > 1000 for total in totals.values())
    assert not [total for total in totals.values() if total.different]


def test_mixed_formats_agree():
    totals = merged(check_units(load("int8"), torch.device("cpu"), activation=E2M1))
    assert {total.kernel for total in totals} == KERNELS
    assert not [total for total in totals if total.different]


def test_a_difference_is_found(monkeypatch):
    right = unit_check.dot_unit.fp32_stream

    def wrong(*columns, **options):
        acc = right(*columns, **options)
        acc[-1] = -acc[-1]
        return acc

    monkeypatch.setattr(unit_check.dot_unit, "fp32_stream", wrong)
    totals = {total.kernel: total for total in check_units(E2M1, torch.device("cpu"))}
    assert totals["unit fp32 stream"].different > 0
    assert totals["unit fp32"].different == 0


def test_units_side_by_side_are_independent():
    generator = torch.Generator().manual_seed(1)
    w, a = (torch.randint(16, (3, 50, 4), generator=generator).byte() for _ in "wa")
    clear = torch.rand(3, 50, generator=generator) < 0.1
    scales = [torch.randint(120, 130, (3, 50), generator=generator).byte() for _ in "wa"]
    options = {"weight": E2M1, "activation": E2M1, "scale": E8M0}
    together = dot_unit.fp32_stream(w, a, clear, *scales, **options)
    for unit in range(3):
        columns = [each[unit] for each in (w, a, clear, *scales)]
        assert torch.equal(together[unit], dot_unit.fp32_stream(*columns, **options))


def test_operands_that_do_not_fit_are_refused():
    codes = torch.zeros(4, 32, dtype=torch.uint8)
    clear = torch.zeros(4, dtype=torch.bool)
    options = {"weight": E2M1, "activation": E2M1}
    with pytest.raises(ValueError, match=r"codes \(T, lanes\) or \(S, T, lanes\)"):
        dot_unit.integer_stream(codes, codes, clear[:3], **options, acc_width=20)
    with pytest.raises(TypeError, match=r"clear must be a torch.bool tensor"):
        dot_unit.integer_stream(codes, codes, clear.byte(), **options, acc_width=20)
    with pytest.raises(TypeError, match="w_scales and a_scales, or neither"):
        dot_unit.fp32_stream(codes, codes, clear, codes[:, 0], **options, scale=E8M0)
    with pytest.raises(UserError, match="multiple of 16, not 8"):
        unit_gemm.blackwell_gemm(
            codes, codes, codes[:, :4], codes[:, :4], **options, scale=E8M0, block=8
        )


@pytest.mark.parametrize("device", DEVICES)
def test_blocks_of_several_cycles_must_have_at_most_53_bits(device):
    """In one of two units, the longest block has eight cycles, in the other ten."""
    wide = Format("wide", "wide", 2, tuple(map(Fraction, (0, 1, 2**20 - 1, 1 - 2**20))))
    options = {"weight": wide, "activation": wide, "scale": find_scale_code("e4m3")}
    codes = torch.full((2, 10, 4), 2, dtype=torch.uint8, device=device)
    clear = torch.zeros(2, 10, dtype=torch.bool, device=device)
    scales = torch.full((2, 10), 15, dtype=torch.uint8, device=device)
    last = torch.zeros(2, 10, dtype=torch.bool, device=device)
    last[0, 7] = True
    dot_unit.fp32_stream(codes, codes, clear, scales, scales, last, **options)
    last[1, 9] = True
    with pytest.raises(UserError, match="at most 53 significant bits, not 54"):
        dot_unit.fp32_stream(codes, codes, clear, scales, scales, last, **options)
    clear[1, 1] = True
    dot_unit.fp32_stream(codes, codes, clear, scales, scales, last, **options)


def test_scales_and_their_format_are_given_together():
    codes, clear = torch.zeros(4, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.bool)
    options = {"weight": E2M1, "activation": E2M1}
    with pytest.raises(TypeError, match=r"without a scale format needs 0 tensors of .*, not 2"):
        dot_unit.fp32_stream(codes, codes, clear, codes[:, 0], codes[:, 0], **options)
    with pytest.raises(TypeError, match=r"with a scale format needs 2 tensors of .*, not 0"):
        dot_unit.fp32_stream(codes, codes, clear, **options, scale=E8M0)
