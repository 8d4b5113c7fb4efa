"""A technology: the cells for synthesis, and which of them serve as inverter, flip-flop or adder.

It comes from a *card*, a YAML file with a small part of a library, or from a full Liberty library.
Some cards are shipped with halfbyte. For Yosys and ABC, the cells of a technology are written as a
small Liberty library.
"""

import difflib
import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import yaml

from halfbyte.area.cells.card import cell_from_card, cell_to_card
from halfbyte.area.cells.cell import AdderCell, Cell, TieCell
from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.liberty_writer import liberty_text
from halfbyte.area.cells.library import read_library
from halfbyte.base import UserError, content_key, user_folder
from halfbyte.base.user_files import read_start

__all__ = ["Technology", "from_card", "from_liberty", "load_technology", "technology_names"]

CARDS = Path(__file__).parent / "technologies"
DEFAULT = "sky130hd"
# The name of the user's own folder of cards (`user_folder`).
_OWN = "technologies"
UNITS = {"area": "um^2", "time": "ps", "capacitance": "fF", "leakage": "nW", "energy": "fJ"}
_TIME_UNIT = "library_time_ps"
_MAX_CARD = 64 * 2**20  # bytes
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# PyYAML's C loader, if available, reads a card in a tenth of the time.
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Functions as (number of inputs, truth table). Bit `row` of a truth table is the function's value
# where the inputs form the binary number `row`; the first input is its bit 0.
_BUFFER, _INVERTER = (1, 0b10), (1, 0b01)
_NAND2, _AND2, _XOR2 = (2, 0b0111), (2, 0b1000), (2, 0b0110)
_XOR3, _MAJORITY3 = (3, 0b10010110), (3, 0b11101000)


def _inverted(function: tuple[int, int]) -> tuple[int, int]:
    inputs, table = function
    return inputs, table ^ ((1 << 2**inputs) - 1)


@dataclass(frozen=True)
class Technology:
    """A cell library, reduced to the cells that synthesis can use.

    Parameters
    ----------
    name : str
        A lower-case letter, then at most 39 lower-case letters, digits or underscores.
    title : str
        The displayed name.
    corner : str
        Process, temperature and voltage.
    source, licence : str
        Where the library comes from, and its licence.
    cells : mapping of str to Cell
        Areas in um^2, times in ps, capacitances in fF, leakage in nW, energies in fJ.
    voltage : float, optional
        Supply voltage in V; without it, energies cannot be computed.
    strengths : frozenset of str
        Names of the cells that are used only if there is a clock to meet. They are stronger
        versions of other cells.
    left_out : mapping of str to str
        By name, what is wrong with each cell that is malformed, or is stated twice with different
        data. The technology lacks these cells.
    time_unit_ps : float
        The full library's own unit of time in ps. Constraint files (SDC) state times in this unit.

    Raises
    ------
    UserError
        The name is malformed, or the cells lack a two-input NAND, an inverter or a D flip-flop.
    """

    name: str
    title: str
    corner: str
    source: str
    licence: str
    cells: Mapping[str, Cell]
    voltage: float | None = None
    strengths: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)
    time_unit_ps: float = field(default=1000.0, compare=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                "Technology name must be a lower-case letter, then at most 39 lower-case letters, "
                f"digits or underscores, not {self.name[:60]!r}"
            )
        needed: dict[str, Callable[[], object]] = {
            "two-input NAND": lambda: self.nand2,
            "inverter": lambda: self.inverter,
            "rising-edge D flip-flop": lambda: self.flip_flop,
        }
        for what, find in needed.items():
            try:
                find()
            except LookupError:
                raise UserError(
                    f"Technology {self.name} has no {what} among its {len(self.cells)} usable "
                    f"cells{self._malformed}: give all files of the library, and leave out fewer "
                    "cells with --dont-use"
                ) from None

    @property
    def _malformed(self) -> str:
        """Up to three malformed cells as text, each with what is wrong; empty if there are none."""
        texts = [f"{name} ({why})" for name, why in list(self.left_out.items())[:3]]
        return f" (malformed cells were left out: {', '.join(texts)})" if texts else ""

    def without(self, patterns: Sequence[str]) -> "Technology":
        """The technology without the cells whose names match one of the patterns, such as ``*_x4``.

        Raises UserError for a pattern that matches no cell, or if the remaining cells lack a
        two-input NAND, an inverter or a rising-edge D flip-flop.
        """
        matched = {pattern: fnmatch.filter(self.cells, pattern) for pattern in patterns}
        for pattern, names in matched.items():
            if not names:
                nearest = difflib.get_close_matches(pattern, self.cells, n=1, cutoff=0.4)
                hint = f"; did you mean {nearest[0]}?" if nearest else ""
                raise UserError(f"No cell of {self.name} matches {pattern[:60]!r}{hint}")
        unused = {name for names in matched.values() for name in names}
        cells = {name: cell for name, cell in self.cells.items() if name not in unused}
        return replace(self, cells=cells, strengths=self.strengths - unused)

    @cached_property
    def plain_cells(self) -> tuple[Cell, ...]:
        """The cells for synthesis without a clock to meet."""
        return tuple(cell for cell in self.cells.values() if cell.name not in self.strengths)

    def _smallest(self, *functions: tuple[int, int]) -> Cell:
        """The smallest one-output gate with one of these functions; else raises LookupError."""
        found = [cell for cell in self.plain_cells if _gate_function(cell) in functions]
        if not found:
            raise LookupError(functions)
        return min(found, key=lambda cell: (cell.area, cell.name))

    @cached_property
    def nand2(self) -> Cell:
        """The smallest two-input NAND: its area is one gate equivalent (GE)."""
        return self._smallest(_NAND2)

    @property
    def nand2_area(self) -> float:
        """One gate equivalent in um^2."""
        return self.nand2.area

    @cached_property
    def inverter(self) -> Cell:
        return self._smallest(_INVERTER)

    @cached_property
    def buffer(self) -> Cell | None:
        try:
            return self._smallest(_BUFFER)
        except LookupError:
            return None

    @cached_property
    def flip_flop(self) -> Cell:
        """The D flip-flop of least area, counting the inverter that a QN output needs."""
        found = [cell for cell in self.plain_cells if cell.flip_flop]
        if not found:
            raise LookupError("flip-flop")

        def cost(cell: Cell) -> tuple[float, str]:
            inverted = cell.flip_flop is not None and cell.flip_flop.inverted
            return cell.area + (self.inverter.area if inverted else 0.0), cell.name

        return min(found, key=cost)

    def tie(self, level: int) -> TieCell | None:
        """The smallest cell that gives the constant ``level`` (0 or 1); None if there is none.

        One cell may give both constants, from two outputs.
        """
        found = [
            (cell.area, cell.name, pin)
            for cell in self.plain_cells
            if not cell.inputs
            for pin in cell.outputs
            if _function(cell, pin) == (0, level)
        ]
        return TieCell(*min(found)[1:]) if found else None

    @cached_property
    def full_adder(self) -> AdderCell | None:
        """The smallest full adder, with outputs of any polarity; None if the library lacks one."""
        return self._adder(3, _XOR3, _MAJORITY3)

    @cached_property
    def half_adder(self) -> AdderCell | None:
        """The smallest half adder; None if the library lacks one."""
        return self._adder(2, _XOR2, _AND2)

    def _adder(
        self, inputs: int, total: tuple[int, int], carry: tuple[int, int]
    ) -> AdderCell | None:
        """The smallest cell that gives both functions, plain or inverted; None if there is none."""
        found = []
        for cell in self.plain_cells:
            if cell.flip_flop or len(cell.inputs) != inputs or len(cell.outputs) != 2:
                continue
            by_function = {_function(cell, pin): pin for pin in cell.outputs}
            totals = [function for function in (total, _inverted(total)) if function in by_function]
            carries = [
                function for function in (carry, _inverted(carry)) if function in by_function
            ]
            if totals and carries:
                adder = AdderCell(
                    cell=cell.name,
                    inputs=tuple(cell.inputs),
                    total=by_function[totals[0]],
                    carry=by_function[carries[0]],
                    total_inverted=totals[0] != total,
                    carry_inverted=carries[0] != carry,
                )
                found.append((cell.area, cell.name, adder))
        return min(found, key=lambda entry: entry[:2])[2] if found else None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of all fields except ``left_out`` and ``time_unit_ps``."""
        card = {key: value for key, value in self.to_card().items() if key != _TIME_UNIT}
        return content_key({**card, "cells": repr(self.cells)})

    def liberty_text(self, *, clocked: bool = False) -> str:
        """The text of a Liberty library for Yosys and ABC.

        With ``clocked`` there is a clock to meet, and the library also contains the cells in
        ``strengths``. The library's only flip-flop is :attr:`flip_flop`.
        """
        return self._clocked_liberty if clocked else self._plain_liberty

    @cached_property
    def _plain_liberty(self) -> str:
        return self.liberty_of(self.plain_cells)

    @cached_property
    def _clocked_liberty(self) -> str:
        return self.liberty_of(list(self.cells.values()))

    def liberty_of(self, cells: Sequence[Cell]) -> str:
        """The text of a Liberty library of ``cells``; its only flip-flop is :attr:`flip_flop`."""
        keep = self.flip_flop.name
        return liberty_text(
            self.name, [cell for cell in cells if not cell.flip_flop or cell.name == keep]
        )

    def to_card(self) -> dict[str, object]:
        """The technology as plain data, which :func:`from_card` reads from YAML."""
        return {
            "name": self.name,
            "title": self.title,
            "corner": self.corner,
            "source": self.source,
            "licence": self.licence,
            "units": UNITS,
            _TIME_UNIT: self.time_unit_ps,
            "voltage": self.voltage,
            "strengths": sorted(self.strengths),
            "cells": {name: cell_to_card(cell) for name, cell in self.cells.items()},
        }


def _function(cell: Cell, pin: str) -> tuple[int, int]:
    """The number of inputs of a cell, and the truth table of an output."""
    return len(cell.inputs), truth_table(cell.outputs[pin], list(cell.inputs))


def _gate_function(cell: Cell) -> tuple[int, int] | None:
    """The function of a gate with one output; None for other cells."""
    if cell.flip_flop or len(cell.outputs) != 1:
        return None
    (pin,) = cell.outputs
    return _function(cell, pin)


def _cards(folder: Path | None) -> dict[str, Path]:
    """The paths of a folder's cards, by file name without ``.yaml``; empty without a folder."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}


def _known_cards() -> dict[str, Path]:
    """The paths of all cards by file name; a shipped card hides a user's card of the same name."""
    return {**_cards(user_folder(_OWN)), **_cards(CARDS)}


def technology_names() -> list[str]:
    """Names of all cards: the default, the other shipped ones, then the user's."""
    return sorted(_known_cards(), key=lambda name: (name not in _cards(CARDS), name != DEFAULT))


@lru_cache(maxsize=8)
def _technology(card_text: bytes) -> Technology:
    """The technology that a card describes. The last eight are cached, with their Liberty texts."""
    card = yaml.load(card_text.decode("utf-8"), Loader=_SAFE_LOADER)  # noqa: S506
    if not isinstance(card, dict):
        raise TypeError(f"it must be a mapping of keys, not {card!r:.40}")
    return Technology(
        name=str(card["name"]),
        title=str(card["title"]),
        corner=str(card["corner"]),
        source=str(card["source"]),
        licence=str(card["licence"]),
        cells={str(name): cell_from_card(name, cell) for name, cell in card["cells"].items()},
        voltage=None if card["voltage"] is None else float(card["voltage"]),
        strengths=frozenset(map(str, card["strengths"])),
        time_unit_ps=float(card.get(_TIME_UNIT, 1000.0)),
    )


def from_card(path: Path) -> Technology:
    """Read a card; raises UserError if it cannot be read, is malformed, or lacks a needed cell."""
    try:
        raw = read_start(path, _MAX_CARD + 1)
        if len(raw) > _MAX_CARD:
            raise ValueError(f"it has more than {_MAX_CARD} bytes")
        return _technology(raw)
    except OSError as error:
        raise UserError(f"Technology card {path} cannot be read ({error.strerror})") from error
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        if isinstance(error, UserError):
            raise
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise UserError(
            f"{path} is not a technology card ({why}): `halfbyte tech distill` writes one"
        ) from error


def load_technology(name: str | None = None) -> Technology:
    """A technology by the name or the path of its card; the default one without ``name``.

    A text that ends in ``.yaml`` or ``.yml`` or has a slash is a path. Named cards are shipped, or
    are in the user's folder (:func:`halfbyte.base.user_folder`). Raises UserError for an unknown
    name, for a card that :func:`from_card` refuses, and for a user's card that has the name of a
    shipped card but differs from it.
    """
    name = name or DEFAULT
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return _own_card(Path(name))
    known = _known_cards()
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"; did you mean {nearest[0]}? Known" if nearest else "; known"
        raise UserError(
            f"Unknown technology {name[:60]!r}{hint} technologies are "
            f"{', '.join(technology_names())}; give one of them, the path of a card, or --liberty"
        )
    path = known[name]
    return from_card(path) if path.parent == CARDS else _own_card(path)


def _own_card(path: Path) -> Technology:
    """Read a card of the user; :func:`load_technology` says which cards are refused."""
    if path.suffix in (".lib", ".gz"):
        raise UserError(f"{path} is a Liberty file, not a card: give a full library with --liberty")
    technology = from_card(path)
    shipped = _cards(CARDS).get(technology.name)
    if shipped and technology.to_card() != from_card(shipped).to_card():
        raise UserError(
            f"Card {path} has the name of a shipped card, {technology.name}: give it another name"
        )
    return technology


def from_liberty(paths: Sequence[Path]) -> Technology:
    """A technology with every usable cell of a full library, from one or more Liberty files."""
    library = read_library(paths)
    name = re.sub(r"[^a-z0-9]+", "_", library.name.lower()).strip("_")[:40]
    return Technology(
        name=name if _NAME.fullmatch(name) else "library",
        title=library.name,
        corner=library.corner,
        source=", ".join(path.name for path in paths),
        licence="",
        cells=library.cells,
        voltage=library.voltage,
        left_out=library.left_out,
        time_unit_ps=library.time_unit_ps,
    )
