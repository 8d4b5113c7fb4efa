"""A space of designs, read from a YAML file: every combination of the values on its axes.

The axes are lists of formats, multiplier architectures, recipes, clocks and so on. A recipe is a
fixed sequence of synthesis steps. A trial is one combination.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from halfbyte.area.cells.technology import Technology, from_liberty, load_technology
from halfbyte.area.exploration.families import Family, SupernormalGrid, ValueSets
from halfbyte.area.exploration.trials import AnyTrial, DotTrial, MacTrial
from halfbyte.area.exploration.unit_axes import UNIT_KEYS, UnitAxes, unit_axes
from halfbyte.area.synthesis import clocked
from halfbyte.area.synthesis.dot import DOT_RECIPES
from halfbyte.area.synthesis.recipes import RECIPES, Recipe
from halfbyte.area.timing.clocks import parse_clock
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import UserError
from halfbyte.base.strict_yaml import check_keys, parse_mapping, read_mapping
from halfbyte.formats import Format, check_terms, load
from halfbyte.formats.model import check_name
from halfbyte.formats.parse import exact_number
from halfbyte.rtl import ARCHITECTURES, MacSpec, applicable_architectures

__all__ = ["Space", "load_space", "parse_space", "space_names"]

# The recipes that try to meet a clock.
CLOCKED = (*clocked.FIRST, *clocked.SECOND)
_OF_MACS = (*RECIPES, *CLOCKED)
SPACES = Path(__file__).parent / "spaces"
SAME, ALL, NONE = "same", "all", "none"
MAX_ENTRIES = 10_000
_KEYS = (
    "name", "title", "formats", "families", "activations", "architectures", "recipes", "terms",
    "clocks", "technologies", "multipliers", "measure", *UNIT_KEYS,
)  # fmt: skip
_T = TypeVar("_T")


@dataclass(frozen=True)
class Space:
    """The axes of a space. Its designs are all possible combinations of one value from each axis.

    Parameters
    ----------
    name : str
        Lower-case identifier, which also names the folder of the results.
    title : str
        A readable name.
    formats : tuple of Format
        Weight formats: the named ones, then those of the families
        (:mod:`halfbyte.area.exploration.families`).
    activations : tuple of Format or None
        Activation formats; None means the weight's own format.
    architectures : tuple of str
        Multiplier architectures. Those that cannot multiply a pair of formats are left out for this
        pair.
    recipes : tuple of Recipe
        Synthesis recipes. A recipe for a clock gives one design for each clock.
    terms : tuple of int
        Numbers of products that the accumulator can add without loss.
    clocks : tuple of float or None
        Periods in ps for the recipes that try to meet a clock. None must be among them if there are
        also recipes without a clock.
    technologies : tuple of Technology
        Technologies to whose cells every design is mapped.
    multipliers : bool
        Whether the multipliers of MACs are also synthesized alone. Records then state the areas of
        multiplier and accumulator, and a run takes about 1.5 times as long.
    operands : Operands, optional
        The operands on which energies are measured. Without operands, energy and delay are null in
        the records.
    has_macs : bool
        Whether single MACs are among the designs.
    units : UnitAxes, optional
        The axes of the dot-product units; None for a space without such units.

    Raises
    ------
    UserError
        The recipes do not fit the clocks, or none of them is for the MACs or units of the space.
    """

    name: str
    title: str
    formats: tuple[Format, ...]
    activations: tuple[Format | None, ...]
    architectures: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    terms: tuple[int, ...]
    clocks: tuple[float | None, ...]
    technologies: tuple[Technology, ...]
    multipliers: bool = False
    operands: Operands | None = None
    has_macs: bool = True
    units: UnitAxes | None = None

    def __post_init__(self) -> None:
        self._check_clocks()
        kinds = ((self.has_macs, "MACs", _OF_MACS), (bool(self.units), "Units", DOT_RECIPES))
        for is_wanted, what, known in kinds:
            if is_wanted and not set(self.recipes) & set(known):
                names = ", ".join(recipe.name for recipe in known)
                has = ", ".join(recipe.name for recipe in self.recipes)
                raise UserError(f"{what} need one of the recipes {names}; the space has only {has}")

    def _check_clocks(self) -> None:
        periods = [clock for clock in self.clocks if clock is not None]
        for recipe in self.recipes:
            if recipe.clocked and not periods:
                raise UserError(f"Recipe {recipe.name} needs a clock: give clocks, such as [2ns]")
            if not recipe.clocked and None not in self.clocks:
                raise UserError(
                    f"Recipe {recipe.name} works without a clock: add {NONE!r} to clocks"
                )
        if periods and not any(recipe.clocked for recipe in self.recipes):
            names = ", ".join(recipe.name for recipe in CLOCKED)
            raise UserError(f"With clocks, one of these recipes is needed: {names}")

    def trials(self) -> Iterator[AnyTrial]:
        """All designs, format by format. So a run that stops early has finished some formats."""
        for weight in self.formats:
            for other in self.activations:
                for terms in self.terms:
                    if self.has_macs:
                        yield from self._macs(weight, other or weight, terms)
                    if self.units:
                        yield from self._units(self.units, weight, other or weight, terms)

    def _macs(self, weight: Format, activation: Format, terms: int) -> Iterator[MacTrial]:
        """The MACs of two formats, in every technology, with each recipe at the clocks that fit."""
        fitting = applicable_architectures(weight, activation)
        recipes = [recipe for recipe in self.recipes if recipe in _OF_MACS]
        for architecture in (name for name in self.architectures if name in fitting):
            design = MacSpec(weight, activation, architecture, terms)
            for technology, recipe, clock in product(self.technologies, recipes, self.clocks):
                if recipe.clocked == (clock is not None):
                    yield MacTrial(
                        design, recipe, technology, clock, self.operands, self.multipliers
                    )

    def _units(
        self, axes: UnitAxes, weight: Format, activation: Format, terms: int
    ) -> Iterator[DotTrial]:
        """The units of two formats, in every technology, with every recipe for units."""
        recipes = [recipe for recipe in self.recipes if recipe in DOT_RECIPES]
        for design in axes.designs(weight, activation, terms):
            for technology, recipe in product(self.technologies, recipes):
                yield DotTrial(design, recipe, technology, axes.effort, self.operands)


def space_names() -> tuple[str, ...]:
    """Names of the shipped spaces, in alphabetical order."""
    return tuple(sorted(path.stem for path in SPACES.glob("*.yaml")))


def load_space(reference: str | Path) -> Space:
    """Read a space. ``reference`` is the name of a shipped space, or the path of a YAML file.

    Raises UserError if the file does not describe a space, or for an unknown name. For an unknown
    name, the message lists all names, and suggests a similar one if there is one.
    """
    text = str(reference)
    if isinstance(reference, Path) or text.endswith((".yaml", ".yml")):
        path = Path(reference)
    elif text in space_names():
        path = SPACES / f"{text}.yaml"
    else:
        nearest = difflib.get_close_matches(text[:60].lower(), space_names(), n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise UserError(
            f"Unknown space {text[:60]!r}; {hint}known: {', '.join(space_names())}; "
            "or the path of a .yaml file"
        )
    data = read_mapping(path, "a space")
    try:
        return _build(data, path.parent)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse_space(text: str, folder: Path = Path()) -> Space:
    """A space from YAML text; paths in it are relative to ``folder``.

    Raises UserError if the text does not describe a space.
    """
    return _build(parse_mapping(text, "a space"), folder)


def _build(data: Mapping[Any, Any], folder: Path) -> Space:
    """A space from its parsed YAML; paths in it are relative to ``folder``."""
    check_keys(data, "a space", _KEYS, required=("name",))
    name = check_name(data["name"])
    formats = [_format(entry, folder) for entry in _entries(data, "formats", [])]
    for index, entry in enumerate(_entries(data, "families", [])):
        formats += _family(entry, f"families[{index}]", folder).formats()
    _check_names(formats)
    if not formats:
        raise UserError("A space needs at least one format, from formats or families, but has none")
    clocks = _axis(data, "clocks", [NONE], _clock)
    # Only a measured delay tells whether a clock is met.
    measure = _flag(data, "measure") or clocks != (None,)
    has_macs, units = unit_axes(data, _axis)
    return Space(
        name=name,
        title=_text(data, "title", name),
        formats=tuple(formats),
        activations=_axis(data, "activations", [SAME], lambda entry: _activation(entry, folder)),
        architectures=_choices(data, "architectures", list(ARCHITECTURES)),
        recipes=_recipes(data, clocks),
        terms=_axis(data, "terms", [256], _terms),
        technologies=_axis(
            data, "technologies", ["sky130hd"], lambda entry: _technology(entry, folder)
        ),
        clocks=clocks,
        multipliers=_flag(data, "multipliers"),
        operands=load_operands(shipped_operands()[0]) if measure else None,
        has_macs=has_macs,
        units=units,
    )


def _flag(data: Mapping[Any, Any], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise UserError(f"{key} must be true or false, not {value!r:.60}")
    return value


def _text(data: Mapping[Any, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise UserError(f"{key} must be text, not {value!r:.60}")
    return value


def _entries(data: Mapping[Any, Any], key: str, default: list[Any]) -> list[Any]:
    """The list under ``key``. Only ``formats`` and ``families`` may be empty lists."""
    entries = data.get(key, default)
    if not isinstance(entries, list) or not (entries or key in ("formats", "families")):
        raise UserError(f"{key} must be a list with at least one entry, not {entries!r:.60}")
    if len(entries) > MAX_ENTRIES:
        raise UserError(f"{key} may have at most {MAX_ENTRIES} entries, not {len(entries)}")
    return entries


def _axis(
    data: Mapping[Any, Any], key: str, default: list[Any], read: Callable[[Any], _T]
) -> tuple[_T, ...]:
    """The entries of the axis ``key`` without duplicates, each converted by ``read``."""
    once = {repr(entry): entry for entry in _entries(data, key, default)}
    return tuple(read(entry) for entry in once.values())


def _choices(data: Mapping[Any, Any], key: str, known: list[str]) -> tuple[str, ...]:
    """The names under ``key``, which must be in ``known``; for ``all`` or no key, all of them."""
    if data.get(key, ALL) == ALL:
        return tuple(known)
    chosen = _entries(data, key, [])
    for entry in chosen:
        if entry not in known:
            nearest = difflib.get_close_matches(str(entry)[:60], known, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]}? " if nearest else ""
            raise UserError(
                f"Unknown entry {entry!r:.60} in {key}; {hint}known: all, {', '.join(known)}"
            )
    return tuple(dict.fromkeys(chosen))


def _recipes(data: Mapping[Any, Any], clocks: tuple[float | None, ...]) -> tuple[Recipe, ...]:
    """The recipes: by default the first of ``RECIPES``; for ``all``, all that fit the clocks."""
    by_name = {recipe.name: recipe for recipe in (*_OF_MACS, *DOT_RECIPES)}
    if "recipes" not in data:
        return RECIPES[:1]
    if data["recipes"] == ALL:
        kinds = {clock is not None for clock in clocks}
        return tuple(recipe for recipe in by_name.values() if recipe.clocked in kinds)
    return tuple(by_name[name] for name in _choices(data, "recipes", list(by_name)))


def _format(entry: object, folder: Path) -> Format:
    if not isinstance(entry, str):
        raise UserError(f"A format must be the name of a format or of a file, not {entry!r:.60}")
    is_file = entry.endswith((".yaml", ".yml"))
    return load(folder / entry if is_file else entry)


def _activation(entry: object, folder: Path) -> Format | None:
    return None if entry == SAME else _format(entry, folder)


def _check_names(formats: list[Format]) -> None:
    """Check that formats of the same name have equal values: records hold only the name."""
    seen: dict[str, Format] = {}
    for fmt in formats:
        if seen.setdefault(fmt.name, fmt).values != fmt.values:
            raise UserError(f"Two formats with different values have the name {fmt.name}")


def _terms(entry: object) -> int:
    try:
        return check_terms(entry)
    except TypeError as error:
        raise UserError(str(error)) from None


def _technology(entry: object, folder: Path) -> Technology:
    """The shipped technology of this name, or the library in one or more Liberty files."""
    files: list[Any] = entry if isinstance(entry, list) else [entry]
    if not files or not all(isinstance(each, str) for each in files):
        raise UserError(
            f"A technology must be a name, a Liberty file or a list of Liberty files, "
            f"not {entry!r:.60}"
        )
    if isinstance(entry, str) and not entry.endswith((".lib", ".lib.gz")):
        return load_technology(entry)
    return from_liberty([folder / each for each in files])


def _clock(entry: object) -> float | None:
    if entry in (NONE, None):
        return None
    if not isinstance(entry, str):
        raise UserError(
            f"clocks: a clock must read like 2ns, 500ps, 1.2GHz or {NONE}, not {entry!r:.60}"
        )
    return parse_clock(entry)


def _family(entry: object, what: str, folder: Path) -> Family:
    """A family of formats from its YAML entry; ``what`` names the entry in messages."""
    kinds: dict[str, Callable[[Mapping[Any, Any], str], Family]] = {
        "supernormal": lambda data, place: _supernormal(data, place, folder),
        "value_sets": _value_sets,
    }
    if not isinstance(entry, dict) or len(entry) != 1 or next(iter(entry)) not in kinds:
        raise UserError(
            f"{what} must be a mapping with one key, {' or '.join(kinds)}, not {entry!r:.60}"
        )
    ((kind, data),) = entry.items()
    place = f"{what}.{kind}"
    if not isinstance(data, dict):
        raise UserError(f"{place} must be a mapping of keys, not {data!r:.60}")
    return kinds[kind](data, place)


def _supernormal(data: Mapping[Any, Any], what: str, folder: Path) -> SupernormalGrid:
    keys = ("base", "from", "to", "step")
    check_keys(data, what, keys, required=keys)
    start, stop, step = (exact_number(f"{what}.{key}", data[key]) for key in keys[1:])
    return SupernormalGrid(_format(data["base"], folder), start, stop, step)


def _value_sets(data: Mapping[Any, Any], what: str) -> ValueSets:
    check_keys(data, what, ("bits", "max"), required=("max",))
    return ValueSets(data.get("bits", 4), data["max"])
