"""Makes scenarios of the DFloat11 decoder that has a code table.

A lane is a part of the decoder that decodes one chunk of a compressed tensor at a time. A packet is
a chunk for one lane. A session consists of a code table and packets for all lanes. The escape is a
code that announces an exponent in plain bits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11.code_table import ESCAPE, LENGTH_LIMIT, CodeTable
from halfbyte.sim.dfloat11.packets import Compressed, code_of, encode
from halfbyte.sim.dfloat11.plan import Packet, Session
from halfbyte.sim.dfloat11.reference import GOOD, decode

__all__ = ["Shape", "sessions"]

_SCALE = 0.02  # standard deviation of trained weights
_MAX_NUMBER = 0xFFFF  # greatest number in a code table

_Damaged = Iterator[tuple[str, list[int], list[int]]]
_Damage = Callable[[Packet], _Damaged]


@dataclass(frozen=True)
class Shape:
    """Parameters of the decoder under test."""

    lanes: int
    rows: int
    max_length: int


def sessions(shape: Shape, *, weights: int, seed: int) -> dict[str, list[Session]]:
    """The sessions of every scenario; the first tensor has ``weights`` elements."""
    generators = np.random.default_rng(seed).spawn(5)
    return {
        "tensors": [_session(shape, each) for each in _tensors(shape, weights, generators[0])],
        "stalls": [
            replace(_session(shape, each), flow=flow)
            for flow, each in zip(
                (0.9, 0.5, 0.2, 0.7, 0.3, 0.6, 0.8),
                _tensors(shape, min(weights, 1000), generators[1]),
                strict=True,
            )
        ],
        "tables": list(_tables(shape, generators[2])),
        "flips": list(_damaged(shape, _flips, generators[3])),
        "cuts": list(_damaged(shape, _cuts, generators[3])),
        "resets": list(_resets(shape, generators[4])),
    }


def _dealt(packets: Sequence[Packet], lanes: int) -> list[list[Packet]]:
    """The packets of each lane, if packet n goes to lane n modulo ``lanes``."""
    return [list(packets[lane::lanes]) for lane in range(lanes)]


def _session(shape: Shape, compressed: Compressed) -> Session:
    """The session that decodes a compressed tensor."""
    lanes = _dealt(compressed.packets, shape.lanes)
    return Session(compressed.table.numbers, refused=False, lanes=lanes)


def _bf16(bits: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(bits.astype(np.uint16)).view(torch.bfloat16)


def _tensors(shape: Shape, weights: int, generator: np.random.Generator) -> Iterator[Compressed]:
    """A tensor like trained weights, then tensors with unusual exponents or code lengths."""
    trained = torch.from_numpy(generator.normal(0, _SCALE, weights)).to(torch.bfloat16)
    any_low = generator.integers(0, 1 << 16, 2 << LENGTH_LIMIT) & 0x807F
    # Each exponent is twice as frequent as the one before, which gives codes of every length.
    steep = np.repeat(np.arange(100, 101 + shape.max_length), 2 ** np.arange(shape.max_length + 1))
    # All NaNs, both infinities, zeros and subnormals, and numbers with some other exponents.
    special = np.concatenate(
        [np.arange(128) | exponent << 7 | sign << 15
         for exponent in (0, 1, 127, 254, 255) for sign in (0, 1)]
    )  # fmt: skip
    corners = {
        "one weight": np.array([0x3F80]),
        "one exponent": any_low[:300] | 127 << 7,
        "two exponents": any_low[:300] | generator.choice([0, 255], 300) << 7,
        "longest codes": any_low[: len(steep)] & 0x807F | generator.permutation(steep) << 7,
        "special values": generator.permutation(special),
        "any bits": generator.integers(0, 1 << 16, 1500),
    }
    limits = {"rows": shape.rows, "max_length": shape.max_length}
    yield Compressed.of(trained, "trained weights", **limits)
    for what, bits in corners.items():
        yield Compressed.of(_bf16(bits), what, **limits)


def _tables(shape: Shape, generator: np.random.Generator) -> Iterator[Session]:
    """Sessions with good tables, where each row is the escape in turn, and with invalid tables."""
    rows = shape.rows
    flat = [(rows - 1).bit_length()] * rows
    symbols = generator.permutation(256)[:rows].tolist()
    for row in range(rows):
        chosen = [ESCAPE if index == row else symbol for index, symbol in enumerate(symbols)]
        yield _with_code(shape, CodeTable(tuple(chosen), tuple(flat)), generator)
    yield _with_code(shape, CodeTable((ESCAPE,), (1,)), generator)

    table = CodeTable((120, 121, ESCAPE), (1, 2, 2)).numbers
    counts = 2  # the place in `table` of the number of codes of 1 bit; longer codes follow
    wrong = {
        "no rows": {0: 0},
        "more rows than codes": {0: 4},
        "more rows than fit": {0: rows + 1},
        "escape beyond the rows": {1: 3},
        "not prefix-free": {counts: 2},
        "not complete": {counts: 0, counts + 2: 1},
        "more codes than rows": {counts + 2: 1},
        "codes too long": {counts + 1: 1, counts + LENGTH_LIMIT - 1: 1},
        "huge count": {counts + 3: _MAX_NUMBER},
        "symbol beyond 255": {-1: 256},
    }
    for changes in wrong.values():
        damaged = list(table)
        for at, number in changes.items():
            damaged[at] = number
        yield Session(damaged, refused=True, lanes=[])
    for end in range(1, len(table)):
        yield Session(table[:end], refused=True, lanes=[])
    yield Session([*table, 7], refused=True, lanes=[])
    lone = CodeTable((120,), (1,)).numbers
    yield Session([*lone[:2], 0, 1, *lone[4:]], refused=True, lanes=[])
    # After all invalid tables, the decoder must still accept a good one.
    yield _with_code(shape, CodeTable((120, 121, ESCAPE), (1, 2, 2)), generator)


def _with_code(shape: Shape, table: CodeTable, generator: np.random.Generator) -> Session:
    """A session with a code table, and a chunk whose weights use all rows of the table.

    If the table has an escape, the chunk also has exponents that are not in the table.
    """
    own = [row for row in table.rows if row != ESCAPE]
    choice = [*own, *range(0, 256, 17)] if ESCAPE in table.rows else own
    exponents = np.concatenate([own, generator.choice(choice, 40)]).astype(np.int64)
    bits = generator.integers(0, 1 << 16, len(exponents)) & 0x807F | exponents << 7
    packet = encode(code_of(table), bits.tolist(), f"rows {table.rows}")
    return Session(table.numbers, refused=False, lanes=_dealt([packet], shape.lanes))


def _damaged(shape: Shape, damage: _Damage, generator: np.random.Generator) -> Iterator[Session]:
    """Packets of two small chunks with each kind of ``damage``, and intact packets between them.

    The first chunk's code has an escape, and any sequence of bits begins with a code word. The
    second chunk's code has only one word, so some bits do not begin with a word. The expected
    output comes from :func:`decode`.
    """
    for table, chosen in (
        (CodeTable((120, ESCAPE, 121, 122), (1, 2, 3, 3)), [120, 255, 122, 121, 0]),
        (CodeTable((120,), (1,)), [120, 120]),
    ):
        exponents = np.array(chosen)
        bits = generator.integers(0, 1 << 16, len(exponents)) & 0x807F | exponents << 7
        sound = encode(code_of(table), bits.tolist(), "sound chunk")
        packets = []
        for what, words, raw in damage(sound):
            weights, verdict = decode(code_of(table), words, raw)
            if verdict == GOOD:
                raise AssertionError(f"The reference does not detect this damage: {what}")
            packets.append(Packet(what, words, raw, weights, verdict))
            if len(packets) % 5 == 4:
                packets.append(sound)
        lanes = _dealt([*packets, *[sound] * shape.lanes], shape.lanes)
        yield Session(table.numbers, refused=False, lanes=lanes)


def _flips(sound: Packet) -> _Damaged:
    """Words and raw bytes with one bit flipped, for every bit of both."""
    for stream, width in (("words", 32), ("raw", 8)):
        for index in range(len(getattr(sound, stream))):
            for bit in range(width):
                damaged = {"words": list(sound.words), "raw": list(sound.raw)}
                damaged[stream][index] ^= 1 << bit
                what = f"bit {bit} of {stream} beat {index} flipped"
                yield what, damaged["words"], damaged["raw"]


def _cuts(sound: Packet) -> _Damaged:
    """Packets whose words or raw bytes, or both, are cut, too long, or all ones or zeros."""
    words, raw = list(sound.words), list(sound.raw)
    for end in range(1, len(words)):
        yield f"words cut after {end}", words[:end], raw
    for end in range(1, len(raw)):
        yield f"raw bytes cut after {end}", words, raw[:end]
    for extra in (1, 2, 40):
        yield f"{extra} extra words", [*words, *[0] * extra], raw
        yield f"{extra} extra raw bytes", words, [*raw, *[0] * extra]
    yield "one beat of each", words[:1], raw[:1]
    yield "one word, too many raw bytes", words[:1], [*raw, *raw]
    yield "ones", [(1 << 32) - 1] * len(words), [255] * len(raw)
    yield "zeros after the number of weights", [5, *[0] * (len(words) - 1)], [0] * 3


def _resets(shape: Shape, generator: np.random.Generator) -> Iterator[Session]:
    """Sessions with a reset at different stages of a chunk. One without a reset follows each."""
    tensor = torch.from_numpy(generator.normal(0, _SCALE, 200)).to(torch.bfloat16)
    whole = Compressed.of(tensor, "200 weights", rows=shape.rows, max_length=shape.max_length)
    session = _session(shape, whole)
    lanes = [list(whole.packets)] * shape.lanes
    for cycles in (1, 3, 40, 70, 75, 76, 77, 120, 200):
        yield replace(session, lanes=lanes, reset_after=cycles, flow=1.0)
        yield session
