"""Runs the kernel of the ``dfloat11`` package, which ships as PTX (CUDA's intermediate code).

DFloat11 is a lossless compression of weights. The benchmark runs this kernel and halfbyte's on the
same data. The package itself loads the kernel with CuPy; here CUDA's driver interface loads it.
"""

import ctypes
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from halfbyte.base import ToolError, UserError
from halfbyte.golden.dfloat11 import published
from halfbyte.gpu_ref.dfloat11.published import PublishedModule

__all__ = ["Launch", "PackageKernel", "find_ptx", "launch_of"]

# Bytes of dynamic shared memory that a kernel gets by default.
_DEFAULT_SHARED = 48 << 10
_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


def find_ptx() -> Path:
    """The path of ``decode.ptx`` in the installed package; raises UserError if it is missing."""
    spec = importlib.util.find_spec("dfloat11")
    path = Path(spec.origin).with_name("decode.ptx") if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError(
            "The kernel of dfloat11 is not installed; run: pip install --no-deps dfloat11"
        )
    return path


@dataclass(frozen=True)
class Launch:
    """Grid, shared memory and arguments of one call, as the package computes them."""

    blocks: int
    threads: int
    shared_bytes: int
    arguments: tuple[ctypes.c_uint64 | ctypes.c_int32, ...]


def launch_of(module: PublishedModule, out: Tensor) -> Launch:
    """The call of the package's kernel that decodes ``module`` into ``out``, (elements,) BF16."""
    positions = module.output_positions.cpu().view(torch.int32).to(torch.int64)
    block_bytes = published.BYTES_PER_THREAD * published.THREADS_PER_BLOCK
    largest = int(positions.diff().max())
    parts = (
        module.luts, module.encoded_exponent, module.sign_mantissa, module.output_positions,
        module.gaps, out,
    )  # fmt: skip
    counts = len(module.luts), len(module.encoded_exponent), module.elements
    return Launch(
        blocks=-(-len(module.encoded_exponent) // block_bytes),
        threads=published.THREADS_PER_BLOCK,
        # Four bytes for each thread and four more, and the BF16 elements of the largest block.
        shared_bytes=4 * published.THREADS_PER_BLOCK + 4 + 2 * largest,
        arguments=(
            *(ctypes.c_uint64(part.data_ptr()) for part in parts),
            *(ctypes.c_int32(count) for count in counts),
        ),
    )


class PackageKernel:
    """The package's kernel, loaded on the GPU that PyTorch uses."""

    def __init__(self) -> None:
        torch.zeros(1, device="cuda")  # makes PyTorch's context current
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise ToolError(f"CUDA's driver cannot be loaded: {error}") from None
        self._function, module = ctypes.c_void_p(), ctypes.c_void_p()
        text = find_ptx().read_bytes() + b"\0"
        self._call("cuModuleLoadData", ctypes.byref(module), text)
        self._call("cuModuleGetFunction", ctypes.byref(self._function), module, b"decode")

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a function of CUDA's driver; raise ToolError if it fails."""
        status = getattr(self._driver, name)(*arguments)
        if status:
            raise ToolError(f"{name} of CUDA's driver failed with error {status}")

    def run(self, launch: Launch) -> None:
        """Start one call of the kernel on PyTorch's current stream."""
        if launch.shared_bytes > _DEFAULT_SHARED:
            self._call(
                "cuFuncSetAttribute", self._function, _MAX_DYNAMIC_SHARED, launch.shared_bytes
            )
        pointers = (ctypes.c_void_p * len(launch.arguments))(
            *(ctypes.addressof(argument) for argument in launch.arguments)
        )
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._call(
            "cuLaunchKernel", self._function, launch.blocks, 1, 1, launch.threads, 1, 1,
            launch.shared_bytes, stream, pointers, None,
        )  # fmt: skip
