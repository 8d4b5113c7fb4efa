"""What the page holds of each circuit, each evaluation and each format."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import JsonObject, Record

__all__ = ["AccuracyEntry", "FormatEntry", "HardwareEntry", "NetlistEntry", "PageData"]


@dataclass(frozen=True, kw_only=True)
class FormatEntry(Record):
    """A format."""

    title: str
    """What people call it."""
    bits: int
    """Bits of a code."""
    values: tuple[float, ...]
    """The value of each code."""
    quantum: str
    """The greatest step that divides every value, as a fraction."""


@dataclass(frozen=True, kw_only=True)
class HardwareEntry(Record):
    """A circuit."""

    id: str
    """A key of what was synthesized."""
    format: str
    """Format of the weights."""
    shown: Mapping[str, str]
    """What the page filters by."""
    figures: Mapping[str, float]
    """What it measures, by axis and in the axis's unit."""
    facts: tuple[tuple[str, ...], ...]
    """Pairs of a title and a text, for the details."""
    grade: str
    """``measured``."""
    command: str
    """The command that repeats it."""
    file: str
    """What its netlist is called when it is saved."""


@dataclass(frozen=True, kw_only=True)
class NetlistEntry(HardwareEntry):
    """A circuit whose netlist can be saved from the page."""

    verilog: str
    """The netlist."""


@dataclass(frozen=True, kw_only=True)
class AccuracyEntry(Record):
    """An evaluation."""

    format: str
    """Format of the weights."""
    shown: Mapping[str, str]
    """What the page filters by."""
    figures: Mapping[str, float]
    """What it measures, by axis and in the axis's unit."""
    intervals: Mapping[str, tuple[float, ...]]
    """Low and high ends of 95 % intervals, by axis."""
    facts: tuple[tuple[str, ...], ...]
    """Pairs of a title and a text, for the details."""
    grade: str
    """``measured``, or ``published`` by others."""
    command: str
    """The command that repeats it."""


@dataclass(frozen=True, kw_only=True)
class PageData(Record):
    """All that the page shows."""

    summary: str
    """How much there is."""
    versions: str
    """What the records were made with."""
    formats: Mapping[str, FormatEntry]
    """The formats by name."""
    axes: tuple[JsonObject, ...]
    """What can be an axis or a column."""
    columns: tuple[str, ...]
    """Columns of the table beside the two axes."""
    hardware: tuple[NetlistEntry | HardwareEntry, ...]
    """The circuits."""
    accuracy: tuple[AccuracyEntry, ...]
    """The evaluations."""
