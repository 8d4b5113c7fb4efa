"""The data that the page has for each circuit, each evaluation and each format."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import JsonObject, Record

__all__ = ["AccuracyEntry", "FormatEntry", "HardwareEntry", "NetlistEntry", "PageData"]


@dataclass(frozen=True, kw_only=True)
class FormatEntry(Record):
    """What the page says about a format."""

    title: str
    """The displayed name."""
    bits: int
    """Bits of a code."""
    values: tuple[float, ...]
    """The value of each code."""
    quantum: str
    """The greatest step that divides every value, as a fraction."""


@dataclass(frozen=True, kw_only=True)
class HardwareEntry(Record):
    """What the page says about a circuit: a MAC, a unit, an array or a decoder."""

    id: str
    """A key that identifies what was synthesized."""
    format: str
    """Format of the weights."""
    shown: Mapping[str, str]
    """The texts by which the page filters."""
    figures: Mapping[str, float]
    """The numbers by axis, in the unit of the axis."""
    facts: tuple[tuple[str, ...], ...]
    """Pairs of a title and a text, for the details."""
    grade: str
    """Always ``measured``."""
    command: str
    """The command that repeats the synthesis."""
    file: str
    """The name of the file in which the netlist is saved, without its ending."""


@dataclass(frozen=True, kw_only=True)
class NetlistEntry(HardwareEntry):
    """A circuit whose netlist can be saved from the page."""

    verilog: str
    """The netlist as Verilog."""


@dataclass(frozen=True, kw_only=True)
class AccuracyEntry(Record):
    """What the page says about the evaluation of a format on a model."""

    format: str
    """Format of the weights."""
    shown: Mapping[str, str]
    """The texts by which the page filters."""
    figures: Mapping[str, float]
    """The numbers by axis, in the unit of the axis."""
    intervals: Mapping[str, tuple[float, ...]]
    """Low and high ends of 95 % intervals, by axis."""
    facts: tuple[tuple[str, ...], ...]
    """Pairs of a title and a text, for the details."""
    grade: str
    """``measured`` by halfbyte, or ``published`` by others."""
    command: str
    """The command that repeats the evaluation, or a note that there is none."""


@dataclass(frozen=True, kw_only=True)
class PageData(Record):
    """All data of the page."""

    summary: str
    """How many circuits, evaluations and formats there are, as text."""
    versions: str
    """The versions of the tools that made the records, as text."""
    formats: Mapping[str, FormatEntry]
    """The formats by name."""
    axes: tuple[JsonObject, ...]
    """The numbers of records that can be an axis of the plot or a column of the table."""
    columns: tuple[str, ...]
    """Names of the table's columns, besides the two axes of the plot."""
    hardware: tuple[NetlistEntry | HardwareEntry, ...]
    """The circuits."""
    accuracy: tuple[AccuracyEntry, ...]
    """The evaluations."""
