"""The layouts of a quantized weight's codes and scales in safetensors files.

A *block* is a run of neighbouring elements that share a scale. A *mirrored* block is quantized with
the negated values of the format.

halfbyte's own layout has these tensors for a weight ``NAME``:

- ``NAME.codes``: uint8. Codes of at most 4 bits are stored two to a byte, the even index in the low
  half.
- ``NAME.scales``: the scale of each block, in FP32, FP16 or BF16, or as a byte for 8-bit types.
- ``NAME.tensor_scale``: a further scale of the whole tensor, in FP32, only with E4M3 scales.
- ``NAME.mirrored``: uint8, 1 for a mirrored block and 0 for others, only if blocks may be mirrored.

Rows are the outputs of the layer, and blocks run along the inputs. If a tensor holds matrices of
several experts, the experts are the first dimension.

The second layout is that of the compressed-tensors package, named ``mxfp4-pack-quantized`` or
``nvfp4-pack-quantized`` there. transformers and vLLM read it. It has the tensors ``weight_packed``
for codes and ``weight_scale`` for scales. NVFP4 also has ``weight_global_scale``: the reciprocal of
the scale of the whole tensor.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from halfbyte.base import Json, JsonObject, UserError
from halfbyte.checkpoints.plan import Plan, StoredWeight
from halfbyte.formats import Format, load
from halfbyte.golden import Quantized, pack
from halfbyte.golden.operand import Operand
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat, scales_of_codes

__all__ = ["STORAGES", "CompressedTensors", "OwnStorage", "Storage", "is_packed"]

NIBBLE = 4  # bits
_TYPES = {ScaleFormat.FP32: "F32", ScaleFormat.FP16: "F16", ScaleFormat.BF16: "BF16"}
_TORCH = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "U8": torch.uint8}
_MX, _NV = 32, 16  # elements of a block in MXFP4 and in NVFP4


def is_packed(fmt: Format) -> bool:
    """Whether two codes of the format share a byte."""
    return fmt.bits <= NIBBLE


Shapes = dict[str, tuple[str, tuple[int, ...]]]
"""For the name of each tensor, its dtype (named as in safetensors) and its shape."""


class Storage(Protocol):
    """A layout of quantized weights in files. An ``operand`` says how weights are quantized."""

    name: str

    def names(self, weight: str, operand: Operand) -> dict[str, str]:
        """The names of a weight's tensors by their kinds.

        The kinds are ``codes``, ``scales``, ``tensor_scale`` and ``mirrored``.
        """
        ...

    def shapes(self, weight: StoredWeight, fmt: Format, operand: Operand) -> Shapes:
        """Types and shapes of the tensors that are written for a weight."""
        ...

    def parts(self, quantized: Quantized, operand: Operand) -> dict[str, Tensor]:
        """The data to write for some rows, by kind, without the scale of the whole tensor."""
        ...

    def tensor_scale(self, scale: Tensor) -> Tensor:
        """The data to write for the scale of a whole tensor, float32."""
        ...

    def scales(self, parts: Mapping[str, Tensor], scale_format: ScaleFormat) -> Tensor:
        """The FP32 scales of the blocks, from the stored tensors ``parts``, given by kind."""
        ...

    def check(self, plan: Plan, fmt: Format, operand: Operand) -> None:
        """Raise UserError if the layout cannot hold these weights."""
        ...

    def config(self, plan: Plan, fmt: Format, operand: Operand) -> dict[str, Json]:
        """The entry ``quantization_config`` for the model's configuration."""
        ...


def _blocks(inputs: int, operand: Operand) -> int:
    """Blocks in a row of this many inputs; a whole row is one block if no block size is given."""
    return 1 if operand.block is None else -(-inputs // operand.block)


def _lead(weight: StoredWeight) -> tuple[int, ...]:
    """The dimension of the experts, which precedes the others; empty if there is one matrix."""
    return () if weight.experts is None else (weight.experts,)


class OwnStorage:
    """halfbyte's own layout, for every format and every way to quantize weights."""

    name = "halfbyte"

    def names(self, weight: str, operand: Operand) -> dict[str, str]:
        """See :class:`Storage`."""
        found = {"codes": f"{weight}.codes", "scales": f"{weight}.scales"}
        if operand.scale_format.has_tensor_scale:
            found["tensor_scale"] = f"{weight}.tensor_scale"
        if operand.supernormal_sign is SupernormalSign.BLOCK:
            found["mirrored"] = f"{weight}.mirrored"
        return found

    def shapes(self, weight: StoredWeight, fmt: Format, operand: Operand) -> Shapes:
        """See :class:`Storage`."""
        outputs, inputs = weight.matrix_shape
        width = -(-inputs // 2) if is_packed(fmt) else inputs
        blocks = (*_lead(weight), outputs, _blocks(inputs, operand))
        kinds = {
            "codes": ("U8", (*_lead(weight), outputs, width)),
            "scales": (_TYPES.get(operand.scale_format, "U8"), blocks),
            "tensor_scale": ("F32", _lead(weight)),
            "mirrored": ("U8", blocks),
        }
        return {name: kinds[key] for key, name in self.names(weight.name, operand).items()}

    def parts(self, quantized: Quantized, operand: Operand) -> dict[str, Tensor]:
        """See :class:`Storage`."""
        codes, scales = quantized.codes, quantized.scale_codes
        if scales is None:
            scales = quantized.scales.to(_TORCH[_TYPES[operand.scale_format]])
        found = {"codes": pack(codes) if is_packed(quantized.format) else codes, "scales": scales}
        if quantized.mirrored is not None:
            found["mirrored"] = quantized.mirrored.to(torch.uint8)
        return found

    def tensor_scale(self, scale: Tensor) -> Tensor:
        """See :class:`Storage`."""
        return scale

    def scales(self, parts: Mapping[str, Tensor], scale_format: ScaleFormat) -> Tensor:
        """See :class:`Storage`."""
        stored = parts["scales"]
        if scale_format in _TYPES:
            return stored.to(torch.float32)
        tensor_scale = parts.get("tensor_scale")
        if tensor_scale is not None:  # one for all outputs and blocks of a matrix
            tensor_scale = tensor_scale.reshape(*tensor_scale.shape, 1, 1)
        return scales_of_codes(stored, scale_format, tensor_scale)

    def check(self, plan: Plan, fmt: Format, operand: Operand) -> None:
        """See :class:`Storage`."""

    def config(self, plan: Plan, fmt: Format, operand: Operand) -> dict[str, Json]:
        """See :class:`Storage`."""
        return {"quant_method": self.name, "block": operand.block}


class CompressedTensors:
    """The layout of the compressed-tensors package: MXFP4 and NVFP4 in linear layers."""

    name = "compressed-tensors"

    def names(self, weight: str, operand: Operand) -> dict[str, str]:
        """See :class:`Storage`."""
        stem = weight.removesuffix("weight")
        found = {"codes": f"{stem}weight_packed", "scales": f"{stem}weight_scale"}
        if operand.scale_format.has_tensor_scale:
            found["tensor_scale"] = f"{stem}weight_global_scale"
        return found

    def shapes(self, weight: StoredWeight, fmt: Format, operand: Operand) -> Shapes:
        """See :class:`Storage`."""
        outputs, inputs = weight.matrix_shape
        kind = "F8_E4M3" if operand.scale_format.has_tensor_scale else "U8"
        kinds = {
            "codes": ("U8", (outputs, inputs // 2)),
            "scales": (kind, (outputs, _blocks(inputs, operand))),
            "tensor_scale": ("F32", (1,)),
        }
        return {name: kinds[key] for key, name in self.names(weight.name, operand).items()}

    def parts(self, quantized: Quantized, operand: Operand) -> dict[str, Tensor]:
        """See :class:`Storage`."""
        if quantized.scale_codes is None:
            raise AssertionError("check() allows only scales that are stored as bytes")
        return {"codes": pack(quantized.codes), "scales": quantized.scale_codes}

    def tensor_scale(self, scale: Tensor) -> Tensor:
        """See :class:`Storage`."""
        return scale.reciprocal().reshape(1)

    def scales(self, parts: Mapping[str, Tensor], scale_format: ScaleFormat) -> Tensor:
        """See :class:`Storage`."""
        codes = parts["scales"].view(torch.uint8)
        if "tensor_scale" not in parts:
            return scales_of_codes(codes, scale_format)
        ones = torch.ones(())
        return scales_of_codes(codes, scale_format, ones) / parts["tensor_scale"]

    def check(self, plan: Plan, fmt: Format, operand: Operand) -> None:
        """See :class:`Storage`."""
        is_nv = operand.scale_format.has_tensor_scale
        is_mx = operand.scale_format.value.startswith("e8m0")
        size = _NV if is_nv else _MX
        if fmt.values != load("e2m1").values or not (is_nv or is_mx) or operand.block != size:
            raise UserError(
                "compressed-tensors can hold E2M1 with E8M0 scales in blocks of 32 (MXFP4) or with "
                f"E4M3 scales in blocks of 16 (NVFP4), not {fmt.name} with "
                f"{operand.scale_format.value} scales in blocks of {operand.block}: choose a "
                "recipe such as w4_mx or w4_nv"
            )
        if operand.supernormal_sign is SupernormalSign.BLOCK:
            raise UserError("compressed-tensors cannot hold mirrored blocks: choose another recipe")
        for weight in _others(plan.weights):
            raise UserError(
                f"compressed-tensors can hold linear layers only, not {weight.name} "
                f"({weight.kind or 'unknown'}): leave out --layout"
            )
        for weight in plan.weights:
            if weight.matrix_shape[1] % size:
                raise UserError(
                    f"compressed-tensors needs rows of whole blocks of {size}, but those of "
                    f"{weight.name} have {weight.matrix_shape[1]} elements: leave out --layout"
                )

    def config(self, plan: Plan, fmt: Format, operand: Operand) -> dict[str, Json]:
        """See :class:`Storage`."""
        is_nv = operand.scale_format.has_tensor_scale
        weights: JsonObject = {
            "num_bits": 4,
            "type": "float",
            "symmetric": True,
            "dynamic": False,
            "strategy": "tensor_group" if is_nv else "group",
            "group_size": operand.block,
            "scale_dtype": "torch.float8_e4m3fn" if is_nv else "torch.uint8",
        }
        kind = "nvfp4-pack-quantized" if is_nv else "mxfp4-pack-quantized"
        group: JsonObject = {"targets": ["Linear"], "weights": weights, "format": kind}
        kept = [name.removesuffix(".weight") for name in plan.kept if name.endswith(".weight")]
        return {
            "quant_method": self.name,
            "format": kind,
            "quantization_status": "compressed",
            "config_groups": {"group_0": group},
            "ignore": kept,
        }


def _others(weights: Sequence[StoredWeight]) -> list[StoredWeight]:
    """The weights that are not the single matrix of a linear layer."""
    return [each for each in weights if each.kind != "Linear" or each.experts is not None]


STORAGES: dict[str, Storage] = {each.name: each for each in (OwnStorage(), CompressedTensors())}
