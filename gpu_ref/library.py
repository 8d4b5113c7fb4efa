"""Loads the CUDA build (for GPUs) and the host build (for CPUs) of the kernels, and calls them."""

import ctypes
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from halfbyte.base import ToolError, UserError
from halfbyte.base.libraries import loaded
from halfbyte.gpu_ref.abi import STRUCTURES, prototypes, tile_prototypes
from halfbyte.gpu_ref.build import build_cuda, build_host, build_tiles
from halfbyte.gpu_ref.dfloat11_structures import Container, DecodePublished, JointContainer
from halfbyte.gpu_ref.structures import Context, FormatTable, Layout

__all__ = ["Library", "cuda_library", "host_library", "library_for", "tile_library"]

# The first compute capability with mma.m16n8k32 on int8 and with asynchronous copies.
OLDEST_CAPABILITY = (8, 0)
# If this environment variable is 1, the host build has the address and undefined-behaviour
# sanitizers. Their runtime must then be loaded before Python (LD_PRELOAD).
SANITIZE_VARIABLE = "HALFBYTE_GPU_REF_SANITIZE"
Functions = Callable[[str], Mapping[str, tuple[Any, ...]]]


class Library:
    """A loaded build of the kernels.

    Parameters
    ----------
    handle : ctypes.CDLL
        The library; its structures must have the sizes of those in :mod:`.abi`.
    functions : function
        Takes ``cuda`` or ``host``; returns the library's functions and their argument types.
    """

    def __init__(self, handle: ctypes.CDLL, functions: Functions = prototypes) -> None:
        self._handle = handle
        handle.hb_kind.restype = handle.hb_error.restype = ctypes.c_char_p
        self.kind: str = handle.hb_kind().decode()
        self._check_sizes()
        for name, types in functions(self.kind).items():
            getattr(handle, name).argtypes = types
        handle.hb_tensor_scale.argtypes = (
            ctypes.c_float,
            ctypes.POINTER(FormatTable),
            ctypes.c_int32,
        )
        handle.hb_tensor_scale.restype = ctypes.c_float

    def _check_sizes(self) -> None:
        """Raise ToolError if the sizes of structures in the library differ from those in Python."""
        sizes = (ctypes.c_int64 * len(STRUCTURES))()
        self._handle.hb_sizes(sizes, len(STRUCTURES))
        wanted = [ctypes.sizeof(structure) for structure in STRUCTURES]
        if list(sizes) != wanted:
            raise ToolError(f"The library's structures must have sizes {wanted}, not {list(sizes)}")

    def call(self, name: str, device: torch.device, *arguments: Any) -> None:
        """Run a kernel on ``device``; structures are passed by reference.

        If the kernel fails, raises ToolError with the message of CUDA or of the host build.
        """
        if self.kind == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            stream = torch.cuda.current_stream(index).cuda_stream
            context = Context(device=index, stream=stream)
        else:
            context = Context(threads=torch.get_num_threads())
        passed = [
            ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument
            for argument in arguments
        ]
        if getattr(self._handle, name)(ctypes.byref(context), *passed):
            text = self._handle.hb_error().decode(errors="replace")
            raise ToolError(f"{name.removeprefix('hb_')} failed on {device}: {text}")

    def tensor_scale(self, absmax: float, table: FormatTable, rule: int) -> float:
        """The FP32 scale of a whole tensor whose block scales are E4M3.

        ``absmax`` is the tensor's absolute maximum; ``rule`` is a ScaleRule of arithmetic.h.
        """
        scale: float = self._handle.hb_tensor_scale(absmax, ctypes.byref(table), rule)
        return scale

    def in_spans(self, call: ctypes.Structure) -> bool:
        """Whether the quantizer ``spans`` takes this call; see in_spans() in quantize.h."""
        return bool(self._handle.hb_in_spans(ctypes.byref(call)))

    def layout(self, rows: int, length: int, block: int) -> Layout:
        """Where the elements of an operand lie after it is decoded to padded int8."""
        layout = Layout(rows=rows, length=length, block=block)
        self._handle.hb_complete(ctypes.byref(layout))
        return layout

    def read_container(self, head: torch.Tensor, size: int) -> tuple[int, Container]:
        """Read the header of a tensor in the prefix layout of DFloat11.

        head: the first bytes, on the CPU; size: bytes of the whole compressed tensor. Returns the
        number of the damage that was found, 0 if there is none, and the content of the header.
        """
        found = Container()
        address, held = head.data_ptr(), head.numel()
        damage: int = self._handle.hb_dfloat11_read(address, held, size, ctypes.byref(found))
        return damage, found

    def read_joint(self, head: torch.Tensor, size: int) -> tuple[int, JointContainer]:
        """Read the header of a tensor in the joint layout, as :meth:`read_container` does."""
        found = JointContainer()
        address, held = head.data_ptr(), head.numel()
        damage: int = self._handle.hb_dfloat11_read_joint(address, held, size, ctypes.byref(found))
        return damage, found

    def index_joint(
        self, container: JointContainer, sizes: torch.Tensor
    ) -> tuple[int, torch.Tensor]:
        """Compute where the data of each chunk begins in the joint layout of DFloat11.

        sizes: the part ``sizes`` of the layout, uint8 on the CPU. Returns the number of the damage
        that was found in them, 0 if there is none, and (3, chunks + 1) int64: the first word of the
        stream, the first escape and the first byte of raw bits of each chunk, and last the total
        numbers of words, escapes and bytes.
        """
        starts = torch.zeros(3, container.chunks + 1, dtype=torch.int64)
        damage: int = self._handle.hb_dfloat11_index(
            ctypes.byref(container), sizes.data_ptr(), starts.data_ptr()
        )
        return damage, starts

    def check_published(self, call: DecodePublished) -> int:
        """Check the sizes of a module's parts in the layout of the ``dfloat11`` package.

        Returns the number of the damage that was found, 0 if there is none.
        """
        damage: int = self._handle.hb_dfloat11_check(ctypes.byref(call))
        return damage

    @property
    def has_groups(self) -> bool:
        """Whether this :func:`tile_library` has, or emulates, Hopper's warpgroup instructions."""
        return bool(self._handle.hb_has_groups())

    @property
    def simd(self) -> str | None:
        """The vector instructions of the host build; None for the CUDA build."""
        if self.kind == "cuda":
            return None
        self._handle.hb_simd.restype = ctypes.c_char_p
        name: str = self._handle.hb_simd().decode()
        return name


@cache
def tile_library(kind: str) -> Library:
    """The library of :func:`.build_tiles`: tensor-core kernels with other tile sizes."""
    return Library(loaded(build_tiles(kind)), lambda kind: tile_prototypes())


@cache
def host_library() -> Library:
    """The host build, compiled if necessary."""
    return Library(loaded(build_host(sanitize=os.environ.get(SANITIZE_VARIABLE) == "1")))


@cache
def cuda_library() -> Library:
    """The CUDA build, compiled if necessary; raises ToolError if nvcc is missing or too old."""
    return Library(loaded(build_cuda()))


def library_for(device: torch.device) -> Library:
    """The build that works on tensors of ``device``.

    Raises UserError for devices other than the CPU and NVIDIA GPUs of capability 8.0 and above.
    """
    if device.type == "cpu":
        return host_library()
    if device.type != "cuda" or torch.version.hip is not None:
        raise UserError(f"Tensors must be on the CPU or an NVIDIA GPU, not on {device}")
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        raise UserError(
            f"{torch.cuda.get_device_name(device)} has compute capability {capability[0]}."
            f"{capability[1]}: the kernels need {OLDEST_CAPABILITY[0]}.{OLDEST_CAPABILITY[1]} or "
            "newer; move the tensors to the CPU"
        )
    return cuda_library()
