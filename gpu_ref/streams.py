"""Measures how many steps per second the kernel of MACs computes; a step is a cycle of a MAC."""

from collections.abc import Iterator
from functools import partial

import torch

from halfbyte.base import JsonObject
from halfbyte.formats import Format, lossless_acc_width
from halfbyte.gpu_ref.bench import in_turn
from halfbyte.gpu_ref.mac import mac_stream

__all__ = ["stream_records"]

# Streams (one for each MAC) and cycles. 2^28 steps fill a GPU.
_SIZES = {"cuda": (1 << 18, 1 << 10), "cpu": (1 << 8, 1 << 10)}
REPEATS = 7
_BYTES_PER_STEP = 2 + 1 + 8  # two codes, clear, the accumulator


def stream_records(fmt: Format, device: torch.device) -> Iterator[JsonObject]:
    """Time many MAC units side by side; after every step, each writes its accumulator."""
    streams, cycles = _SIZES[device.type]
    generator = torch.Generator(device).manual_seed(0)

    def codes(bound: int) -> torch.Tensor:
        shape = (cycles, streams)
        return torch.randint(bound, shape, generator=generator, device=device, dtype=torch.uint8)

    w, a = codes(2**fmt.bits), codes(2**fmt.bits)
    clear = codes(256) == 0
    width = lossless_acc_width(fmt, fmt, cycles)
    run = partial(mac_stream, w.T, a.T, clear.T, weight=fmt, activation=fmt, acc_width=width)
    seconds = in_turn({"mac_stream": run}, REPEATS, device)["mac_stream"]
    steps = streams * cycles
    yield {
        "kernel": "mac_stream",
        "shape": [streams, cycles],
        "type": fmt.name,
        "seconds": seconds,
        "steps_per_second": steps / seconds,
        "gigabytes_per_second": _BYTES_PER_STEP * steps / seconds / 1e9,
        "repeats": REPEATS,
    }
