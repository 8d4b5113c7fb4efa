"""Gives damaged data to the decoders. A decoder must either decode an input or say what is wrong.

The decoders are those of halfbyte's layouts 1 and 2, that of the layout that the ``dfloat11``
package writes (*published*), and the error correction (*secded*).
``python -m halfbyte.golden.dfloat11.fuzz 1000000`` decodes a million damaged inputs. Set
``HALFBYTE_CODEC=numba``, ``NUMBA_BOUNDSCHECK=1`` and a separate ``NUMBA_CACHE_DIR`` in the
environment to check every array access of numba's loops. ``HALFBYTE_CODEC=sanitized`` runs the C++
loops under sanitizers.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.golden.dfloat11 import compress, decompress, joint, published
from halfbyte.golden.dfloat11.kernels import crc32c
from halfbyte.golden.dfloat11.layout import CRC_AT, CorruptError
from halfbyte.golden.dfloat11.secded import check_bytes, correct

__all__ = ["corpus", "fuzz"]

# Numbers of elements. Some are near the 512 of a segment, one is above the 16384 of a chunk.
_LENGTHS = (1, 511, 512, 513, 1400, 20_000)
_HOSTILE = (0, 1, 0x7F, 0x80, 0xFF)


def _samples(seed: int) -> list[torch.Tensor]:
    """Tensors of all element types except uint8.

    Their code tables have short and long codes, escapes for rare symbols, or one symbol alone.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = [torch.randn(n, generator=generator) for n in _LENGTHS]
    spread = torch.randn(3000, generator=generator) * torch.logspace(-30, 30, 3000)
    eights = (torch.float8_e4m3fn, torch.float8_e5m2)
    return [
        *(x.bfloat16() for x in (*normal, spread, torch.zeros(300))),
        normal[4].half(),
        *(normal[4].to(dtype) for dtype in eights),
        (normal[4] * 20).to(torch.int8),
    ]


def corpus(seed: int) -> tuple[list[NDArray[np.uint8]], list[published.Module]]:
    """Inputs to damage: compressed tensors in layout 1, and weights in the published layout."""
    samples = _samples(seed)
    modules = [published.encode([s]) for s in samples[:6] if s.dtype == torch.bfloat16]
    return [compress(sample).numpy() for sample in samples], modules


def _joint_corpus(seed: int) -> list[NDArray[np.uint8]]:
    """Inputs to damage: compressed tensors in layout 2, of the types of :func:`_samples` and FP32.

    One of the two FP32 tensors has low bits that are all zero.
    """
    samples = _samples(seed)
    wide = [samples[4].float(), samples[5].float() + 1e-3]
    return [joint.compress(sample).numpy() for sample in (*samples, *wide)]


def _damage(data: NDArray[np.uint8], dice: random.Random) -> NDArray[np.uint8]:
    """A copy with a few bytes changed, and sometimes with its end cut off."""
    made = data.copy()
    for _ in range(dice.choice((1, 1, 2, 8))):
        # The first bytes hold the headers, where damage does most. So at least half of all changes
        # go there.
        reach = len(made) if dice.random() < 0.5 else min(len(made), 160)
        place = dice.randrange(reach)
        flipped = made[place] ^ (1 << dice.randrange(8))
        made[place] = flipped if dice.random() < 0.6 else dice.choice(_HOSTILE)
    if dice.random() < 0.1:
        made = made[: dice.randrange(len(made) + 1)]
    return made


def _mend_header(data: NDArray[np.uint8]) -> None:
    """Give the header the right CRC, so that decoders look at its content."""
    size = int.from_bytes(data[8:12].tobytes(), "little")
    if CRC_AT + 4 <= size <= len(data):
        data[CRC_AT : CRC_AT + 4] = 0
        crc = int(crc32c(data[:size].copy(), 0, size))
        data[CRC_AT : CRC_AT + 4] = np.frombuffer(crc.to_bytes(4, "little"), dtype=np.uint8)


def _own(data: NDArray[np.uint8], dice: random.Random) -> None:
    """Decode a damaged copy of a tensor in layout 1 or 2."""
    damaged = _damage(data, dice)
    if dice.random() < 0.7:
        _mend_header(damaged)
    # Without the CRC checks, damage reaches the inner loops.
    decompress(torch.from_numpy(damaged), verify=dice.random() < 0.3)


def _published(module: published.Module, dice: random.Random) -> None:
    """Decode a module in the published layout, with one part damaged."""
    name = dice.choice(("luts", "encoded_exponent", "output_positions", "gaps", "sign_mantissa"))
    array: Any = getattr(module, name)
    damaged: Any = _damage(np.ascontiguousarray(array).reshape(-1).view(np.uint8), dice)
    damaged = damaged[: len(damaged) // array.itemsize * array.itemsize].view(array.dtype)
    if name == "luts":
        damaged = damaged[: len(damaged) // 256 * 256].reshape(-1, 256)
    published.decode(replace(module, **{name: damaged}))


def _secded(data: NDArray[np.uint8], dice: random.Random) -> None:
    """Correct damaged bytes with the check bytes of the undamaged ones."""
    checks = check_bytes(torch.from_numpy(data))
    correct(torch.from_numpy(_damage(data, dice)), checks)


def fuzz(
    count: int, seed: int = 0, on_progress: Callable[[int], None] = lambda done: None
) -> Counter[str]:
    """Decode ``count`` damaged inputs. Equal seeds give equal inputs.

    Returns, by decoder, how many inputs were decoded (damage may hit unchecked parts) and how many
    were refused. Any error except :class:`CorruptError` is a fault of the decoder and is raised.
    """
    dice = random.Random(seed)  # noqa: S311 (no secret depends on it)
    coded, modules = corpus(seed)
    joined = _joint_corpus(seed)
    results: Counter[str] = Counter()
    for done in range(count):
        if done % 10_000 == 0:
            on_progress(done)
        kind = dice.choice(("own", "own", "joint", "joint", "published", "published", "secded"))
        try:
            if kind == "own":
                _own(dice.choice(coded), dice)
            elif kind == "joint":
                _own(dice.choice(joined), dice)
            elif kind == "published":
                _published(dice.choice(modules), dice)
            else:
                _secded(dice.choice(coded[:4]), dice)
            results[f"{kind} decoded"] += 1
        except CorruptError:
            results[f"{kind} refused"] += 1
    return results


if __name__ == "__main__":
    found = fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    for what, times in sorted(found.items()):
        print(f"{what}: {times}")
