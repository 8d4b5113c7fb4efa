"""``halfbyte prove``: prove that RTL does what it should, and that netlists equal their RTL."""

import time
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import ToolError
from halfbyte.cli.array import (
    ARRAY,
    ArrayOptions,
    show_part_proofs,
    unproved_parts,
)
from halfbyte.cli.designs import DesignOptions
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, show_dot_proofs, unseen_faults
from halfbyte.cli.options import (
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    load_formats,
)
from halfbyte.cli.output import console, number, print_json, progress, table
from halfbyte.cli.units import MAC, Codes, Lanes, Symbols, UnitName, check_unit, prove_unit

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.area.search.proof_plan import ProofRecord
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec

__all__ = ["prove"]

Counterexamples = Annotated[
    bool,
    typer.Option("--counterexamples", help="Show the inputs on which each injected fault is seen."),
]


def _group(record: "ProofRecord") -> tuple[str, str, str]:
    return record.format, record.activation, record.architecture


def _count(records: "Sequence[ProofRecord]", unit: str, mapped: bool) -> str:
    """How many proofs of one kind of unit succeeded: ``3 of 3``. ``mapped`` means netlists."""
    chosen = [
        record.proof.status == "proved"
        for record in records
        if record.unit == unit and bool(record.recipe) == mapped
    ]
    return f"{sum(chosen)} of {len(chosen)}"


def _show(records: "Sequence[ProofRecord]", technology: str, seconds: float) -> None:
    columns = [
        *("format", "~activation", "~architecture", ">multiplier\n= table", ">MACs\n= table"),
        *(">MAC netlists\n= RTL", ">multiplier\nnetlists = RTL", ">faults\nrefuted"),
        *("~>code pairs", "~>SAT queries", "~>s"),
    ]
    rows = []
    for group, members in groupby(records, key=_group):
        of_one = list(members)
        faults = [fault.status for record in of_one for fault in record.faults.values()]
        rows.append(
            [
                *group,
                _count(of_one, "multiplier", mapped=False),
                _count(of_one, "mac", mapped=False),
                _count(of_one, "mac", mapped=True),
                _count(of_one, "multiplier", mapped=True),
                f"{faults.count('refuted')} of {len(faults)}",
                number(of_one[0].proof.code_pairs),
                number(sum(record.proof.queries for record in of_one)),
                number(sum(record.seconds for record in of_one), 2),
            ]
        )
    caption = (
        f"{len(records):,} proofs, {technology}, {seconds:.0f} s in all. All pairs of codes are "
        "simulated; a SAT solver covers all states of the accumulator. MACs: with accumulators "
        "wide enough for all sums (with and without enable), with narrow ones that wrap or "
        "saturate, and with two kinds of carry-save accumulators."
    )
    table("Proofs", columns, rows, caption)


def _show_counterexamples(records: "Sequence[ProofRecord]") -> None:
    for record in records:
        where = f"{record.recipe} netlist" if record.recipe else "RTL"
        width = f", {record.acc_width} bits" if record.acc_width else ""
        head = f"{' '.join(_group(record))} {record.unit} {where}{width}"
        for name, fault in record.faults.items():
            console.print(f"{head}, {name}: {fault.counterexample}", soft_wrap=True)


def _prove_dots(
    specs: "Sequence[DotSpec]", technology: "Technology", jobs: int | None, json: bool
) -> None:
    """Prove dot-product units and print the proofs. Raises ToolError if a proof fails."""
    from halfbyte.area.search.dot_units import synthesize_dots

    with progress(f"Proofs, {technology.name}") as update:
        records = synthesize_dots(
            specs, technology, every=True, stages=True, jobs=jobs, on_progress=update
        )
    print_json(records) if json else show_dot_proofs(records)
    wrong = unseen_faults(records)
    if wrong:
        raise ToolError(
            "\n".join([f"Proofs that failed, or did not find a fault: {len(wrong)}", *wrong])
        )


def _prove_arrays(
    specs: "Sequence[SystolicSpec]", technology: "Technology", jobs: int | None, json: bool
) -> None:
    """Prove the parts of arrays and print the proofs. Raises ToolError if a proof fails."""
    from halfbyte.area.search.arrays import synthesize_arrays

    with progress(f"Proofs, {technology.name}") as update:
        records = synthesize_arrays(
            specs, technology, every=True, stages=True, jobs=jobs, on_progress=update
        )
    if json:
        print_json(records)
    else:
        show_dot_proofs(records)
        show_part_proofs(records)
    wrong = [*unseen_faults(records), *unproved_parts(records)]
    if wrong:
        raise ToolError(
            "\n".join([f"Proofs that failed, or did not find a fault: {len(wrong)}", *wrong])
        )


def prove(
    names: FormatNames = None,
    *,
    library: LibraryOptions,
    design: DesignOptions,
    unit: UnitName = MAC,
    lanes: Lanes = None,
    codes: Codes = "table",
    symbols: Symbols = 1,
    dot: DotOptions,
    array: ArrayOptions,
    counterexamples: Counterexamples = False,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Prove that RTL and netlists are correct in every architecture, for all codes and
    accumulator states.

    Faults are injected into MACs and dot-product units, and the proof of each faulty unit must
    fail. Exit status 1 if a proof fails or a fault is not found. For the decoder and the BF16 MAC
    (--unit dfloat11, bf16_mac), the netlists are proved equal to their RTL. Their RTL is proved as
    far as there is a specification. For dot-product units (--unit dot), the RTL of the smallest
    lane is proved, and the netlist of every synthesis recipe (a sequence of Yosys commands). For
    arrays of such units (--unit array), the netlists of all parts around the units are proved, too.
    """
    if check_unit(unit, names):
        technology = library.load()
        prove_unit(unit, technology, lanes, codes, symbols, json)
        return
    if unit in (DOT, ARRAY):
        specs = make_dot_specs(names, lanes, design, dot, unit)
        technology = library.load()
        if unit == ARRAY:
            _prove_arrays(array.arrays(specs), technology, jobs, json)
        else:
            _prove_dots(specs, technology, jobs, json)
        return
    from halfbyte.area.search.proof_plan import failures, prove_designs

    start = time.monotonic()
    designs = design.macs(load_formats(names))
    technology = library.load()
    with progress(f"Proofs, {technology.name}") as update:
        records = prove_designs(designs, technology, jobs=jobs, on_progress=update)
    seconds = time.monotonic() - start
    print_json(records) if json else _show(records, technology.name, seconds)
    if counterexamples and not json:
        _show_counterexamples(records)
    wrong = [line for record in records for line in failures(record)]
    if wrong:
        raise ToolError(
            "\n".join([f"Proofs that failed, or did not find a fault: {len(wrong)}", *wrong])
        )
