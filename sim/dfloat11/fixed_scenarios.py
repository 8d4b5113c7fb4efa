"""Makes scenarios of the DFloat11 decoder without a code table.

A lane is a part of the decoder that decodes one chunk of a compressed tensor at a time. A packet is
a chunk for one lane. A session consists of packets for all lanes. A beat is a transfer of
``symbols`` bytes, where ``symbols`` is the number of weights that a lane gives in a cycle, 1 or 2.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11 import FixedCode, compress, fixed_packets, measure
from halfbyte.golden.dfloat11.layout import read_header
from halfbyte.sim.dfloat11.fixed_reference import HEADER_BYTES, decode_fixed, fixed_code, fixed_crc
from halfbyte.sim.dfloat11.plan import Packet, Session
from halfbyte.sim.dfloat11.reference import ESCAPE, GOOD

__all__ = ["encode_fixed", "fixed_sessions"]

_SCALE = 0.02  # standard deviation of trained weights
_CODES = 8  # how many codes the decoder knows
# For each tensor of the scenario with stalls: probability that a stream moves in a cycle.
_FLOWS = (0.9, 0.5, 0.2, 0.7, 0.3)

_Damaged = Iterator[tuple[str, list[int], list[int]]]
_Damage = Callable[[Packet, int], _Damaged]


def fixed_sessions(
    lanes: int, symbols: int = 1, *, weights: int, seed: int
) -> dict[str, list[Session]]:
    """The sessions of every scenario; the first tensor has ``weights`` elements."""
    generators = np.random.default_rng(seed).spawn(4)
    tensors = [list(_tensors(count, symbols, generators[n]))
               for n, count in enumerate((weights, min(weights, 1000)))]  # fmt: skip

    def session(packets: Iterable[Packet]) -> Session:
        beats = [_in_beats(packet, symbols) for packet in packets]
        return Session((), refused=False, lanes=[beats[lane::lanes] for lane in range(lanes)])

    return {
        "tensors": [session(each) for each in tensors[0]],
        "stalls": [
            replace(session(each), flow=flow) for flow, each in zip(_FLOWS, tensors[1], strict=True)
        ],
        "codes": [session(_every_code(symbols, generators[2]))],
        "flips": [session(_damaged(_flips, lanes, symbols))],
        "cuts": [session(_damaged(_cuts, lanes, symbols))],
        "resets": list(_resets(lanes, symbols, generators[3])),
    }


def _in_beats(packet: Packet, symbols: int) -> Packet:
    """The packet with its bytes joined to beats of ``symbols`` bytes, the first byte lowest."""

    def joined(data: Sequence[int]) -> list[int]:
        groups = [data[at : at + symbols] for at in range(0, len(data), symbols)]
        return [int.from_bytes(bytes(group), "little") for group in groups]

    return replace(packet, words=joined(packet.words), raw=joined(packet.raw))


def _compressed(tensor: Tensor, symbols: int, what: str) -> list[Packet]:
    """The packets that the codec makes of a tensor; the expected output is the tensor itself.

    With two symbols a cycle, a weight may be added to fill up the last beat.
    """
    words = tensor.view(torch.uint16).tolist()
    data = compress(tensor, measure(tensor, codes="fixed"))
    table = read_header(data.numpy()).table
    packets, first = [], 0
    for codes, raw in fixed_packets(data, symbols=symbols):
        given = words[first : first + len(raw)]
        given += [table.rows[0] << 7] * (len(raw) - len(given))
        first += len(raw)
        packets.append(Packet(what, list(codes), list(raw), given, GOOD))
    return packets


def _tensors(weights: int, symbols: int, generator: np.random.Generator) -> Iterator[list[Packet]]:
    """The packets of a tensor like trained weights, then of tensors with unusual exponents."""
    any_low = generator.integers(0, 1 << 16, 600) & 0x807F
    # All NaNs, both infinities, zeros and subnormals, and numbers with some other exponents.
    special = np.concatenate(
        [np.arange(128) | exponent << 7 | sign << 15
         for exponent in (0, 1, 127, 254, 255) for sign in (0, 1)]
    )  # fmt: skip
    trained = torch.from_numpy(generator.normal(0, _SCALE, weights)).to(torch.bfloat16)
    yield _compressed(trained, symbols, "trained weights")
    for what, bits in {
        "one weight": np.array([0x3F80]),
        "one exponent": any_low | 127 << 7,
        "special values": generator.permutation(special),
        "any bits": generator.integers(0, 1 << 16, 1001),
    }.items():
        yield _compressed(_bf16(bits), symbols, what)


def _bf16(bits: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(bits.astype(np.uint16)).view(torch.bfloat16)


def encode_fixed(code: FixedCode, weights: Sequence[int], what: str, symbols: int = 1) -> Packet:
    """A packet, as bytes, that holds ``weights`` in the fixed code ``code``.

    It is made without the codec, from bits as text. The number of weights must be a multiple of
    ``symbols``.
    """
    words = {symbol: bits for bits, symbol in fixed_code(code.number, code.highest).items()}
    bits = ""
    for weight in weights:
        exponent = weight >> 7 & 0xFF
        bits += words.get(exponent) or f"{words[ESCAPE]}{exponent:08b}"
    bits += "0" * (-len(bits) % (8 * symbols))
    stream = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    last = len(weights) - 1
    head = [last & 0xFF, last >> 8, code.highest, code.number]
    raw = [weight >> 8 & 0x80 | weight & 0x7F for weight in weights]
    codes = [*head, *stream, *fixed_crc(weights)]
    return Packet(what, codes, raw, list(weights), GOOD)


def _every_code(symbols: int, generator: np.random.Generator) -> Iterator[Packet]:
    """For every code, a chunk with all exponents, then short chunks of different lengths."""
    for number in range(_CODES):
        highest = int(generator.integers(256))
        exponents = generator.permutation(256)
        low = generator.integers(0, 1 << 16, 256) & 0x807F
        weights = (low | exponents << 7).tolist()
        code = FixedCode(number, highest)
        yield encode_fixed(code, weights, f"every exponent, {code}", symbols)
        for count in range(symbols, 18 * symbols, symbols):
            near = (highest - generator.integers(0, 6, count)) % 256
            few = (low[:count] | near << 7).tolist()
            yield encode_fixed(code, few, f"{count} weights, {code}", symbols)


def _damaged(damage: _Damage, lanes: int, symbols: int) -> Iterator[Packet]:
    """Packets of a small chunk with each kind of ``damage``, and intact packets between them.

    The expected output comes from :func:`decode_fixed`.
    """
    code = FixedCode(5, 121)
    exponents = (119, 255, 120, 118, 121, 109, 119, 122)
    bits = [exponent << 7 | 0x2A ^ place for place, exponent in enumerate(exponents)]
    sound = encode_fixed(code, bits, "sound chunk", symbols)
    for index, (what, codes, raw) in enumerate(damage(sound, symbols)):
        weights, verdict = decode_fixed(codes, raw, symbols)
        if verdict == GOOD and weights != bits:
            raise AssertionError(f"The CRC does not detect this damage: {what}")
        yield Packet(what, codes, raw, weights, verdict)
        if index % 4 == 3:
            yield sound
    yield from [sound] * lanes


def _flips(sound: Packet, symbols: int) -> _Damaged:
    """Codes and raw bytes with one bit flipped, for every bit of both."""
    for stream in ("words", "raw"):
        for index in range(len(getattr(sound, stream))):
            for bit in range(8):
                damaged = {"words": list(sound.words), "raw": list(sound.raw)}
                damaged[stream][index] ^= 1 << bit
                what = f"bit {bit} of {stream} byte {index} flipped"
                yield what, damaged["words"], damaged["raw"]


def _cuts(sound: Packet, symbols: int) -> _Damaged:
    """Packets whose codes or raw bytes, or both, are cut off, too long, or all ones."""
    codes, raw = list(sound.words), list(sound.raw)
    for end in range(symbols, len(codes), symbols):
        yield f"codes cut after {end}", codes[:end], raw
    for end in range(symbols, len(raw), symbols):
        yield f"raw bytes cut after {end}", codes, raw[:end]
    for extra in (symbols, 2 * symbols, 40):
        yield f"{extra} extra bytes of codes", [*codes, *[0] * extra], raw
        yield f"{extra} extra raw bytes", codes, [*raw, *[0] * extra]
    yield "one beat of each", codes[:symbols], raw[:symbols]
    yield "one beat of codes, too many raw bytes", codes[:symbols], [*raw, *raw]
    yield "ones", [*codes[:HEADER_BYTES], *[255] * (len(codes) - HEADER_BYTES)], [255] * len(raw)


def _resets(lanes: int, symbols: int, generator: np.random.Generator) -> Iterator[Session]:
    """Sessions with a reset at different stages of a chunk. One without a reset follows each."""
    bits = torch.from_numpy(generator.normal(0, _SCALE, 200 * symbols)).to(torch.bfloat16)
    whole = [_in_beats(each, symbols) for each in _compressed(bits, symbols, "200 beats")]
    session = Session((), refused=False, lanes=[whole] * lanes)
    for cycles in (1, 3, 4, 5, 6, 20, 120, 200):
        yield replace(session, reset_after=cycles)
        yield session
