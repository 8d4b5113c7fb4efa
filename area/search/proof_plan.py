"""Proves that the multipliers, MACs and netlists of designs are correct.

To check the proofs themselves, faults are put into the RTL. Proofs about this faulty RTL must fail:
each must be refuted with a counterexample.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.faults import altered_table, faulty_macs, faulty_multipliers
from halfbyte.area.proofs.mac import (
    PROVED,
    REFUTED,
    Proof,
    prove_mac,
    prove_multiplier,
    prove_multiplier_netlist,
    prove_netlist,
)
from halfbyte.area.proofs.results import ClaimRecord
from halfbyte.area.search.jobs import Job, JobRunner
from halfbyte.area.search.smallest import synthesize
from halfbyte.area.search.synthesis_jobs import netlist_path
from halfbyte.base import Progress, Record, code_fingerprint, content_key, versions_of
from halfbyte.rtl import Mac, MacSpec, variants
from halfbyte.rtl.architecture import MultiplierArchitecture
from halfbyte.rtl.variants import LOSSLESS, SAVED

__all__ = ["Netlist", "ProofRecord", "ProofTask", "failures", "prove_designs"]

_TOOLS = ("amaranth", "pyosys", "python-sat")
# The key of the multiplier without faults in mappings of circuits.
_ALONE = "alone"


@dataclass(frozen=True)
class Netlist:
    """Two netlists from one recipe: that of a MAC, and that of its multiplier alone."""

    recipe: str
    mac: Path
    multiplier: Path


@dataclass(frozen=True, kw_only=True)
class ProofRecord(Record):
    """The proof that one unit or netlist is correct, and the same proof with faults in the RTL."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str
    """``multiplier`` or ``mac``."""
    architecture: str
    """Architecture of the multiplier."""
    terms: int | None
    """Number of products that a lossless accumulator can add; null for a multiplier."""
    acc_width: int | None
    """Width of the accumulator, in bits; null for a multiplier."""
    overflow: str | None
    """What the accumulator does on overflow; null for a multiplier."""
    enable: bool | None
    """Whether the MAC has an enable port; null for a multiplier."""
    segment: int | None
    """Bits between two carries in registers (carry-save); null for other accumulators."""
    technology: str | None
    """Cell library of the netlist; null for the RTL."""
    recipe: str | None
    """The synthesis recipe that made the netlist; null for the RTL."""
    proof: ClaimRecord
    """The proof of the unit itself."""
    faults: Mapping[str, ClaimRecord]
    """For each fault: the same proof with this fault in the RTL; it must be refuted."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    seconds: float
    """Time that all proofs of the record took, in s."""


@dataclass(frozen=True)
class _TaskRecord(Record):
    """All proofs of a task."""

    records: tuple[ProofRecord, ...]
    """One record for each unit or netlist."""
    reading_seconds: float
    """Time that reading the circuits took, in s."""


@dataclass(frozen=True)
class ProofTask(Job[_TaskRecord]):
    """All proofs for two formats in the architecture of ``design``.

    The task proves the correctness of the multiplier's RTL, of the MAC's RTL with every kind of
    accumulator (:func:`variants`), and of the netlists of the multiplier and the lossless MAC. It
    also puts faults into the RTL of the multiplier, of the lossless MAC and of a carry-save MAC.
    Every proof about faulty RTL must fail.
    """

    design: MacSpec
    technology: Technology
    netlists: tuple[Netlist, ...]
    result_type = _TaskRecord

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.design.weight.name} {self.design.architecture} proofs"

    @property
    def cost(self) -> float:
        """Roughly how long the task takes: the circuits grow with the number of codes."""
        return 2.0 ** max(self.design.weight.bits, self.design.activation.bits)

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on, including the netlists' text."""
        formats = [
            [fmt.name, fmt.bits, str(fmt.quantum), fmt.integers]
            for fmt in (self.design.weight, self.design.activation)
        ]
        netlists = [
            [each.recipe, each.mac.read_text(), each.multiplier.read_text()]
            for each in self.netlists
        ]
        code = code_fingerprint(__name__)
        return content_key(
            {
                "formats": formats,
                "design": [
                    self.design.architecture,
                    self.design.terms,
                    self.technology.content_hash,
                ],
                "netlists": netlists,
                "code": code,
                "versions": versions_of(*_TOOLS),
            }
        )

    def run(self) -> _TaskRecord:
        """Prove that all units and netlists of the task are correct; repeat this with faults."""
        start = time.monotonic()
        circuits = lower(self._components(), self._netlist_files(), self.technology.cells)
        reading = time.monotonic() - start
        records = (*self._multipliers(circuits), *self._macs(circuits), *self._mapped(circuits))
        return _TaskRecord(records, round(reading, 3))

    @cached_property
    def _variants(self) -> dict[str, MacSpec]:
        """The MAC with every kind of accumulator, by name."""
        return variants(self.design)

    @cached_property
    def _multiplier(self) -> MultiplierArchitecture:
        return self.design.multiplier()

    @cached_property
    def _altered(self) -> MacSpec | None:
        """The lossless MAC for weights with one wrong value; None if no value can be changed."""
        lossless = self._variants[LOSSLESS]
        table = altered_table(lossless.weight, lossless.activation, lossless.architecture)
        return replace(lossless, weight=table, acc_width=lossless.width) if table else None

    def _components(self) -> dict[str, Mac | MultiplierArchitecture]:
        """All RTL components that the proofs need, by name."""
        components: dict[str, Mac | MultiplierArchitecture] = {
            name: spec.component() for name, spec in self._variants.items()
        }
        components[_ALONE] = self._multiplier
        if self._altered:
            components["altered_mac"] = self._altered.component()
            components["altered_multiplier"] = self._altered.multiplier()
        return components

    def _netlist_files(self) -> dict[str, tuple[Path, str]]:
        """For each netlist, by name: its file and the name of its module."""
        files = {}
        for number, netlist in enumerate(self.netlists):
            files[f"mac_netlist{number}"] = (netlist.mac, MAC)
            files[f"multiplier_netlist{number}"] = (netlist.multiplier, MULTIPLIER)
        return files

    def _multipliers(self, circuits: Mapping[str, Circuit]) -> Iterator[ProofRecord]:
        """Prove that the multiplier's RTL is correct, then that its netlists are."""
        rtl, unit = circuits[_ALONE], self._multiplier
        faulty = faulty_multipliers(rtl, circuits.get("altered_multiplier"))
        start = time.monotonic()
        proof = prove_multiplier(rtl, unit)
        faults = {name: prove_multiplier(circuit, unit) for name, circuit in faulty.items()}
        yield self._record(MULTIPLIER, proof, faults, start)
        for number, netlist in enumerate(self.netlists):
            mapped, start = circuits[f"multiplier_netlist{number}"], time.monotonic()
            proof = prove_multiplier_netlist(mapped, rtl, unit)
            faults = {
                name: prove_multiplier_netlist(mapped, circuit, unit)
                for name, circuit in faulty.items()
            }
            yield self._record(MULTIPLIER, proof, faults, start, recipe=netlist.recipe)

    def _macs(self, circuits: Mapping[str, Circuit]) -> Iterator[ProofRecord]:
        """Prove that the MAC's RTL is correct, with every kind of accumulator."""
        altered = circuits.get("altered_mac")
        for name, mac in self._variants.items():
            rtl, start = circuits[name], time.monotonic()
            proof = prove_mac(rtl, mac)
            table = altered if name == LOSSLESS else None
            faulty = faulty_macs(rtl, table) if name in (LOSSLESS, SAVED) else {}
            faults = {fault: prove_mac(circuit, mac) for fault, circuit in faulty.items()}
            yield self._record(MAC, proof, faults, start, mac=mac)

    def _mapped(self, circuits: Mapping[str, Circuit]) -> Iterator[ProofRecord]:
        """Prove that the netlists of the MAC are correct."""
        mac, rtl = self._variants[LOSSLESS], circuits[LOSSLESS]
        faulty = faulty_macs(rtl, circuits.get("altered_mac"))
        for number, netlist in enumerate(self.netlists):
            mapped, start = circuits[f"mac_netlist{number}"], time.monotonic()
            proof = prove_netlist(mapped, rtl, mac)
            faults = {name: prove_netlist(mapped, circuit, mac) for name, circuit in faulty.items()}
            yield self._record(MAC, proof, faults, start, mac=mac, recipe=netlist.recipe)

    def _record(
        self,
        unit: str,
        proof: Proof,
        faults: Mapping[str, Proof],
        start: float,
        *,
        mac: MacSpec | None = None,
        recipe: str | None = None,
    ) -> ProofRecord:
        """The record of the proofs that began at ``start``, a value of ``time.monotonic``."""
        design = self.design
        return ProofRecord(
            format=design.weight.name,
            activation=design.activation.name,
            unit=unit,
            architecture=design.architecture,
            terms=mac.terms if mac else None,
            acc_width=mac.width if mac else None,
            overflow=mac.overflow.value if mac else None,
            enable=mac.enable if mac else None,
            segment=mac.segment if mac else None,
            technology=self.technology.name if recipe else None,
            recipe=recipe,
            proof=proof.record(),
            faults={name: fault.record() for name, fault in faults.items()},
            versions=versions_of("halfbyte", *_TOOLS),
            seconds=round(time.monotonic() - start, 3),
        )


def failures(record: ProofRecord) -> list[str]:
    """Messages: one if the unit was not proved, and one for each fault that was not refuted."""
    proof = record.proof
    lines = []
    if proof.status != PROVED:
        because = f": {proof.counterexample}" if proof.counterexample else ""
        lines.append(f"{_title(record)}: the claim {proof.claim!r} is {proof.status}{because}")
    lines += [
        f"{_title(record)}: the fault {name!r} is {fault.status}, not refuted"
        for name, fault in record.faults.items()
        if fault.status != REFUTED
    ]
    return lines


def _title(record: ProofRecord) -> str:
    words = [f"{record.format} x {record.activation}", record.architecture, record.unit]
    if record.acc_width:
        words.append(f"{record.acc_width} bits {record.overflow}")
    if record.segment:
        words.append(f"carry-save with segments of {record.segment} bits")
    if record.recipe:
        words.append(f"netlist {record.technology} {record.recipe}")
    return ", ".join(words)


def _names(design: MacSpec) -> tuple[str, str, str]:
    """The names of a design's formats and architecture, as the key of its netlists."""
    return design.weight.name, design.activation.name, design.architecture


def prove_designs(
    designs: Sequence[MacSpec],
    technology: Technology,
    *,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[ProofRecord]:
    """Prove that the designs are correct in every architecture, as RTL and as netlists.

    The netlists are all those that synthesis tries for the designs.

    Returns a record for each unit and netlist, with the results of the proofs with faults.
    :func:`failures` lists the proofs in a record that did not end as they must. Proofs are stored,
    and are run again only if the circuits, the code or the tools change. Raises ToolError if a tool
    fails.
    """
    mapped = synthesize(
        designs, technology, every=True, prove=False, jobs=jobs, on_progress=on_progress
    )
    netlists: dict[tuple[str, str, str], list[Netlist]] = {}
    for record in mapped:
        key = (record.format, record.activation, record.architecture)
        paths = [netlist_path(name or "") for name in (record.netlist, record.multiplier_netlist)]
        netlists.setdefault(key, []).append(Netlist(record.recipe, *paths))
    tasks = [
        ProofTask(
            design=candidate,
            technology=technology,
            netlists=tuple(netlists.get(_names(candidate), ())),
        )
        for design in designs
        for candidate in design.candidates()
    ]
    runner = JobRunner("proofs", jobs or os.cpu_count() or 1, on_progress)
    try:
        results = runner.run(tasks)
    finally:
        runner.end()
    return [record for result in results for record in result.records]
