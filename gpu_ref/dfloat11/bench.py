"""Times the DFloat11 decoders and, for comparison, a copy of the weights.

DFloat11 is a lossless compression of weights. On a GPU the kernel of the ``dfloat11`` package is
timed, too.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from halfbyte.base import ToolError
from halfbyte.golden.dfloat11 import compress, joint, published
from halfbyte.gpu_ref.bench import in_turn
from halfbyte.gpu_ref.dfloat11.damage import no_failure, raise_failure
from halfbyte.gpu_ref.dfloat11.joint import JointTensor, multiply_plain
from halfbyte.gpu_ref.dfloat11.own import CompressedTensor
from halfbyte.gpu_ref.dfloat11.package_kernel import PackageKernel, launch_of
from halfbyte.gpu_ref.dfloat11.published import PublishedModule
from halfbyte.gpu_ref.machine import describe
from halfbyte.gpu_ref.records import CodecTiming

__all__ = ["benchmark_dfloat11", "benchmark_product"]

ELEMENTS = {"cuda": 1 << 28, "cpu": 1 << 22}


def benchmark_dfloat11(
    device: torch.device, *, elements: int | None = None, repeats: int = 9
) -> list[CodecTiming]:
    """Time every decoder on normally distributed BF16 weights; return one record for each.

    The decoders take turns; times are medians. The bytes of a decoder are the compressed bytes that
    it reads and the BF16 weights that it writes. A copy reads and writes the weights. "Own layout"
    is the prefix layout. Raises ToolError if a decoder does not give the original weights.
    """
    count = elements or ELEMENTS[device.type]
    generator = torch.Generator().manual_seed(0)
    weights = (torch.randn(count, generator=generator) * 0.02).bfloat16()
    tensor = CompressedTensor.open(compress(weights).to(device))
    smaller = JointTensor.open(joint.compress(weights).to(device))
    golden = published.encode([weights])
    module = PublishedModule.from_golden(golden, device)
    x, out, failure = (
        weights.to(device),
        torch.empty_like(weights, device=device),
        no_failure(device),
    )
    functions: dict[str, Callable[[], object]] = {
        "copy": partial(out.copy_, x),
        "dfloat11 own layout": partial(tensor.launch, out, failure, verify=False),
        "dfloat11 own layout, CRCs": partial(tensor.launch, out, failure, verify=True),
        "dfloat11 joint layout": partial(smaller.launch, out, failure, verify=False),
        "dfloat11 joint layout, CRCs": partial(smaller.launch, out, failure, verify=True),
        "dfloat11 published layout": partial(module.launch, out, failure),
    }
    if device.type == "cuda":
        functions["dfloat11 package's kernel"] = partial(
            PackageKernel().run, launch_of(module, out)
        )
    for name, function in functions.items():
        out.zero_()
        function()
        raise_failure(failure, "chunk", tensor.container.chunks)
        if not torch.equal(out.view(torch.int16), x.view(torch.int16)):
            raise ToolError(f"{name} does not give the original weights, so nothing was timed")
    seconds = in_turn(functions, repeats, device)
    sizes = dict.fromkeys(functions, golden.size + x.nbytes)
    sizes |= {name: len(tensor.data) + x.nbytes for name in functions if "own" in name}
    sizes["copy"] = 2 * x.nbytes
    sizes |= {name: len(smaller.data) + x.nbytes for name in functions if "joint" in name}
    return _timings(seconds, sizes, x, device, repeats)


def benchmark_product(
    device: torch.device, *, outputs: int | None = None, inputs: int = 4096, repeats: int = 9
) -> list[CodecTiming]:
    """Time the product of a matrix and one vector, with plain and with compressed weights.

    Compressed weights are decoded in registers and multiplied at once. The bytes of a product are
    those of the weights in the form in which they are read. Raises ToolError if the product with
    compressed weights does not have the bits of :func:`multiply_plain`.
    """
    outputs = outputs or ELEMENTS[device.type] // inputs
    generator = torch.Generator().manual_seed(0)
    weight = (torch.randn(outputs, inputs, generator=generator) * 0.02).bfloat16()
    tensor = JointTensor.open(joint.compress(weight).to(device))
    plain, x = weight.to(device), torch.randn(1, inputs, generator=generator).to(device)
    if not torch.equal(tensor.multiply(x), multiply_plain(plain, x)):
        raise ToolError("Products of compressed and of plain weights differ, so none was timed")
    narrow, out = x.bfloat16(), torch.empty_like(plain)
    functions: dict[str, Callable[[], object]] = {
        "copy": partial(out.copy_, plain),
        "BF16 in PyTorch, one vector": partial(torch.nn.functional.linear, narrow, plain),
        "plain weights, one vector": partial(multiply_plain, plain, x),
        "dfloat11 joint layout, one vector": partial(tensor.multiply, x),
    }
    seconds = in_turn(functions, repeats, device)
    sizes = dict.fromkeys(functions, plain.nbytes) | {"copy": 2 * plain.nbytes}
    sizes["dfloat11 joint layout, one vector"] = len(tensor.data)
    return _timings(seconds, sizes, plain, device, repeats)


def _timings(
    seconds: Mapping[str, float],
    sizes: Mapping[str, int],
    weights: Tensor,
    device: torch.device,
    repeats: int,
) -> list[CodecTiming]:
    copied = sizes["copy"] / seconds["copy"]
    where = describe(device)
    return [
        CodecTiming(
            kernel=name,
            shape=tuple(weights.shape),
            type="bfloat16",
            seconds=taken,
            gigabytes_per_second=sizes[name] / taken / 1e9,
            weights_gigabytes_per_second=weights.nbytes / taken / 1e9,
            share_of_copy=sizes[name] / taken / copied,
            repeats=repeats,
            **vars(where),
        )
        for name, taken in seconds.items()
    ]
