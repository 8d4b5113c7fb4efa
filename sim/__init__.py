"""Simulates MACs, compares them with the golden model, and writes test vectors for other tools.

The golden model is the same arithmetic in PyTorch. Each public name is imported on first use. So
cocotb, which needs only the test bench from this package, does not wait for the import of PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from halfbyte.sim.dut import Dut, run_dut
    from halfbyte.sim.errors import SimulationError
    from halfbyte.sim.export import export_mac
    from halfbyte.sim.runner import run_many, run_regression
    from halfbyte.sim.vectors import write_bench, write_vectors
    from halfbyte.sim.wrapper import Netlists

__all__ = [
    "Dut",
    "Netlists",
    "SimulationError",
    "export_mac",
    "run_dut",
    "run_many",
    "run_regression",
    "write_bench",
    "write_vectors",
]

_HOMES = {
    "Netlists": "wrapper",
    "SimulationError": "errors",
    "Dut": "dut",
    "export_mac": "export",
    "run_dut": "dut",
    "run_many": "runner",
    "run_regression": "runner",
    "write_bench": "vectors",
    "write_vectors": "vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
