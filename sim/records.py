"""The records of simulations, of exported files, and of mutants.

A scenario is a sequence of inputs with one purpose. A mutant is a design with one fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record
from halfbyte.rtl.dot.record import DotFields

__all__ = [
    "Bf16SimulationRecord",
    "Coverage",
    "DecoderSimulationRecord",
    "DotExportRecord",
    "DotMutantRecord",
    "DotSimulationRecord",
    "DutRecord",
    "ExportRecord",
    "MutantRecord",
    "NetlistSimulationRecord",
    "SimulationRecord",
]


@dataclass(frozen=True, kw_only=True)
class Coverage(Record):
    """What a regression covered of one accumulator."""

    code_pairs: int
    """Number of pairs of codes that occurred."""
    all_code_pairs: int
    """Number of pairs of codes that exist."""
    corners: Mapping[str, int]
    """Clock cycles in which each corner (a situation that should occur) did occur."""


@dataclass(frozen=True, kw_only=True)
class SimulationRecord(Record):
    """A MAC that agreed with the golden model in every cycle of every scenario."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    unit: str
    """The unit that was simulated, always ``mac``."""
    level: str
    """``rtl``, ``netlist``, or ``dut`` for a user's own RTL."""
    architecture: str | None
    """Architecture of the multiplier; null for a user's own RTL."""
    terms: int
    """Number of products that a lossless accumulator can add without overflow."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    enable: bool
    """Whether there is an enable port."""
    segment: int | None
    """Bits of a segment of a carry-save accumulator; null for an ordinary accumulator."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the random stimulus."""
    cycles: int
    """Cycles of the scenario with random inputs."""
    scenarios: Mapping[str, int]
    """Number of products that each scenario compared."""
    coverage: Coverage
    """What the scenarios covered of this accumulator."""
    products: int
    """Number of all products that were compared."""
    passed: bool
    """Whether all results agreed."""
    waves: str | None
    """The waveform file, if one was asked for."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time to build the simulation, in s."""
    seconds: float
    """Total time, in s."""
    products_per_second: int
    """Number of products divided by the total time."""


@dataclass(frozen=True, kw_only=True)
class DutRecord(SimulationRecord):
    """A user's own RTL that agreed with the golden model in every cycle of every scenario."""

    module: str
    """The module that was simulated."""
    latency: int
    """Clock edges from an input to the accumulator that includes it."""


@dataclass(frozen=True, kw_only=True)
class NetlistSimulationRecord(SimulationRecord):
    """A MAC's netlist that agreed with the golden model in every cycle of every scenario.

    A netlist is the MAC after synthesis, made of library cells.
    """

    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    recipe: str
    """Name of the synthesis recipe (a sequence of Yosys commands) that gave the netlist."""
    netlist: str | None
    """File of the netlist, if it was kept."""


@dataclass(frozen=True, kw_only=True)
class DecoderSimulationRecord(Record):
    """A DFloat11 decoder whose output agreed with the codec and with a bit-by-bit reference."""

    unit: str
    """The unit that was simulated, always ``dfloat11``."""
    codes: str
    """``table`` if a code table is loaded, ``fixed`` for a decoder without a table."""
    symbols: int
    """The largest number of weights that a lane gives in one cycle."""
    lanes: int
    """Number of lanes, each of which decodes by itself."""
    rows: int | None
    """The largest number of rows of a code table; null for a decoder without a table."""
    max_length: int | None
    """Bits of the longest code; null for a decoder without a table."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the random stimulus."""
    scenarios: Mapping[str, int]
    """Number of results that each scenario compared."""
    checks: int
    """Number of all results that were compared."""
    weights: int
    """Number of weights in the longest tensor."""
    symbols_per_cycle: float
    """Weights per cycle, from all lanes together, measured on the longest tensor."""
    passed: bool
    """Whether all results agreed."""
    waves: str | None
    """The waveform file, if one was asked for."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time to build the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class Bf16SimulationRecord(Record):
    """A BF16 MAC that agreed with the golden model."""

    unit: str
    """The unit that was simulated, always ``bf16_mac``."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the random stimulus."""
    scenarios: Mapping[str, int]
    """Number of results that each scenario compared."""
    checks: int
    """Number of all results that were compared."""
    passed: bool
    """Whether all results agreed."""
    waves: str | None
    """The waveform file, if one was asked for."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time to build the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class ExportRecord(Record):
    """A MAC written as Verilog, with vectors and a bench."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    unit: str
    """The unit that was written, always ``mac``."""
    architecture: str
    """Architecture of the multiplier."""
    terms: int
    """Number of products that a lossless accumulator can add without overflow."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    enable: bool
    """Whether there is an enable port."""
    segment: int | None
    """Bits of a segment of a carry-save accumulator; null for an ordinary accumulator."""
    module: str
    """Name of the Verilog module."""
    count: int
    """Number of test vectors."""
    seed: int
    """Seed of the random vectors."""
    verilog: str
    """File of the module."""
    vectors: str
    """File of the test vectors."""
    bench: str
    """File of the bench."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""


@dataclass(frozen=True, kw_only=True)
class DotMutantRecord(DotFields):
    """Faults inserted into the RTL of a dot-product unit, and how many the regression caught."""

    seed: int
    """Seed of the choice of mutants and of the random stimulus."""
    cycles: int
    """Approximate number of cycles of a scenario."""
    mutants: int
    """Number of mutants that were made."""
    equivalent: int
    """Number of mutants that are proved equivalent to the unit."""
    caught: int
    """Number of mutants that the regression caught."""
    caught_by: Mapping[str, int]
    """Number of mutants that each scenario was the first to catch."""
    survivors: tuple[str, ...]
    """The changes in mutants that the regression did not catch."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class MutantRecord(Record):
    """Faults inserted into the RTL of a MAC, and whether the regression caught each."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    unit: str
    """Name of the module: ``mac_`` and the name of its accumulator in ``halfbyte.rtl.variants``."""
    architecture: str
    """Architecture of the multiplier."""
    terms: int
    """Number of products that a lossless accumulator can add without overflow."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    enable: bool
    """Whether there is an enable port."""
    segment: int | None
    """Bits of a segment of a carry-save accumulator; null for an ordinary accumulator."""
    seed: int
    """Seed of the choice of mutants and of the random stimulus."""
    cycles: int
    """Cycles of the scenario with random inputs."""
    mutants: int
    """Number of mutants that were made."""
    equivalent: int
    """Number of mutants that are proved equivalent to the MAC."""
    caught: int
    """Number of mutants that the regression caught."""
    caught_by: Mapping[str, int]
    """Number of mutants that each scenario was the first to catch."""
    survivors: tuple[str, ...]
    """The changes in mutants that the regression did not catch."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    seconds: float
    """Time of the run divided by the number of its MACs, in s."""


@dataclass(frozen=True, kw_only=True)
class DotSimulationRecord(DotFields):
    """A dot-product unit that agreed with the golden model in every cycle of every scenario."""

    level: str
    """``rtl`` or ``netlist``."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the random stimulus."""
    scenarios: Mapping[str, int]
    """Number of products that each scenario compared."""
    products: int
    """Number of all products that were compared."""
    products_per_second: int
    """Number of products divided by the time of the simulation without its build."""
    passed: bool
    """Whether all results agreed."""
    waves: str | None
    """The waveform file, if one was asked for."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time to build the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class DotExportRecord(DotFields):
    """A dot-product unit written as Verilog, with vectors and a bench."""

    module: str
    """Name of the Verilog module."""
    count: int
    """Number of test vectors."""
    seed: int
    """Seed of the random vectors."""
    verilog: str
    """File of the module."""
    vectors: str
    """File of the test vectors."""
    bench: str
    """File of the bench."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
