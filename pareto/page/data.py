"""Records as the page's data: for each one its texts, figures and the command to repeat it."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from halfbyte.base import UserError, content_key
from halfbyte.formats import load
from halfbyte.formats.errors import FormatError
from halfbyte.pareto.page.axes import AXES, TABLE
from halfbyte.pareto.paper import published, w4a4_accuracy

__all__ = ["identities", "page_data"]

Record = Mapping[str, Any]
MAX_VERILOG_BYTES = 1_500_000  # limit for all netlists together, so that the page stays small
_BUILT_IN = {"all-MiniLM-L6-v2": "minilm"}  # names to use in commands
_UNITS = {"mac": "MAC", "dot": "dot-product unit", "bf16_mac": "BF16 MAC", "dfloat11": "decoder"}


def page_data(records: Iterable[Record], netlists: Path | None = None) -> dict[str, Any]:
    """The data of the page, in JSON types.

    Parameters
    ----------
    records : iterable of record
        Records of synthesis and of evaluations, as ``--json`` prints them. The last of equal ones
        counts. Other records are left out.
    netlists : Path, optional
        Folder of the netlists that synthesis records name. The page offers the netlists found there
        for saving, up to a total size.

    Raises UserError without a synthesis record.
    """
    known = identities(records)
    hardware = {key: record for key, record in known.items() if "measures" not in record}
    accuracy = {key: record for key, record in known.items() if "measures" in record}
    if not hardware:
        raise UserError(
            "There is no result of a synthesis to show: run `halfbyte pareto` or `halfbyte synth` "
            "first, or name files that `--json` wrote"
        )
    drawn = [_hardware(key, record) for key, record in hardware.items()]
    _add_verilog(drawn, hardware, netlists)
    names = dict.fromkeys(str(record["format"]) for record in hardware.values())
    measured = [_accuracy(record) for record in accuracy.values()]
    return {
        "summary": f"{len(drawn)} circuits and {len(measured)} evaluations of {len(names)} formats",
        "versions": _versions([*hardware.values(), *accuracy.values()]),
        "formats": {name: found for name in names if (found := _format(name))},
        "axes": [axis.as_json() for axis in AXES],
        "columns": TABLE,
        "hardware": drawn,
        "accuracy": [*measured, *_published(names)],
    }


_HARDWARE_KEYS = (
    "format",
    "activation",
    "unit",
    "technology",
    "clock_ps",
    "terms",
    "acc_width",
    "overflow",
    "lanes",
    "scale",
)
_ACCURACY_KEYS = ("format", "model", "text", "context", "recipe")


def identities(records: Iterable[Record]) -> dict[str, Record]:
    """The newest record of each circuit and evaluation, by a key of what it measures."""
    found: dict[str, Record] = {}
    for record in records:
        if record.get("area_um2") is not None and "technology" in record:
            found[_identity(record, _HARDWARE_KEYS)] = record
        elif "measures" in record:
            found[_identity(record, _ACCURACY_KEYS)] = record
    return found


def _identity(record: Record, keys: Iterable[str]) -> str:
    return content_key([record.get(key) for key in keys])[:16]


def _format(name: str) -> dict[str, Any] | None:
    """Values of a format by its name; None for an unknown name or a missing file."""
    try:
        fmt = load(name)
    except (FormatError, UserError, OSError):
        return None
    values = [float(value) for value in fmt.values]
    return {"title": fmt.title, "bits": fmt.bits, "values": values, "quantum": str(fmt.quantum)}


def _hardware(key: str, record: Record) -> dict[str, Any]:
    clock = record.get("clock_ps")
    lanes = record.get("lanes")
    unit = _UNITS.get(str(record["unit"]), str(record["unit"]))
    same = record.get("activation") == record["format"]
    proof = record.get("proof")
    facts = [
        ("Unit", unit + (f", {lanes} lanes" if lanes else "")),
        ("Activations", record.get("activation") or "-"),
        ("Technology", f"{record['technology']}, {record.get('corner') or '-'}"),
        ("Clock", f"{clock:g} ps" if clock else "none"),
        ("Accumulator", f"{record.get('acc_width')} bits for {record.get('terms')} products"),
        ("Architecture", record.get("architecture") or "-"),
        ("Recipe", record.get("recipe") or "-"),
        ("Cells", str(record.get("cells"))),
        ("Slowest path", record.get("critical_path") or "-"),
        ("Proof", f"{proof['status']}: {proof['method']}" if proof else "not proved"),
        ("Not measured", record.get("not_measured") or "-"),
    ]
    return {
        "id": key,
        "format": record["format"],
        "shown": {
            "unit": unit + (f", {lanes} lanes" if lanes else ""),
            "technology": record["technology"],
            "clock": f"{clock:g} ps" if clock else "none",
            "scale": record.get("scale") or "none",
            "operand": "as the weights" if same else str(record.get("activation")),
        },
        "figures": _figures(record, "hardware"),
        "facts": facts,
        "grade": "measured",
        "command": _synth_command(record),
        "file": f"{record['unit']}_{record['format']}_{record['technology']}",
    }


def _synth_command(record: Record) -> str:
    options: list[str] = []
    for option, key, default in (
        ("--unit", "unit", "mac"),
        ("--lanes", "lanes", None),
        ("--scale", "scale", None),
        ("--activation", "activation", record["format"]),
        ("--tech", "technology", None),
        ("--terms", "terms", 256),
    ):
        value = record.get(key)
        if value is not None and value != default:
            options += [option, str(value)]
    if record.get("clock_ps"):
        options += ["--clock", f"{record['clock_ps']:g}ps"]
    return shlex.join(["halfbyte", "synth", str(record["format"]), *options])


def _accuracy(record: Record) -> dict[str, Any]:
    recipe = record.get("recipe_parameters") or {}
    context = record.get("context")
    facts = [
        ("Model", record["model"]),
        ("Text", f"{record.get('text')}, {record.get('items')} {record.get('item')}"),
        ("Recipe", f"{record['recipe']}: {recipe.get('title', '')}"),
        *[
            (
                measure["title"],
                f"{measure['value']:.4f} ({measure['low']:.4f} to {measure['high']:.4f})",
            )
            for measure in record["measures"].values()
            if None not in (measure["value"], measure["low"], measure["high"])
        ],
    ]
    model = _BUILT_IN.get(str(record["model"]), str(record["model"]))
    words = ["halfbyte", "evaluate", model, "--formats", str(record["format"])]
    words += ["--recipe", str(record["recipe"])]
    return {
        "format": record["format"],
        "shown": {
            "model": " ".join(filter(None, [record["model"], context and f"({context} tokens)"])),
            "recipe": record["recipe"],
        },
        "figures": _figures(record, "accuracy"),
        "intervals": _intervals(record),
        "facts": facts,
        "grade": "measured",
        "command": shlex.join(words),
    }


def _intervals(record: Record) -> dict[str, list[float]]:
    """The low and high ends of 95 % intervals, by axis."""
    found: dict[str, list[float]] = {}
    for number, (name, measure) in enumerate(record["measures"].items()):
        ends = (measure.get("loss_low"), measure.get("loss_high"))
        if number == 0 and None not in ends:
            found["loss_percent"] = sorted(100 * end for end in ends)
        if None not in (measure.get("low"), measure.get("high")):
            found[name] = [measure["low"], measure["high"]]
    return found


def _published(names: Iterable[str]) -> list[dict[str, Any]]:
    """Published accuracies of the formats among ``names``."""
    known = set(published()["w4a4_delta_percent"]["plain"]) & set(names)
    if not known:
        return []
    paper = w4a4_accuracy(known)
    facts = [("Source", f"{paper.source}, Table 8"), ("Models", ", ".join(paper.models))]
    return [
        {
            "format": name,
            "shown": {
                "model": "published: " + ", ".join(paper.models),
                "recipe": "W4A4, block 128",
            },
            "figures": {"change_percent": value},
            "intervals": {},
            "facts": facts,
            "grade": "published",
            "command": "none: published by others",
        }
        for name, value in paper.by_format.items()
    ]


def _figures(record: Record, of: str) -> dict[str, float]:
    found = {axis.name: axis.figure(record) for axis in AXES if axis.of == of}
    return {name: float(value) for name, value in found.items() if value is not None}


def _add_verilog(
    drawn: list[dict[str, Any]], records: Mapping[str, Record], folder: Path | None
) -> None:
    left = MAX_VERILOG_BYTES
    for entry in drawn:
        name = records[entry["id"]].get("netlist")
        path = folder / Path(str(name)).name if folder and name else None
        if path is None or not path.is_file() or path.stat().st_size > left:
            continue
        entry["verilog"] = path.read_text(encoding="utf-8")
        left -= path.stat().st_size


def _versions(records: Iterable[Record]) -> str:
    found: dict[str, set[str]] = {}
    for record in records:
        for tool, version in (record.get("versions") or {}).items():
            if version is not None and tool != "card":
                found.setdefault(tool, set()).add(str(version))
    return "Made with " + ", ".join(
        f"{tool} {' and '.join(sorted(versions))}" for tool, versions in sorted(found.items())
    )
