"""Describe a compressed file: the layout, the bits and the entropy of each part.

A *part* is a tensor of the compressed file. It holds one or several tensors of the original, in a
shorter code or as a copy.
"""

from pathlib import Path

from halfbyte.base import Progress, UserError, unheard
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.grouping import CODED_AS, elements_of
from halfbyte.checkpoints.dfloat11.index import Part
from halfbyte.checkpoints.records import PartRecord
from halfbyte.golden.dfloat11 import joint, layout_of
from halfbyte.golden.dfloat11.joint_table import order_0, widest

__all__ = ["describe_file"]


def _entropy_bits(opened: CompressedFile, part: Part) -> float | None:
    """Bits per element of a part: the entropy of its symbols, plus the other bits.

    In elements of 16 or 32 bits, a symbol consists of the exponent and the upper bits of the
    mantissa; in elements of 8 bits, of all bits. Low bits that are zero in all elements need no
    bits. Returns None for a type that cannot be coded.
    """
    kind = CODED_AS.get(opened.tensors[part.tensors[0]].dtype)
    if kind is None:
        return None
    counts = joint.count(elements_of(opened.decoded(part), kind))
    fields = widest(kind, 8 * counts.kind.bytes)
    return order_0(counts.counts) + fields.raw_bits - min(counts.zeros, fields.shift)


def describe_file(path: Path, *, on_progress: Progress = unheard) -> list[PartRecord]:
    """A record for each part of a compressed file: tensors, type, layout, bits per element.

    Raises UserError for a file that is not compressed, CorruptError for a damaged file.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}: give a compressed safetensors file")
    opened = CompressedFile.open(path)
    records = []
    for done, part in enumerate(opened.parts):
        tensors = [opened.tensors[number] for number in part.tensors]
        on_progress(done, len(opened.parts), tensors[0].name)
        elements = sum(tensor.elements for tensor in tensors)
        stored = opened.file.tensors[part.name].bytes
        title = layout_of(opened.data(part).numpy()).title if part.coded else "as it was"
        types = dict.fromkeys(tensor.dtype for tensor in tensors)
        records.append(
            PartRecord(
                tensor=tensors[0].name,
                tensors=len(tensors),
                dtype=", ".join(types),
                shape=tuple(tensors[0].shape) if len(tensors) == 1 else None,
                elements=elements,
                layout=title,
                raw_bits=8 * sum(t.bytes for t in tensors) / elements if elements else None,
                entropy_bits=_entropy_bits(opened, part) if part.coded else None,
                stored_bits=8 * stored / elements if elements else None,
                bytes=stored,
            )
        )
    return records
