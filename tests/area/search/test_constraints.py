"""OpenSTA reads the netlist and constraints that ``synth -o`` writes, and agrees on the slack.

A carry-save accumulator is cut into segments of a few bits each. It saves the carries between the
segments in registers, so it needs a final addition.
"""

import re
import shutil
import subprocess
from fractions import Fraction

import pytest

from halfbyte.area import synthesize
from halfbyte.area.cells.technology import from_liberty
from halfbyte.area.search.delivery import deliver
from halfbyte.formats import Format
from halfbyte.rtl import MacSpec
from tests.area.small_library import OTHER_UNITS, library

STA = shutil.which("sta")
TINY = Format("tiny", "Tiny", 2, tuple(map(Fraction, (0, 1, 3, -2))))
LIBRARIES = {1000.0: library(), 10.0: library(*OTHER_UNITS)}  # keys: the unit of time in ps


def opensta(files, liberty):
    """The slack that OpenSTA finds with the written files, in the library's unit of time."""
    folder, netlist = files["netlist"].parent, files["netlist"]
    module = re.search(r"^module (\w+)", netlist.read_text(), re.MULTILINE)[1]
    (folder / "check.tcl").write_text(f"""
        read_liberty {liberty}
        read_verilog {netlist.name}
        link_design {module}
        read_sdc {files["constraints"].name}
        check_setup
        report_checks -path_delay max -digits 6
        exit
    """)
    done = subprocess.run(
        [STA, "-no_splash", "-exit", "check.tcl"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert "Error" not in said and "Warning" not in said, said
    return float(re.search(r"([-\d.]+)\s+slack", done.stdout)[1])


@pytest.mark.yosys
@pytest.mark.skipif(STA is None, reason="OpenSTA is not installed (Debian package opensta)")
@pytest.mark.parametrize(("unit_ps", "segment"), [(10.0, None), (1000.0, 2)])
def test_opensta_reads_what_is_written_and_agrees(tmp_path, monkeypatch, unit_ps, segment):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    liberty = tmp_path / "small.lib"
    liberty.write_text(LIBRARIES[unit_ps])
    technology = from_liberty([liberty])
    design = MacSpec(TINY, TINY, "sign_magnitude", terms=64, segment=segment)
    (record,) = synthesize([design], technology, prove=False, jobs=1)
    for share in (3.0, 1.05, 0.95, 0.5):
        timed = record.at_clock(round(record.delay_ps * share, 3))
        files = deliver(design, timed, technology, tmp_path / "out")
        found = opensta(files, liberty) * unit_ps
        assert (found >= 0) == (timed.slack_ps >= 0), share
        # With segments, the final addition may have less slack than the paths to registers.
        if not segment:
            assert found == pytest.approx(timed.slack_ps, abs=0.01 * record.delay_ps)
        assert found <= timed.slack_ps + 0.01 * record.delay_ps
    assert (timed.acc_cycles > 1) == bool(segment)
