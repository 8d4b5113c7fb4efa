"""Turn records into the page's data: texts, numbers, and the command that repeats each result."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from halfbyte.base import JsonObject, UserError, content_key
from halfbyte.formats import load
from halfbyte.formats.errors import FormatError
from halfbyte.pareto.hardware import UNIT_KEYS
from halfbyte.pareto.page.axes import AXES, TABLE
from halfbyte.pareto.page.checks import check_circuit, check_evaluation
from halfbyte.pareto.page.entries import (
    AccuracyEntry,
    FormatEntry,
    HardwareEntry,
    NetlistEntry,
    PageData,
)
from halfbyte.pareto.page.fields import members, number, text
from halfbyte.pareto.paper import published, w4a4_accuracy

__all__ = ["identities", "is_shown", "page_data"]

MAX_VERILOG_BYTES = 1_500_000  # limit for all netlists together, so that the page stays small
_BUILT_IN = {"all-MiniLM-L6-v2": "minilm"}  # a model's name in records, and in commands
_UNITS = {
    "mac": "MAC",
    "dot": "dot-product unit",
    "array": "array",
    "bf16_mac": "BF16 MAC",
    "dfloat11": "decoder",
}


def page_data(records: Iterable[JsonObject], netlists: Path | None = None) -> PageData:
    """The data of the page.

    Parameters
    ----------
    records : iterable of record
        Records of synthesis and of evaluations, as ``--json`` prints them. If several records are
        of the same circuit or evaluation, the last one is used. Other records are left out.
    netlists : Path, optional
        Folder of the netlists that synthesis records name. The page offers the netlists found there
        for saving, up to a total size.

    Raises UserError if there is no synthesis record, or if a record has wrong fields.
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
    names = dict.fromkeys(str(record["format"]) for record in hardware.values())
    measured = [_accuracy(record) for record in accuracy.values()]
    return PageData(
        summary=(f"{len(drawn)} circuits and {len(measured)} evaluations of {len(names)} formats"),
        versions=_versions([*hardware.values(), *accuracy.values()]),
        formats={name: found for name in names if (found := _format(name))},
        axes=tuple(axis.as_json() for axis in AXES),
        columns=TABLE,
        hardware=tuple(_with_netlists(drawn, hardware, netlists)),
        accuracy=(*measured, *_published(names)),
    )


_HARDWARE_KEYS = (
    "format",
    "activation",
    "unit",
    "technology",
    "clock_ps",
    "terms",
    "acc_width",
    "overflow",
    *UNIT_KEYS,
)
_ACCURACY_KEYS = ("format", "model", "text", "context", "recipe")


def identities(records: Iterable[JsonObject], *more_keys: str) -> dict[str, JsonObject]:
    """The last record of each circuit and evaluation, by a key of what the record measures.

    Circuits are distinguished by ``_HARDWARE_KEYS`` and ``more_keys``, evaluations by
    ``_ACCURACY_KEYS``. Raises UserError for a record with wrong fields.
    """
    found: dict[str, JsonObject] = {}
    for record in records:
        if _is_circuit(record):
            check_circuit(record)
            found[_identity(record, (*_HARDWARE_KEYS, *more_keys))] = record
        elif _is_evaluation(record):
            check_evaluation(record)
            found[_identity(record, _ACCURACY_KEYS)] = record
    return found


def is_shown(record: JsonObject) -> bool:
    """Whether the page shows a record: that of a circuit with an area, or of an evaluation."""
    return _is_circuit(record) or _is_evaluation(record)


def _is_circuit(record: JsonObject) -> bool:
    return record.get("area_um2") is not None and "technology" in record


def _is_evaluation(record: JsonObject) -> bool:
    return "measures" in record


def _identity(record: JsonObject, keys: Iterable[str]) -> str:
    return content_key([record.get(key) for key in keys])[:16]


def _format(name: str) -> FormatEntry | None:
    """The page's entry of a format; None for an unknown name or a missing file."""
    try:
        fmt = load(name)
    except (FormatError, UserError, OSError):
        return None
    values = tuple(float(value) for value in fmt.values)
    return FormatEntry(title=fmt.title, bits=fmt.bits, values=values, quantum=str(fmt.quantum))


def _hardware(key: str, record: JsonObject) -> HardwareEntry:
    """The page's entry of a synthesis record."""
    clock = number(record, "clock_ps")
    shown_clock = f"{clock:g} ps" if clock else "none"
    lanes = record.get("lanes")
    unit = _UNITS.get(str(record["unit"]), str(record["unit"]))
    if rows := record.get("rows"):
        unit += f" of {rows} x {record.get('columns')}"
    unit += f", {lanes} lanes" if lanes else ""
    if record.get("dataflow") == "weight":
        unit += f", weight-stationary for {record.get('depth')} tokens"
    name, technology = str(record["format"]), str(record["technology"])
    proof = members(record, "proof")
    facts = (
        ("Unit", unit),
        ("Activations", text(record, "activation") or "-"),
        ("Technology", f"{technology}, {record.get('corner') or '-'}"),
        ("Clock", shown_clock),
        ("Accumulator", _accumulator(record)),
        ("Architecture", text(record, "architecture") or "-"),
        ("Recipe", text(record, "recipe") or "-"),
        ("Cells", str(record.get("cells"))),
        ("Slowest path", text(record, "critical_path") or "-"),
        ("Proof", f"{proof['status']}: {proof['method']}" if proof else "not proved"),
        ("Not measured", text(record, "not_measured") or "-"),
    )
    return HardwareEntry(
        id=key,
        format=name,
        shown={
            "unit": unit,
            "technology": technology,
            "clock": shown_clock,
            "scale": text(record, "scale") or "none",
            "operand": "as the weights"
            if record.get("activation") == name
            else str(record.get("activation")),
        },
        figures=_figures(record, "hardware"),
        facts=facts,
        grade="measured",
        command=_synth_command(record),
        file=f"{record['unit']}_{name}_{technology}",
    )


def _accumulator(record: JsonObject) -> str:
    terms = record.get("terms")
    width = f"{record.get('acc_width')} bits"
    return f"{width} for {terms} products" if terms else f"{width}, {record.get('accumulator')}"


def _synth_command(record: JsonObject) -> str:
    """The command that repeats the synthesis; some options with their default are left out."""
    options: list[str] = []
    for option, key, default in (
        ("--unit", "unit", "mac"),
        ("--lanes", "lanes", None),
        ("--scale", "scale", None),
        ("--block", "block", record.get("lanes")),
        ("--rows", "rows", None),
        ("--columns", "columns", None),
        ("--dataflow", "dataflow", "output"),
        ("--depth", "depth", None),
        ("--activation", "activation", record["format"]),
        ("--tech", "technology", None),
        ("--terms", "terms", 256),
    ):
        value = record.get(key)
        if value is not None and value != default:
            options += [option, str(value)]
    if clock := number(record, "clock_ps"):
        options += ["--clock", f"{clock:g}ps"]
    return shlex.join(["halfbyte", "synth", str(record["format"]), *options])


def _accuracy(record: JsonObject) -> AccuracyEntry:
    """The page's entry of an evaluation's record."""
    title = text(members(record, "recipe_parameters"), "title") or ""
    context = record.get("context")
    name, model, recipe = (str(record[key]) for key in ("format", "model", "recipe"))
    measures = members(record, "measures")
    facts = (
        ("Model", model),
        ("Text", f"{record.get('text')}, {record.get('items')} {record.get('item')}"),
        ("Recipe", f"{recipe}: {title}"),
        *(found for key in measures if (found := _measured(members(measures, key)))),
    )
    words = ["halfbyte", "evaluate", _BUILT_IN.get(model, model), name]
    return AccuracyEntry(
        format=name,
        shown={
            "model": f"{model} ({context} tokens)" if context else model,
            "recipe": recipe,
        },
        figures=_figures(record, "accuracy"),
        intervals=_intervals(measures),
        facts=facts,
        grade="measured",
        command=shlex.join([*words, "--recipe", recipe]),
    )


def _measured(measure: JsonObject) -> tuple[str, str] | None:
    """Title and text of a measure; None if its value or its interval is not known."""
    value, low, high = (number(measure, key) for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return None
    return str(measure["title"]), f"{value:.4f} ({low:.4f} to {high:.4f})"


def _intervals(measures: JsonObject) -> dict[str, tuple[float, ...]]:
    """The low and high ends of 95 % intervals, by axis."""
    found: dict[str, tuple[float, ...]] = {}
    for place, name in enumerate(measures):
        measure = members(measures, name)
        low, high = number(measure, "loss_low"), number(measure, "loss_high")
        if place == 0 and low is not None and high is not None:
            found["loss_percent"] = tuple(sorted((100 * low, 100 * high)))
        low, high = number(measure, "low"), number(measure, "high")
        if low is not None and high is not None:
            found[name] = low, high
    return found


def _published(names: Iterable[str]) -> list[AccuracyEntry]:
    """Entries of the published accuracies, for the formats among ``names``."""
    known = set(published()["w4a4_delta_percent"]["plain"]) & set(names)
    if not known:
        return []
    paper = w4a4_accuracy(known)
    models = ", ".join(paper.models)
    return [
        AccuracyEntry(
            format=name,
            shown={"model": f"published: {models}", "recipe": "W4A4, block 128"},
            figures={"change_percent": value},
            intervals={},
            facts=(("Source", f"{paper.source}, Table 8"), ("Models", models)),
            grade="published",
            command="none: published by others",
        )
        for name, value in paper.by_format.items()
    ]


def _figures(record: JsonObject, of: str) -> dict[str, float]:
    found = {axis.name: axis.figure(record) for axis in AXES if axis.of == of}
    return {name: float(value) for name, value in found.items() if value is not None}


def _with_netlists(
    drawn: Iterable[HardwareEntry], records: Mapping[str, JsonObject], folder: Path | None
) -> Iterator[HardwareEntry]:
    """The entries. Netlists in ``folder`` are added to them, up to :data:`MAX_VERILOG_BYTES`."""
    left = MAX_VERILOG_BYTES
    for entry in drawn:
        name = text(records[entry.id], "netlist")
        path = folder / Path(name).name if folder and name else None
        if path is None or not path.is_file() or path.stat().st_size > left:
            yield entry
            continue
        yield NetlistEntry(**vars(entry), verilog=path.read_text(encoding="utf-8"))
        left -= path.stat().st_size


def _versions(records: Iterable[JsonObject]) -> str:
    found: dict[str, set[str]] = {}
    for record in records:
        for tool, version in members(record, "versions").items():
            if version is not None and tool != "card":
                found.setdefault(tool, set()).add(str(version))
    return "Made with " + ", ".join(
        f"{tool} {' and '.join(sorted(versions))}" for tool, versions in sorted(found.items())
    )
