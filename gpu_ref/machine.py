"""Describes the machine on which a result was computed: device, driver, compiler, versions."""

import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from halfbyte.base import versions_of
from halfbyte.base.compilers import host_compiler
from halfbyte.gpu_ref.compilers import cuda_compiler
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.records import MachineRecord

__all__ = ["describe", "pick_device", "processor"]


def pick_device() -> torch.device:
    """A GPU if PyTorch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processor() -> str:
    """The processor's name from /proc/cpuinfo; without it, what Python knows of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _driver() -> str | None:
    """The version of NVIDIA's driver; None if ``nvidia-smi`` is missing or fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None  # it prints its error where the version would be
    return done.stdout.partition("\n")[0].strip() or None


def describe(device: torch.device) -> MachineRecord:
    """Describe this machine, and the build of the kernels that computes on ``device``."""
    library = library_for(device)
    on_gpu = library.kind == "cuda"
    capability = torch.cuda.get_device_capability(device) if on_gpu else None
    compiler = cuda_compiler() if on_gpu else host_compiler()
    return MachineRecord(
        build=library.kind,
        device=torch.cuda.get_device_name(device) if on_gpu else processor(),
        compute_capability=".".join(map(str, capability)) if capability else None,
        driver=_driver() if on_gpu else None,
        simd=library.simd,
        threads=None if on_gpu else torch.get_num_threads(),
        compiler=compiler.version,
        flags=tuple(compiler.flags),
        versions={
            **versions_of("halfbyte", "torch", "numpy"),
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
        },
        system=platform.platform(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
