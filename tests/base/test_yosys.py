"""Yosys in a process of its own."""

import pytest

from halfbyte.area import load_technology
from halfbyte.base import ToolError, run_yosys

DESIGN = "module top(input a, b, output y); assign y = ~(a & b); endmodule"


@pytest.mark.yosys
def test_failure_shows_command_and_last_lines(tmp_path):
    with pytest.raises(ToolError, match=r"Trying: Yosys failed(?s:.*)No such command: nonsense"):
        run_yosys("nonsense", tmp_path, "Trying")
    assert "nonsense" in (tmp_path / "log.txt").read_text()


@pytest.mark.yosys
def test_a_library_at_the_same_path_is_read_again(tmp_path):
    """Yosys caches libraries by path; a run must not see an earlier run's."""
    (tmp_path / "design.v").write_text(DESIGN)
    script = "read_verilog design.v; techmap; abc -liberty cells.lib; write_verilog out.v"
    library = load_technology("sg13g2").liberty_text()
    for name in ("first_nand", "second_nand"):
        (tmp_path / "cells.lib").write_text(library.replace("sg13g2_nand2_1", name))
        run_yosys(script.replace("; ", "\n"), tmp_path, "Mapping")
        assert name in (tmp_path / "out.v").read_text()
