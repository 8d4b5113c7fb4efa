"""The decoders give each code's integer: its value in units of the format's quantum."""

import pytest
from amaranth.sim import Simulator

from halfbyte.formats import bundled
from halfbyte.rtl import Decoder, SignMagnitudeDecoder


def decoded(unit, outputs):
    """The named outputs for every code of the unit's format."""
    seen = []

    async def bench(ctx):
        for code in range(2**unit.fmt.bits):
            ctx.set(unit.code, code)
            await ctx.delay(1e-9)
            seen.append(tuple(ctx.get(getattr(unit, name)) for name in outputs))

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_every_code_decodes_to_its_integer(fmt):
    assert decoded(Decoder(fmt=fmt), ["integer"]) == [(integer,) for integer in fmt.integers]


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_every_code_decodes_to_its_sign_and_magnitude(fmt):
    """Zero may have either sign."""
    pairs = decoded(SignMagnitudeDecoder(fmt=fmt), ["negative", "magnitude"])
    assert tuple(-size if negative else size for negative, size in pairs) == fmt.integers
