"""Finds a decoder for a device: the codec itself for the CPU, a registered decoder for others.

A package registers a decoder by an entry point in the group ``halfbyte.dfloat11.decoders``. The
name of the entry point is PyTorch's device type, such as ``cuda``. So the codec does not
depend on the packages that contain decoders.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.layouts import opened

__all__ = ["GROUP", "Prepared", "prepare"]

GROUP = "halfbyte.dfloat11.decoders"

Prepared = Callable[[], Tensor]
"""Returns the decoded tensor, on the device of the compressed data. Checks no CRC or digest."""


@cache
def _registered(device_type: str) -> Callable[[Tensor], Prepared]:
    """The registered decoder for this type of device; UserError if there is none."""
    found = entry_points(group=GROUP, name=device_type)
    if not found:
        raise UserError(f"No decoder of DFloat11 is installed for {device_type} devices")
    loaded: Callable[[Tensor], Prepared] = next(iter(found)).load()
    return loaded


def prepare(data: Tensor, *, device: torch.device | str | None = None) -> Prepared:
    """Return a function that decodes ``data`` each time it is called.

    data: (bytes,) uint8. Verify it first, since the function does not. device: where to decode,
    either the CPU or the device of ``data`` (the default). The decoded tensor is on the device of
    ``data``. The CPU can decode data that is on another device: the data is copied to the CPU, and
    the decoded tensor is copied back.

    Raises UserError if there is no decoder for the device, or if ``device`` is neither the CPU nor
    the device of ``data``. Raises ToolError if the decoder cannot be built.
    """
    chosen = torch.device(device or data.device).type
    if chosen == "cpu":
        decode, home = opened(data.cpu()), data.device
        return decode if home.type == "cpu" else lambda: decode().to(home)
    if chosen != data.device.type:
        raise UserError(
            f"Data on a {data.device.type} device cannot be decoded on {chosen}: move the data "
            f"to {chosen}, or decode it on the CPU"
        )
    return _registered(data.device.type)(data)
