"""The ports of the BF16 MAC and of the DFloat11 decoder, which decompresses BF16 weights."""

import re

import pytest

from halfbyte.base import UserError
from halfbyte.rtl import port_widths, to_verilog
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.dfloat11 import Decoder, check_decoder

pytestmark = pytest.mark.yosys


def ports_of(verilog: str) -> dict[str, int]:
    found = re.findall(r"^  (?:input|output)(?: reg)?(?: \[(\d+):0\])? (\w+);", verilog, re.M)
    return {name: int(high or 0) + 1 for high, name in found}


@pytest.mark.parametrize("component", [Decoder(lanes=2), Bf16Mac()], ids=["decoder", "bf16"])
def test_verilog_has_the_ports_that_port_widths_returns(component: Decoder | Bf16Mac) -> None:
    inputs, outputs = port_widths(component)
    assert ports_of(to_verilog(component, "unit")) == {"clk": 1, **inputs, **outputs}


def test_streams_are_named_by_their_path() -> None:
    inputs, outputs = port_widths(Decoder(lanes=2))
    assert inputs["words__1__payload"] == 33
    assert outputs["weights__0__payload"] == 16
    assert inputs["rst"] == 1
    assert "rst" not in port_widths(Bf16Mac())[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 16, 10), "1 to 64 lanes, not 0"),
        ((1, 15, 10), "256 rows, not 15"),
        ((1, 512, 10), "256 rows, not 512"),
        ((1, 16, 13), "8 to 12 bits, not 13"),
    ],
)
def test_parameters_are_checked(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_decoder(*arguments)
