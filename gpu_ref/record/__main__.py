"""``python -m halfbyte.gpu_ref.record``: all parts, into ``docs/records/gpu-NAME-DATE.json``."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from halfbyte.base import write_atomically
from halfbyte.gpu_ref.record.page import page
from halfbyte.gpu_ref.record.parts import PARTS
from halfbyte.gpu_ref.record.runner import run_part

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; the exit status: 0 if all are complete and no number differs."""
    options = _parser().parse_args(arguments)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: PyTorch sees no GPU here; --device cpu records the host build")
    path = options.output / f"gpu-{_name(device)}-{datetime.now(UTC):%Y-%m-%d}.json"
    record: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "parts": {}}
    for part in PARTS:
        if options.only and part.name not in options.only:
            continue
        results: list[dict[str, Any]] = []
        entry = {"title": part.title, "status": "running", "seconds": None, "error": None}
        record["parts"][part.name] = {**entry, "results": results}

        def keep(result: dict[str, Any], results: list[dict[str, Any]] = results) -> None:
            results.append(result)
            _write(path, record)

        limit = part.seconds if options.seconds is None else options.seconds
        print(f"{part.title} (at most {limit:g} s)", file=sys.stderr, flush=True)
        record["parts"][part.name].update(run_part(part.name, device, limit, keep))
        _write(path, record)
    print(page(record))
    print(f"wrote {path} and {path.with_suffix('.md').name}", file=sys.stderr)
    return _status(record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make gpu-record",
        description="Run every kernel on a GPU: bits against the golden model, then speed.",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), help="a GPU if there is one")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], metavar="PART")
    parser.add_argument("--seconds", type=float, help="limit of each part, instead of its own")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/records"))
    return parser


def _name(device: str) -> str:
    """The device's name in small letters, for a file."""
    name = torch.cuda.get_device_name() if device == "cuda" else "host"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _write(path: Path, record: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(record, indent=1, allow_nan=False) + "\n")
    write_atomically(path.with_suffix(".md"), page(record))


def _status(record: dict[str, Any]) -> int:
    parts = record["parts"].values()
    different = sum(each.get("different", 0) for part in parts for each in part["results"])
    return int(bool(different) or any(part["status"] != "complete" for part in parts))


if __name__ == "__main__":
    sys.exit(main())
