"""Compares the DFloat11 decoders with the codec in :mod:`halfbyte.golden`, bit by bit.

DFloat11 is a lossless compression of weights. It has three layouts: halfbyte's own prefix and joint
layouts, and the published layout, that of the ``dfloat11`` package.
"""

import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import CODES, compress, decompress, joint, measure, published
from halfbyte.gpu_ref.comparison import Comparison
from halfbyte.gpu_ref.dfloat11.joint import JointTensor, multiply_plain
from halfbyte.gpu_ref.dfloat11.own import decode
from halfbyte.gpu_ref.dfloat11.published import decode_published

__all__ = ["cases", "check_dfloat11"]

# Numbers of elements: around the 8 that a thread writes at once, around a segment (512) and a chunk
# (16,384) of the prefix layout, and more than a chunk of the joint layout or a block of the
# published one.
_LENGTHS = (1, 7, 8, 9, 511, 512, 513, 16_383, 16_384, 16_385, 70_001)
_EIGHT_BITS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8)
# Outputs, inputs, vectors. Some rows are shorter than the 32 elements that a warp decodes at once;
# others lie in two chunks.
_PRODUCTS = ((700, 5, 1), (300, 333, 3), (17, 5000, 8), (2, 70_000, 2), (128, 1024, 1))


def _bytes(x: Tensor) -> Tensor:
    return x.contiguous().flatten().view(torch.uint8)


def cases(seed: int = 11) -> dict[str, Tensor]:
    """Tensors to compress, by name, of every element type except FP32.

    Among them are tensors with short and long codes, with rare symbols that are escaped, and with
    only one symbol.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = {n: torch.randn(n, generator=generator) * 0.02 for n in _LENGTHS}
    words = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    spread = torch.randn(40_000, generator=generator) * torch.logspace(-30, 30, 40_000)
    noise = torch.randint(256, (40_000,), generator=generator, dtype=torch.uint8)
    found = {f"{n} normal": x.bfloat16() for n, x in normal.items()}
    found |= {"zeros": torch.zeros(33_000).bfloat16(), "spread": spread.bfloat16()}
    found |= {"all BF16": words.view(torch.bfloat16), "all FP16": words.view(torch.float16)}
    found |= {"matrix": normal[70_001][:70_000].reshape(7, 100, 100).half()}
    found |= {f"noise {dtype}": noise.view(dtype) for dtype in _EIGHT_BITS}
    found |= {"codes": (noise % 16).clamp(max=7), "lone code": torch.full((600,), 5).to(torch.int8)}
    return found


def check_dfloat11(device: torch.device) -> list[Comparison]:
    """Compare all decoders on ``device`` with the codec of the golden model on the CPU.

    Products of compressed weights are compared with products of plain weights.
    """
    own = Comparison("dfloat11 own layout", "bf16", "bf16")
    both = Comparison("dfloat11 joint layout", "bf16", "bf16")
    other = Comparison("dfloat11 published layout", "bf16", "bf16")
    for name, tensor in cases().items():
        for codes in CODES if tensor.dtype == torch.bfloat16 else ("best",):
            data = compress(tensor, measure(tensor, codes=codes))
            expected = decompress(data)
            for verify in (True, False):
                seen = decode(data.to(device), verify=verify).cpu()
                own.add(_bytes(seen), _bytes(expected), f"{name}, {codes} codes")
        for kind, each in {name: tensor, **_wide(name, tensor)}.items():
            data = joint.compress(each)
            seen = decode(data.to(device)).cpu()
            both.add(_bytes(seen), _bytes(decompress(data)), f"{kind}, joint")
        if tensor.dtype == torch.bfloat16:
            try:
                module = published.encode([tensor[: len(tensor) // 3], tensor[len(tensor) // 3 :]])
            except published.UnrepresentableError:
                continue
            pairs = zip(decode_published(module, device), published.decode(module), strict=True)
            for seen, expected in pairs:
                other.add(_bytes(seen.cpu()), _bytes(expected), name)
    return [own, both, other, _products(device)]


def _wide(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """An FP32 copy of a 16-bit float tensor, by name; empty for other tensors.

    The first half of the copy is scaled, so that it needs more bits than the original type has.
    """
    if not tensor.dtype.is_floating_point or tensor.dtype.itemsize != 2:
        return {}
    wide = tensor.float()
    wide.view(-1)[: len(wide.view(-1)) // 2] *= 1.0009765625  # 1 + 2^-10
    return {f"{name} in FP32": wide}


def _products(device: torch.device) -> Comparison:
    """Compare products that decode the weights with the same sums over plain weights."""
    found = Comparison("dfloat11 fused product", "bf16", "fp32")
    generator = torch.Generator().manual_seed(5)
    for outputs, inputs, vectors in _PRODUCTS:
        weight = (torch.randn(outputs, inputs, generator=generator) * 0.02).bfloat16().to(device)
        x = torch.randn(vectors, inputs, generator=generator).to(device)
        fused = JointTensor.open(joint.compress(weight.cpu()).to(device)).multiply(x)
        found.add(_bytes(fused.cpu()), _bytes(multiply_plain(weight, x).cpu()), f"{inputs} inputs")
    return found
