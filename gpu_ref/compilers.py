"""Finds nvcc and checks its version."""

import os
import re
import shutil
from functools import cache

import torch

from halfbyte.base import ToolError
from halfbyte.base.compilers import SHARED_LIBRARY, Compiler, run_tool

__all__ = ["cuda_compiler", "find_nvcc"]

# The first nvcc that knows sm_90. C++17 in device code needs only 11.0.
OLDEST_NVCC = (11, 8)
_INSTALLED_NVCC = ("/usr/local/cuda/bin/nvcc", "/opt/cuda/bin/nvcc")

_CUDA = (
    "-fmad=false",
    "-ftz=false",
    "-prec-div=true",
    "-Xcompiler=-fPIC,-fvisibility=hidden",
)
# Flags for the architectures. If the machine has no GPU, or one that nvcc does not know, the
# library is compiled for capability 8.0, for capability 9.0 (_HOPPER, or _WARPGROUPS with Hopper's
# warpgroup instructions), and to PTX, NVIDIA's intermediate code, which the driver compiles for
# later GPUs.
_OLDEST = ("-gencode=arch=compute_80,code=sm_80",)
_HOPPER = ("-gencode=arch=compute_90,code=sm_90",)
_WARPGROUPS = ("-gencode=arch=compute_90a,code=sm_90a", "-DHB_WARPGROUPS")
_LATER = ("-gencode=arch=compute_90,code=compute_90",)
WARPGROUP_NVCC = (12, 0)  # the first nvcc that knows sm_90a


def find_nvcc() -> str | None:
    """The path of nvcc; None if it is not found.

    If the environment variable NVCC is set, it names nvcc. Otherwise, nvcc is searched for on the
    path, under ``$CUDA_HOME`` and where it is usually installed.
    """
    chosen = os.environ.get("NVCC")
    if chosen:
        return shutil.which(chosen)
    homes = [f"{home}/bin/nvcc" for home in [os.environ.get("CUDA_HOME")] if home]
    candidates = ["nvcc", *homes, *_INSTALLED_NVCC]
    return next(filter(None, map(shutil.which, candidates)), None)


def _architectures(path: str, hopper: tuple[str, ...]) -> tuple[str, ...]:
    """Flags for the GPUs of this machine, or for all supported GPUs.

    The latter if the machine has no GPU, or one that nvcc does not know. ``hopper`` are the flags
    for capability 9.0.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = {torch.cuda.get_device_capability(index) for index in range(count)}
    names = [f"{major}{minor}" for major, minor in sorted(found)]
    known = run_tool([path, "--list-gpu-code"]).stdout.split()
    if not names or any(f"sm_{name}" not in known for name in names):
        return (*_OLDEST, *hopper, *_LATER)
    flags = [f"-gencode=arch=compute_{name},code=sm_{name}" for name in names if name != "90"]
    return (*flags, *(hopper if "90" in names else ()))


@cache
def _cuda_compiler(path: str) -> Compiler:
    """The nvcc at ``path``, with its version and flags."""
    text = run_tool([path, "--version"]).stdout
    release = re.search(r"release (\d+)\.(\d+), (V[\d.]+)", text)
    if release is None:
        command = [path, "--version"]
        raise ToolError(f"{path} names no release of CUDA: is it nvcc?", command, text)
    version = int(release[1]), int(release[2])
    if version < OLDEST_NVCC:
        raise ToolError(
            f"nvcc {release[1]}.{release[2]} is too old: the CUDA build needs "
            f"{OLDEST_NVCC[0]}.{OLDEST_NVCC[1]} or newer; set NVCC to a newer one"
        )
    hopper = _WARPGROUPS if version >= WARPGROUP_NVCC else _HOPPER
    flags = (*SHARED_LIBRARY, *_CUDA, *_architectures(path, hopper))
    return Compiler((path,), f"nvcc {release[3]}", flags)


def cuda_compiler() -> Compiler:
    """The nvcc that :func:`find_nvcc` finds; raises ToolError if it is missing or too old."""
    path = find_nvcc()
    if path is None:
        raise ToolError(
            "nvcc was not found, and CUDA tensors need it: install the CUDA toolkit or set NVCC, "
            "or move the tensors to the CPU, where the host build computes the same bits"
        )
    return _cuda_compiler(path)
