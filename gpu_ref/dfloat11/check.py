"""The DFloat11 decoders against the golden codec, number by number and as bits."""

import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import CODES, compress, decompress, measure, published
from halfbyte.gpu_ref.comparison import Comparison
from halfbyte.gpu_ref.dfloat11.own import decode
from halfbyte.gpu_ref.dfloat11.published import decode_published

__all__ = ["cases", "check_dfloat11"]

# Elements: at the edges of pieces, segments, chunks; several blocks of the published layout.
_LENGTHS = (1, 7, 8, 9, 511, 512, 513, 16_383, 16_384, 16_385, 70_001)
_EIGHT_BITS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8)


def _bytes(x: Tensor) -> Tensor:
    return x.contiguous().flatten().view(torch.uint8)


def cases(seed: int = 11) -> dict[str, Tensor]:
    """Tensors of every element type and kind of code: short, long, escaped, lone; all words."""
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
    """Both decoders on ``device`` against the golden codec on the CPU."""
    own = Comparison("dfloat11 own layout", "bf16", "bf16")
    other = Comparison("dfloat11 published layout", "bf16", "bf16")
    for name, tensor in cases().items():
        for codes in CODES if tensor.dtype == torch.bfloat16 else ("best",):
            data = compress(tensor, measure(tensor, codes=codes))
            expected = decompress(data)
            for verify in (True, False):
                seen = decode(data.to(device), verify=verify).cpu()
                own.add(_bytes(seen), _bytes(expected), f"{name}, {codes} codes")
        if tensor.dtype == torch.bfloat16:
            try:
                module = published.encode([tensor[: len(tensor) // 3], tensor[len(tensor) // 3 :]])
            except published.UnrepresentableError:
                continue
            pairs = zip(decode_published(module, device), published.decode(module), strict=True)
            for seen, expected in pairs:
                other.add(_bytes(seen.cpu()), _bytes(expected), name)
    return [own, other]
