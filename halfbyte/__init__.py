"""Hardware design and simulation of 4-bit number formats.

>>> import halfbyte
>>> fmt = halfbyte.load("e2m1_sp")
>>> spec = halfbyte.mac(fmt, terms=256)
>>> record = halfbyte.synthesize(spec)

This package offers what a notebook needs:

- formats: ``load``, ``format_names``, ``Format``
- the golden model, the exact reference in PyTorch, on arrays: ``encode``, ``decode``,
  ``quantize``, ``gemm``, ``mac_stream``
- units: ``mac`` makes a ``MacSpec``, the specification of a multiply-accumulate unit (MAC);
  ``Overflow`` says what happens if a sum is outside the range of the accumulator
- hardware: ``synthesize``, ``simulate``, ``prove``, ``export``
- models: ``evaluate``
- tables and plots: ``records_to_frame``, ``plot_frontier``

Each name is imported on its first use, so that ``import halfbyte`` is quick.

Results of measurements are typed records: ``SynthesisRecord``, ``SimulationRecord``,
``ProofRecord``, ``ExportRecord``, ``EvaluationRecord``. Each has ``as_json()``, ``from_json()`` and
``schema()``.
An error that the user can correct is a ``UserError``. If an external tool fails, the error is a
``ToolError``.

The subpackages for users are ``formats``, ``golden``, ``rtl``, ``checkpoints``, ``accuracy``,
``sim``, ``area``, ``gpu_ref`` and ``pareto``. The command ``halfbyte`` gives access to all of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from halfbyte.accuracy.record import EvaluationRecord
    from halfbyte.api import (
        decode,
        encode,
        evaluate,
        export,
        format_names,
        gemm,
        load,
        mac,
        mac_stream,
        plot_frontier,
        prove,
        quantize,
        records_to_frame,
        simulate,
        synthesize,
    )
    from halfbyte.area.search.proof_plan import ProofRecord
    from halfbyte.area.search.records import SynthesisRecord
    from halfbyte.base.errors import ToolError, UserError
    from halfbyte.formats import Format, Overflow
    from halfbyte.golden import Quantized
    from halfbyte.rtl import MacSpec
    from halfbyte.sim.records import ExportRecord, SimulationRecord

__version__ = "0.2.0"

# The submodule from which each public name is imported.
_HOMES = {
    "EvaluationRecord": "accuracy.record",
    "ExportRecord": "sim.records",
    "Format": "formats",
    "MacSpec": "rtl",
    "Overflow": "formats",
    "ProofRecord": "area.search.proof_plan",
    "Quantized": "golden",
    "SimulationRecord": "sim.records",
    "SynthesisRecord": "area.search.records",
    "ToolError": "base.errors",
    "UserError": "base.errors",
    "decode": "api",
    "encode": "api",
    "evaluate": "api",
    "export": "api",
    "format_names": "api",
    "gemm": "api",
    "load": "api",
    "mac": "api",
    "mac_stream": "api",
    "plot_frontier": "api",
    "prove": "api",
    "quantize": "api",
    "records_to_frame": "api",
    "simulate": "api",
    "synthesize": "api",
}
__all__ = [
    "EvaluationRecord",
    "ExportRecord",
    "Format",
    "MacSpec",
    "Overflow",
    "ProofRecord",
    "Quantized",
    "SimulationRecord",
    "SynthesisRecord",
    "ToolError",
    "UserError",
    "__version__",
    "decode",
    "encode",
    "evaluate",
    "export",
    "format_names",
    "gemm",
    "load",
    "mac",
    "mac_stream",
    "plot_frontier",
    "prove",
    "quantize",
    "records_to_frame",
    "simulate",
    "synthesize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
