"""Makes mutants of units. A mutant is a unit with one small change in its RTL.

All mutants of a unit are in one design, and a port selects one of them.
"""

import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.netlists.circuit import Circuit, read_circuits
from halfbyte.area.netlists.lowering import LOGIC, PREPARE, RIPPLE_CARRY, lower
from halfbyte.area.proofs.mac import PROVED, prove_netlist
from halfbyte.base import run_yosys
from halfbyte.rtl import MacSpec, to_rtlil
from halfbyte.rtl.dot import DotSpec

__all__ = [
    "SELECT",
    "SELECT_BITS",
    "Mutant",
    "Mutated",
    "equivalent_mutants",
    "is_equivalent",
    "mutate",
]

# The port that selects a mutant by number, and its width; 0 selects the unchanged unit.
SELECT, SELECT_BITS = "mutant", 16
# A circuit with a mutated clock is not synchronous, so nothing can be proved about it.
_CLOCK_PORT = "-port CLK "
_CHANGES = {
    "inv": "inverted",
    "const0": "stuck at 0",
    "const1": "stuck at 1",
    "cnot0": "inverted where bit {ctrlbit} of the port is 0",
    "cnot1": "inverted where bit {ctrlbit} of the port is 1",
}


@dataclass(frozen=True)
class Mutant:
    """A mutant: its number on the port ``mutant``, the name of its unit, and what it changes."""

    number: int
    unit: str
    change: str


@dataclass(frozen=True)
class Mutated:
    """Units with mutants.

    Parameters
    ----------
    verilog : str
        All units, each with a port ``mutant``.
    mutants : tuple of Mutant
        The mutants of all units.
    circuits : mapping of str to Circuit
        The units of ``verilog``, by name.
    originals : mapping of str to Circuit
        The unchanged units, by name.
    """

    verilog: str
    mutants: tuple[Mutant, ...]
    circuits: Mapping[str, Circuit]
    originals: Mapping[str, Circuit]


def mutate(macs: Mapping[str, MacSpec | DotSpec], *, count: int, seed: int) -> Mutated:
    """Make ``count`` mutants of each unit, chosen at random from all that Yosys can make.

    Each mutant changes one bit of one port of a cell, but never a clock pin. If Yosys can make
    fewer than ``count`` mutants of a unit, all of them are made. Raises ToolError if Yosys fails,
    and ValueError if there are 65536 mutants or more.
    """
    components = {name: mac.component() for name, mac in macs.items()}
    with tempfile.TemporaryDirectory(prefix="halfbyte-mutants-") as temporary:
        folder = Path(temporary)
        for name, component in components.items():
            (folder / f"{name}.il").write_text(to_rtlil(component, name))
        run_yosys(_list_script(list(macs)), folder, "Listing mutants")
        generator = random.Random(seed)  # noqa: S311
        mutants: list[Mutant] = []
        commands = []
        for name in macs:
            for line in _chosen(folder / f"{name}.mutants", count, generator):
                number = len(mutants) + 1
                commands.append(f"{line} -ctrl {SELECT} {SELECT_BITS} {number}")
                mutants.append(Mutant(number, name, _change(line)))
        if len(mutants) >= 2**SELECT_BITS:
            raise ValueError(f"Mutants must be fewer than {2**SELECT_BITS}, not {len(mutants)}")
        (folder / "ripple.v").write_text(RIPPLE_CARRY)
        run_yosys(_apply_script(commands), folder, "Making mutants")
        circuits = read_circuits((folder / "circuits.json").read_text())
        verilog = (folder / "mutants.v").read_text()
    return Mutated(verilog, tuple(mutants), circuits, lower(components))


def is_equivalent(mutated: Mutated, mutant: Mutant, mac: MacSpec) -> bool:
    """Whether a proof shows that the mutant does what the unchanged MAC does."""
    circuit = mutated.circuits[mutant.unit].fixed(SELECT, mutant.number)
    return prove_netlist(circuit, mutated.originals[mutant.unit], mac).status == PROVED


def equivalent_mutants(mutated: Mutated, macs: Mapping[str, MacSpec]) -> set[int]:
    """The numbers of the mutants that are proved to be harmless."""
    return {
        mutant.number
        for mutant in mutated.mutants
        if is_equivalent(mutated, mutant, macs[mutant.unit])
    }


def _list_script(names: Sequence[str]) -> str:
    """The Yosys script that lists all possible mutations of each unit in a file."""
    lines = [f"read_rtlil {name}.il" for name in names]
    lines += ["setattr -unset init w:*", PREPARE, "delete *.*"]
    # A mutant can expose undefined values, or select two inputs of one multiplexer. Define both
    # cases, so that proof and simulator agree. The opt passes remove logic in which a change would
    # have no effect.
    lines += ["pmuxtree", "setundef -zero", "opt_expr", "opt_merge", "opt_clean -purge"]
    # List all mutations. Yosys can also choose some at random, but it does not end if a module has
    # fewer mutations than the number asked for.
    lines += [f"mutate -list 0 -module {name} -o {name}.mutants" for name in names]
    return "\n".join([*lines, "write_rtlil prepared.il", ""])


def _apply_script(commands: Sequence[str]) -> str:
    """The Yosys script that makes all chosen mutations in one design."""
    lines = ["read_rtlil prepared.il", *commands, "opt_clean", "write_verilog -noattr mutants.v"]
    return "\n".join([*lines, LOGIC, "write_json circuits.json", ""])


def _chosen(path: Path, count: int, generator: random.Random) -> list[str]:
    """At most ``count`` of the mutation commands in a file; changes of clock pins are left out."""
    lines = [line for line in path.read_text().splitlines() if _CLOCK_PORT not in line]
    return generator.sample(lines, min(count, len(lines)))


def _change(line: str) -> str:
    """A mutation command in words, such as ``bit 3 of addend.rest stuck at 0, at port B of $7``."""
    options = dict(re.findall(r"-(\w+) (\S+)", line))
    wire = options.get("wire")
    what = f"bit {options.get('wirebit')} of {wire}" if wire else f"bit {options['portbit']}"
    change = _CHANGES[options["mode"]].format_map(options)
    return f"{what} {change}, at port {options['port']} of {options['cell']}"
