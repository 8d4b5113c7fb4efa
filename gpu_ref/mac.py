"""Simulates MAC (multiply-accumulate) units with the kernel, cycle by cycle like the RTL."""

import torch
from torch import Tensor

from halfbyte.formats import Format, Overflow, check_acc_width
from halfbyte.golden.checks import check_codes, check_integer
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.structures import MacStream

__all__ = ["mac_stream"]

_OVERFLOWS = {Overflow.WRAP: 0, Overflow.SATURATE: 1}


def mac_stream(
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    *,
    weight: Format,
    activation: Format,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    enable: Tensor | None = None,
    initial: int = 0,
) -> Tensor:
    """The accumulators after each of T cycles of ``acc <= (clear ? 0 : acc) + w * a``.

    w_codes, a_codes: (T,) or (S, T) uint8 for S independent accumulators, one code per byte.
    clear, enable: bool of the same shape; a cycle without enable keeps the accumulator. initial:
    the accumulator before the first cycle. Returns int64 of that shape, in units of
    ``weight.quantum * activation.quantum``. Inputs that are transposes of contiguous (T, S) tensors
    are the fastest on a GPU. The result is then also such a transpose.
    """
    check_acc_width(acc_width)
    if not isinstance(overflow, Overflow):
        raise TypeError(f"overflow must be an Overflow, not {overflow!r}")
    half = 1 << acc_width - 1
    check_integer("initial", initial, -half, half - 1)
    columns = [check_codes(w_codes, weight), check_codes(a_codes, activation), clear]
    columns += [] if enable is None else [enable]
    _check_columns(columns)
    device, shape = w_codes.device, w_codes.shape
    streams, cycles = (1, shape[0]) if len(shape) == 1 else shape
    # If the codes of one cycle are neighbours in memory, they are not rearranged: neighbouring GPU
    # threads then read neighbouring bytes.
    beside = len(shape) == 2 and columns[0].T.is_contiguous() and not columns[0].is_contiguous()
    if beside:
        columns = [column.T.contiguous() for column in columns]
        acc = torch.empty((cycles, streams), dtype=torch.int64, device=device).T
    else:
        columns = [column.contiguous() for column in columns]
        acc = torch.empty(shape, dtype=torch.int64, device=device)
    start = torch.full((streams,), initial, dtype=torch.int64, device=device)
    if acc.numel():
        call = MacStream(
            w=columns[0].data_ptr(),
            a=columns[1].data_ptr(),
            clear=columns[2].data_ptr(),
            enable=columns[3].data_ptr() if enable is not None else None,
            initial=start.data_ptr(),
            acc=acc.data_ptr(),
            streams=streams,
            cycles=cycles,
            stream_stride=1 if beside else cycles,
            cycle_stride=streams if beside else 1,
            acc_width=acc_width,
            overflow=_OVERFLOWS[overflow],
        )
        tables = format_table(weight), format_table(activation)
        library_for(device).call("hb_mac_stream", device, *tables, call)
    return acc


def _check_columns(columns: list[Tensor]) -> None:
    for name, flags in zip(("clear", "enable"), columns[2:], strict=False):
        if not isinstance(flags, Tensor) or flags.dtype != torch.bool:
            kind = flags.dtype if isinstance(flags, Tensor) else type(flags).__name__
            raise TypeError(f"{name} must be a torch.bool tensor, not {kind}")
    shapes = {tuple(column.shape) for column in columns}
    devices = {column.device for column in columns}
    if len(shapes) != 1 or len(devices) != 1 or len(min(shapes)) not in (1, 2):
        raise ValueError(
            "mac_stream needs inputs of one shape, (T,) or (S, T), on one device, not "
            f"{sorted(shapes)} on {sorted(map(str, devices))}"
        )
