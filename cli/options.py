"""Options that several subcommands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.formats import MAX_TERMS, Format, Overflow, bundled, load

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.area.timing.operands import Operands

__all__ = [
    "DEFAULT_TERMS",
    "AccWidth",
    "Activation",
    "Architecture",
    "FormatNames",
    "Jobs",
    "Json",
    "LibraryOptions",
    "OldFormat",
    "OldFormats",
    "OneFormat",
    "OperandSet",
    "OverflowRule",
    "TechnologyName",
    "Terms",
    "listed",
    "load_formats",
    "load_optional",
    "named_format",
    "named_formats",
    "overflow_rule",
    "pick_operands",
]

DEFAULT_TERMS = 256
# At most this many malformed cells of a library are named in notes.
_MOST_NOTES = 5


def _shipped_names(incomplete: str) -> list[str]:
    """Names of shipped formats that begin with the text, for the shell's completion."""
    return [fmt.name for fmt in bundled() if fmt.name.startswith(incomplete)]


FormatNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FORMAT",
        help="Names of shipped formats, sf4@6 for sf4 with values of 6 bits, or .yaml files; by "
        "default all formats, or those that the text above names.",
        show_default=False,
        autocompletion=_shipped_names,
    ),
]
OneFormat = Annotated[
    str | None,
    typer.Argument(
        metavar="FORMAT",
        help="Name of a shipped format, sf4@6 for sf4 with values of 6 bits, or a .yaml file.",
        show_default=False,
        autocompletion=_shipped_names,
    ),
]
# Hidden options that name formats, for older command lines. Arguments name them now.
OldFormats = Annotated[
    str | None,
    typer.Option("--formats", hidden=True, help="The same as the arguments, with commas between."),
]
OldFormat = Annotated[
    str | None, typer.Option("--format", hidden=True, help="The same as the argument.")
]
Json = Annotated[bool, typer.Option("--json", help="Print records as JSON on standard output.")]
Activation = Annotated[
    str | None,
    typer.Option(
        help="Format of the activations, the second operand; by default that of the weights."
    ),
]
Architecture = Annotated[
    str,
    typer.Option(
        "--arch",
        help="Name of a multiplier architecture, or 'auto' for the one that synthesis finds best.",
    ),
]
Terms = Annotated[
    int,
    typer.Option(
        help=f"Number of products that the accumulator can sum without overflow, 1 to {MAX_TERMS}."
    ),
]
AccWidth = Annotated[
    int | None,
    typer.Option(
        help="Bits of the accumulator; by default enough for all sums of --terms products.",
        show_default=False,
    ),
]
OverflowRule = Annotated[
    str,
    typer.Option(
        "--overflow",
        help="What an accumulator with --acc-width does if a sum does not fit: wrap or saturate.",
    ),
]
TechnologyName = Annotated[
    str | None,
    typer.Option(
        "--tech",
        help="Technology card (a small cell library), by its name or path; `halfbyte tech list` "
        "shows the names.",
        show_default="sky130hd",
    ),
]
LibertyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--liberty",
        help="A full cell library (.lib or .lib.gz) instead of a card; several files make one "
        "library.",
        show_default=False,
    ),
]
DontUse = Annotated[
    list[str] | None,
    typer.Option(
        "--dont-use",
        metavar="PATTERN",
        help="Cells that synthesis must not use, such as '*_x4'; may be given several times.",
        show_default=False,
    ),
]
OperandSet = Annotated[
    str | None,
    typer.Option(
        "--operands",
        help="Values on which energy is measured: those of minilm or bytelm, or a file that "
        "`halfbyte operands` wrote.",
        show_default="minilm",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Number of processes at a time; by default one for each core."),
]


def load_formats(references: Sequence[str] | None) -> list[Format]:
    """The formats that the command line names, each once; all shipped ones if it names none."""
    if not references:
        return list(bundled())
    chosen = list(dict.fromkeys(load(reference) for reference in references))
    by_name: dict[str, Format] = {}
    for fmt in chosen:
        if by_name.setdefault(fmt.name, fmt) != fmt:
            raise UserError(f"Two different formats have the name {fmt.name}: rename one of them")
    return chosen


def listed(text: str, option: str) -> list[str]:
    """The names in an option that separates them by commas; raises UserError if one is empty."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"{option} must be names separated by commas, not {text!r:.60}")
    return parts


def named_formats(names: Sequence[str] | None, listed: str | None) -> list[str]:
    """The formats that arguments name, then those that an option lists, separated by commas."""
    return [*(names or []), *filter(None, map(str.strip, (listed or "").split(",")))]


def named_format(name: str | None, option: str | None) -> str:
    """The format that an argument or an option names. Raises UserError if there is none, or two."""
    if name and option and name != option:
        raise UserError(f"Give one format, not two: {name[:60]} and {option[:60]}")
    if not (found := name or option):
        raise UserError("The format is missing: give its name after the model")
    return found


def load_optional(reference: str | None) -> Format | None:
    """The format that an option names; None if the option is not given."""
    return load(reference) if reference else None


@dataclass(frozen=True)
class LibraryOptions:
    """Options for the cell library: a card or a full library, and cells that are not used.

    A card is a small library that comes with halfbyte, or that ``halfbyte tech distill`` made.
    """

    tech: TechnologyName = None
    liberty: LibertyFiles = None
    dont_use: DontUse = None

    def load(self) -> "Technology":
        """The full library if one is given, otherwise the card, without the unwanted cells.

        Doubtful cells of a full library are reported on standard error. Raises UserError if a card
        and a library are given.
        """
        from halfbyte.area.cells.technology import from_liberty, load_technology

        if self.liberty and self.tech:
            raise UserError("--tech names a card and --liberty a full library: give one of them")
        technology = from_liberty(self.liberty) if self.liberty else load_technology(self.tech)
        technology = technology.without(self.dont_use or ())
        for note in _notes(technology) if self.liberty else ():
            typer.echo(f"note: {note}", err=True)
        return technology


def _notes(technology: "Technology") -> list[str]:
    """Lines about doubtful cells of a library: malformed ones, and those with impossible areas."""
    from halfbyte.area.cells.strengths import doubtful_areas
    from halfbyte.area.timing.delay import typical_slew

    notes = [f"cell {name} is left out: {why}" for name, why in technology.left_out.items()]
    if len(notes) > _MOST_NOTES:
        more = len(notes) - _MOST_NOTES
        notes[_MOST_NOTES:] = [f"{more} more {'cell is' if more == 1 else 'cells are'} left out"]
    try:
        slew = typical_slew(technology)
    except UserError:  # the library has no delays; the records say so
        return notes
    # The load of ten inverters stands for a typical output.
    load = 10 * next(iter(technology.inverter.inputs.values()))
    doubts = list(doubtful_areas(technology.cells.values(), slew, load))
    if doubts:
        more = len(doubts) - 1
        others = (
            f", and {more} more {'pair is' if more == 1 else 'pairs are'} doubtful" if more else ""
        )
        names = " ".join(f"--dont-use {doubt.strong.name}" for doubt in doubts[:3])
        notes.append(f"{doubts[0]}{others}: if the library is wrong, add {names}")
    return notes


def pick_operands(reference: str | None) -> "Operands | None":
    """The operands that an option names, for measuring energy; None if it is not given."""
    from halfbyte.area.timing.operands import load_operands

    return load_operands(reference) if reference else None


def overflow_rule(name: str) -> Overflow:
    """The accumulator's overflow rule by name. Raises UserError for an unknown name."""
    try:
        return Overflow(name)
    except ValueError:
        raise UserError(f"Overflow must be wrap or saturate, not {name[:60]!r}") from None
