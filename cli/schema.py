"""``halfbyte schema``: the fields of the records that ``--json`` prints, as JSON Schema."""

import difflib
import sys
from importlib import import_module
from typing import Annotated

import typer

from halfbyte.base import Record, UserError, json_text
from halfbyte.cli.output import table

__all__ = ["record_types", "schema"]

# Where each record is defined, by the name that `halfbyte schema` takes. Most names are those of
# the command that prints the record. The kind of unit or layout follows if needed.
_RECORDS = {
    "assign": "cli.records:AssignmentRecord",
    "bench": "golden.records:GemmBenchRecord",
    "bench-codec": "golden.records:CodecBenchRecord",
    "claim": "pareto.records:Claim",
    "compress": "checkpoints.records:CompressionRecord",
    "compress-dfloat11": "checkpoints.records:PublishedCompressionRecord",
    "decompress": "checkpoints.records:DecompressionRecord",
    "decompress-dfloat11": "checkpoints.records:PublishedDecompressionRecord",
    "derive": "cli.records:DerivationRecord",
    "entropy": "checkpoints.dfloat11.entropy:TensorEntropy",
    "entropy-formats": "checkpoints.dfloat11.entropy:CodeEntropy",
    "evaluate": "accuracy.record:EvaluationRecord",
    "formats": "cli.records:FormatRecord",
    "gates": "cli.records:GatesRecord",
    "gatesim": "sim.records:NetlistSimulationRecord",
    "gpu-bench-codec": "gpu_ref.records:CodecTiming",
    "gpu-bench-gemm": "gpu_ref.records:ProductTiming",
    "gpu-bench-memory": "gpu_ref.records:MemoryTiming",
    "gpu-check": "gpu_ref.records:CheckRecord",
    "info": "checkpoints.records:PartRecord",
    "lossless": "pareto.records:LosslessRecord",
    "mutants": "sim.records:MutantRecord",
    "mutants-dot": "sim.records:DotMutantRecord",
    "profile": "accuracy.profile.tensors:TensorRecord",
    "prove": "area.search.proof_plan:ProofRecord",
    "prove-unit": "area.search.unit_proofs:UnitClaim",
    "quantize": "checkpoints.records:QuantizationRecord",
    "releases": "pareto.releases:ReleaseRecord",
    "recommend": "pareto.records:Recommendation",
    "rtl": "sim.records:ExportRecord",
    "rtl-array": "sim.array.record:ArrayExport",
    "rtl-dot": "sim.records:DotExportRecord",
    "rtl-unit": "cli.records:UnitFileRecord",
    "sim": "sim.records:SimulationRecord",
    "sim-array": "sim.array.record:ArraySimulation",
    "sim-bf16_mac": "sim.records:Bf16SimulationRecord",
    "sim-dfloat11": "sim.records:DecoderSimulationRecord",
    "sim-dot": "sim.records:DotSimulationRecord",
    "sim-dut": "sim.records:DutRecord",
    "synth": "area.search.records:SynthesisRecord",
    "synth-bf16_mac": "area.search.unit_records:Bf16MacRecord",
    "synth-dfloat11": "area.search.unit_records:DecoderRecord",
    "run": "sim.array.record:LayerRun",
    "synth-array": "area.search.array_records:ArrayRecord",
    "synth-dot": "area.search.dot_records:DotRecord",
    "synth-target": "area.search.records:FpgaRecord",
    "tech": "cli.records:CardRecord",
    "train-bytelm": "accuracy.bytelm.release:TrainingRecord",
    "triple": "gpu_ref.records:TripleRecord",
    "triple-dot": "cli.triple_record:DotTripleRecord",
    "verify": "checkpoints.records:VerificationRecord",
}
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[RECORD]",
        help="Name of a record; without one, all records are listed.",
        show_default=False,
    ),
]


def _record_type(place: str) -> type[Record]:
    module, _, name = place.partition(":")
    kind: type[Record] = getattr(import_module(f"halfbyte.{module}"), name)
    return kind


def record_types() -> dict[str, type[Record]]:
    """The types of all records, by the names that the command takes."""
    return {name: _record_type(place) for name, place in _RECORDS.items()}


def schema(name: Name = None) -> None:
    """Print the JSON Schema of a record: fields, types, units. Without a name, list the records."""
    if name is None:
        rows = [[each, str(kind.schema()["description"])] for each, kind in record_types().items()]
        table(
            "Records",
            ["name", "what it says"],
            rows,
            "`halfbyte schema NAME` prints the schema of one record",
        )
        return
    if name not in _RECORDS:
        nearest = difflib.get_close_matches(name[:60], _RECORDS, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise UserError(f"Unknown record {name[:60]!r}; {hint}known: {', '.join(_RECORDS)}")
    sys.stdout.write(json_text(_record_type(_RECORDS[name]).schema(), indent=2) + "\n")
