"""Defines the parts of ``make gpu-record`` that check and time the DFloat11 decoders."""

import torch

from halfbyte.gpu_ref.dfloat11.bench import benchmark_dfloat11, benchmark_product
from halfbyte.gpu_ref.dfloat11.check import check_dfloat11
from halfbyte.gpu_ref.record.part import Part, Results, Value

__all__ = ["PARTS"]


def _check(device: torch.device) -> Results:
    for comparison in check_dfloat11(device):
        yield comparison.record().as_json()


def _speed(device: torch.device) -> Results:
    for timing in benchmark_dfloat11(device):
        yield timing.as_json()


def _product(device: torch.device) -> Results:
    for timing in benchmark_product(device):
        yield timing.as_json()


PARTS = (
    Part(
        "check_dfloat11",
        "Compare the DFloat11 decoders with the golden model",
        Value.CORRECTNESS,
        25,
        _check,
    ),
    Part(
        "dfloat11",
        "Time DFloat11 decoding, a copy and the package's kernel",
        Value.SPEED,
        45,
        _speed,
    ),
    Part(
        "dfloat11_product",
        "Time products of DFloat11 weights, decoded in registers, and one vector",
        Value.SPEED,
        30,
        _product,
    ),
)
