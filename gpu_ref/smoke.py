"""Runs the kernels briefly: ``python -m halfbyte.gpu_ref.smoke cpu|cuda``.

:mod:`.sanitizers` runs this command under a sanitizer. The command exits with status 1 if a number
differs from the golden model (:mod:`halfbyte.golden`), or if a kernel gave no numbers to compare.
"""

import sys

import torch

from halfbyte.formats import load
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.check import check_format
from halfbyte.gpu_ref.comparison import merged
from halfbyte.gpu_ref.dfloat11.check import check_dfloat11
from halfbyte.gpu_ref.unit_check import check_units

__all__ = ["main"]

FORMATS = ("e2m1_sp", "e2m3")  # formats with two codes in a byte, and with one
# Emulation of many tiles under a sanitizer would take minutes.
SHAPES = [shape for shape in cases.SHAPES if shape.n < 1000]


def main(device: str) -> int:
    """Run the kernels on ``device``; return the exit status."""
    chosen, formats = torch.device(device), [load(name) for name in FORMATS]
    totals = merged(
        [
            *(each for fmt in formats for each in check_format(fmt, chosen, shapes=SHAPES)),
            # One run with both formats covers both ways of packing codes.
            *check_units(formats[0], chosen, activation=formats[1]),
            *check_dfloat11(chosen),
        ]
    )
    for total in totals:
        print(f"{total.kernel}: {total.compared} compared, {total.different} different")
    return int(any(total.different or not total.compared for total in totals))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
