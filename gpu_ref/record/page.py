"""A record as a page of Markdown: runs, agreement with the golden model, and speed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["page"]

_SPEED = (
    ("gigabytes_per_second", "GB/s", "{:,.1f}"),
    ("share_of_copy", "of copy", "{:.2f}"),
    ("tera_operations_per_second", "TOPS", "{:,.2f}"),
    ("share_of_torch", "of torch.matmul", "{:.2f}"),
    ("steps_per_second", "steps/s", "{:.3g}"),
)


def page(record: Mapping[str, Any]) -> str:
    """Markdown of a record that :func:`halfbyte.gpu_ref.record.__main__.main` keeps."""
    parts = record["parts"]
    lines = [f"# {_title(parts)}", "", *_machine(parts), ""]
    for name, part in parts.items():
        lines += [f"## {part['title']}", "", _ending(part), ""]
        results = part["results"]
        if name.startswith("check"):
            lines += _comparisons(results)
        elif name == "sanitize":
            lines += [f"- {each['tool']}: {each['why'] or 'nothing found'}" for each in results]
        elif name != "machine":
            lines += _speeds(results)
        lines.append("")
    return "\n".join(lines)


def _machine(parts: Mapping[str, Any]) -> list[str]:
    found = parts.get("machine", {}).get("results") or [{}]
    return [f"- {key}: {value}" for key, value in found[0].items() if value is not None]


def _title(parts: Mapping[str, Any]) -> str:
    found = parts.get("machine", {}).get("results") or [{}]
    where = {"cuda": "GPU", "host": "host build, no GPU"}.get(found[0].get("build"), "no build")
    return f"Kernels on {found[0].get('device', 'an unknown device')} ({where})"


def _ending(part: Mapping[str, Any]) -> str:
    text = f"{part['status']} after {part['seconds']} s, {len(part['results'])} results"
    return text + (f"\n\n    {part['error']}" if part["error"] else "")


def _comparisons(results: Sequence[Mapping[str, Any]]) -> list[str]:
    totals: dict[str, list[int]] = {}
    first = []
    for each in results:
        total = totals.setdefault(each["kernel"], [0, 0])
        total[0] += each["compared"]
        total[1] += each["different"]
        if each["different"]:
            first.append(f"- {each['kernel']}, {each['format']}: {each['first']}")
    rows = [[name, f"{count:,}", f"{wrong:,}"] for name, (count, wrong) in totals.items()]
    return [*_table(["kernel", "compared", "different"], rows), "", *first]


def _speeds(results: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [key for key in _SPEED if any(each.get(key[0]) is not None for each in results)]
    rows = [
        [
            str(each["kernel"]),
            " x ".join(map(str, each["shape"])),
            str(each.get("block") or ""),
            f"{1e3 * each['seconds']:,.3f}",
            *[
                form.format(each[key]) if each.get(key) is not None else ""
                for key, _, form in shown
            ],
        ]
        for each in results
    ]
    return _table(["kernel", "shape", "block", "ms", *[title for _, title, _ in shown]], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|---" + "|--:" * (len(columns) - 1) + "|"]
    return [*head, *["| " + " | ".join(row) + " |" for row in rows]]
