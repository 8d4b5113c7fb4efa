"""Runs all checks and benchmarks of the kernels: ``python -m halfbyte.gpu_ref.record``.

By default, the results are written to ``docs/records/gpu-NAME-DATE.json``, and to a ``.md`` file
beside it.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from halfbyte.base import JsonObject, write_atomically
from halfbyte.gpu_ref.record.page import page
from halfbyte.gpu_ref.record.part import Part
from halfbyte.gpu_ref.record.parts import PARTS
from halfbyte.gpu_ref.record.run import PartEntry, RunRecord
from halfbyte.gpu_ref.record.runner import run_part

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; return the exit status, 0 if all are complete and no number differs."""
    options = _parser().parse_args(arguments)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: PyTorch sees no GPU here; --device cpu records the host build")
    path = options.output / f"gpu-{_name(device)}-{datetime.now(UTC):%Y-%m-%d}.json"
    record = RunRecord(date=datetime.now(UTC).isoformat(timespec="seconds"))
    for part in PARTS:
        if options.only and part.name not in options.only:
            continue
        limit = part.seconds if options.seconds is None else options.seconds
        print(f"{part.title} (at most {limit:g} s)", file=sys.stderr, flush=True)
        record = _run(part, device, limit, record, path)
    print(page(record))
    print(f"wrote {path} and {path.with_suffix('.md').name}", file=sys.stderr)
    return 0 if record.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make gpu-record",
        description="Compare the kernels with the golden model, on a GPU or on the CPU, then time "
        "them.",
    )
    parser.add_argument(
        "--device",
        choices=("cuda", "cpu"),
        help="where the kernels run; by default a GPU if there is one, else the CPU",
    )
    names = [part.name for part in PARTS]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="PART",
        help=f"run only these parts: {', '.join(names)}",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help="time limit of each part, in seconds; by default each part has its own limit",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("docs/records"),
        help="folder for the record; default: docs/records",
    )
    return parser


def _name(device: str) -> str:
    """The GPU's name, or ``host`` for the CPU, in lower case, for a file name."""
    name = torch.cuda.get_device_name() if device == "cuda" else "host"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _run(part: Part, device: str, seconds: float, record: RunRecord, path: Path) -> RunRecord:
    """Run one part, writing the record after each result; return the record with that part."""
    entry = PartEntry(title=part.title, status="running", seconds=None, error=None)
    results: list[JsonObject] = []

    def kept(entry: PartEntry) -> RunRecord:
        found = record.with_part(part.name, replace(entry, results=tuple(results)))
        write_atomically(path, json.dumps(found.as_json(), indent=1, allow_nan=False) + "\n")
        write_atomically(path.with_suffix(".md"), page(found))
        return found

    def keep(result: JsonObject) -> None:
        results.append(result)
        kept(entry)

    ending = run_part(part.name, device, seconds, keep)
    return kept(replace(entry, status=ending.status, seconds=ending.seconds, error=ending.error))


if __name__ == "__main__":
    sys.exit(main())
