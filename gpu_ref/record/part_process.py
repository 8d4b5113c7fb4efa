"""Runs one part: ``python -m halfbyte.gpu_ref.record.part_process PART DEVICE``.

A part is one check or one benchmark of the kernels. Each result is printed as one line of JSON, as
soon as it is known.
"""

import json
import sys

import torch

from halfbyte.gpu_ref.record.parts import PARTS

__all__ = ["main"]


def main(name: str, device: str) -> None:
    """Run the part ``name`` on ``device`` and print its results."""
    (part,) = [part for part in PARTS if part.name == name]
    for result in part.results(torch.device(device)):
        print(json.dumps(result, allow_nan=False), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
