"""Compare two folders of records (``--json`` outputs and CSV files), before and after a change.

    python tests/tools/compare_records.py BEFORE AFTER

Files are paired by name. Fields that may change from run to run are left out, such as times,
versions and names of netlists. The exit status is 1 if anything else differs: names, order or
values of fields.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

# Fields that change from run to run, or with every edit of the code.
VOLATILE = {
    "seconds", "build_seconds", "products_per_second", "versions", "netlist", "multiplier_netlist",
    "date", "waves", "output", "verilog", "vectors", "bench",
}  # fmt: skip
MOST = 20  # differences shown for one file


def differences(before: object, after: object, place: str) -> Iterator[str]:
    """A line for each difference between two JSON values, without the volatile fields."""
    if isinstance(before, dict) and isinstance(after, dict):
        if list(before) != list(after):
            missing = [key for key in before if key not in after]
            added = [key for key in after if key not in before]
            what = f"missing {missing}, added {added}" if missing or added else "another order"
            yield f"{place}: fields differ: {what}"
        for key in before:
            if key in after and key not in VOLATILE:
                yield from differences(before[key], after[key], f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{place}: {len(before)} entries before, {len(after)} after"
        for index, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{place}[{index}]")
    elif type(before) is not type(after) or before != after:
        yield f"{place}: {before!r:.80} before, {after!r:.80} after"


def read(path: Path) -> object:
    """The records of a file: JSON, or CSV as a list of rows of text."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))


def compare(before: Path, after: Path) -> tuple[int, list[str]]:
    """The number of compared files, and a line for each difference between two folders."""
    files = [path for kind in ("json", "csv") for path in sorted(before.rglob(f"*.{kind}"))]
    lines = []
    for path in files:
        name = path.relative_to(before)
        other = after / name
        if not other.is_file():
            lines.append(f"{name}: missing")
            continue
        try:
            found = list(differences(read(path), read(other), str(name)))
        except ValueError as error:
            found = [f"{name}: cannot be read: {error}"]
        lines += found[:MOST]
        if len(found) > MOST:
            lines.append(f"{name}: and {len(found) - MOST} more")
    return len(files), lines


def main() -> None:
    """Compare the folders of the command line."""
    if len(sys.argv) != 3:
        sys.exit("usage: compare_records.py BEFORE AFTER")
    before, after = map(Path, sys.argv[1:])
    count, lines = compare(before, after)
    print(*lines, f"{count} files compared, {len(lines)} differences", sep="\n")
    sys.exit(1 if lines or not count else 0)


if __name__ == "__main__":
    main()
