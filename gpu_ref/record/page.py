"""Writes a record of checks and timings of the kernels as a page of Markdown."""

from collections.abc import Iterable, Sequence

from halfbyte.base import Json, JsonObject
from halfbyte.gpu_ref.record.run import PartEntry, RunRecord
from halfbyte.gpu_ref.records import ComparisonRecord

__all__ = ["page"]

# Columns of the tables of timings: the field of a result, the title, and how the number is
# formatted.
_SPEED = (
    ("gigabytes_per_second", "GB/s", "{:,.1f}"),
    ("share_of_copy", "speed / copy", "{:.2f}"),
    ("tera_operations_per_second", "TOPS", "{:,.2f}"),
    ("share_of_torch", "speed / torch.matmul", "{:.2f}"),
    ("steps_per_second", "steps/s", "{:.3g}"),
)


def page(record: RunRecord) -> str:
    """The Markdown page of a record."""
    lines = [f"# {_title(record)}", "", *_machine(record), ""]
    for name, part in record.parts.items():
        lines += [f"## {part.title}", "", _ending(part), ""]
        if name.startswith("check"):
            lines += _comparisons([ComparisonRecord.from_json(each) for each in part.results])
        elif name == "sanitize":
            lines += [
                f"- {each['tool']}: {each['why'] or 'nothing found'}" for each in part.results
            ]
        elif name != "machine":
            lines += _speeds(part.results)
        lines.append("")
    return "\n".join(lines)


def _found_machine(record: RunRecord) -> JsonObject:
    part = record.parts.get("machine")
    return part.results[0] if part and part.results else {}


def _machine(record: RunRecord) -> list[str]:
    found = _found_machine(record)
    return [f"- {key}: {value}" for key, value in found.items() if value is not None]


def _title(record: RunRecord) -> str:
    found = _found_machine(record)
    where = {"cuda": "GPU", "host": "host build, no GPU"}.get(str(found.get("build")), "no build")
    return f"Kernels on {found.get('device', 'an unknown device')} ({where})"


def _ending(part: PartEntry) -> str:
    """A line that says how the part ended, or that it is running; then its error if it failed."""
    time = "" if part.seconds is None else f" after {part.seconds} s"
    text = f"{part.status}{time}, results: {len(part.results)}"
    return text + (f"\n\n    {part.error}" if part.error else "")


def _comparisons(results: Iterable[ComparisonRecord]) -> list[str]:
    totals: dict[str, list[int]] = {}
    first = []
    for each in results:
        total = totals.setdefault(each.kernel, [0, 0])
        total[0] += each.compared
        total[1] += each.different
        if each.different:
            first.append(f"- {each.kernel}, {each.format}: {each.first}")
    rows = [[name, f"{count:,}", f"{wrong:,}"] for name, (count, wrong) in totals.items()]
    return [*_table(["kernel", "compared", "different"], rows), "", *first]


def _speeds(results: Sequence[JsonObject]) -> list[str]:
    shown = [key for key in _SPEED if any(each.get(key[0]) is not None for each in results)]
    rows = [
        [
            str(each["kernel"]),
            _shape(each["shape"]),
            str(each.get("block") or ""),
            _cell("{:,.3f}", each["seconds"], 1e3),
            *[_cell(form, each.get(key)) for key, _, form in shown],
        ]
        for each in results
    ]
    return _table(["kernel", "shape", "block", "ms", *[title for _, title, _ in shown]], rows)


def _shape(sizes: Json) -> str:
    return " x ".join(map(str, sizes)) if isinstance(sizes, Sequence) else str(sizes)


def _cell(form: str, value: Json, factor: float = 1) -> str:
    """The number in a cell of the table; empty where it is not known."""
    return form.format(factor * value) if isinstance(value, int | float) else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|---" + "|--:" * (len(columns) - 1) + "|"]
    return [*head, *["| " + " | ".join(row) + " |" for row in rows]]
