"""The list of commands, as the help shows it. A command is imported only when it is needed."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from halfbyte.cli.groups import ungrouped
from halfbyte.cli.honoured import check_honoured, check_not_empty
from halfbyte.cli.output import show_all_columns
from halfbyte.cli.panels import arrange
from halfbyte.cli.system import check_standard_output
from halfbyte.cli.usage import usage_line
from halfbyte.cli.writable import check_writable

__all__ = ["COMMANDS", "Entry", "LazyGroup"]

_HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


Wide = Annotated[
    bool, typer.Option("--wide", help="Show tables with all columns, however wide they are.")
]


def _completed(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option ``--wide`` to a command, and checks that run before anything is computed.

    The checks refuse empty values, options that the command would ignore, and outputs that it could
    not write.
    """
    function = ungrouped(function)

    @functools.wraps(function)
    def command(invocation: typer.Context, wide: bool = False, **options: Any) -> None:
        check_not_empty(invocation, options)
        check_honoured(invocation, options)
        if options.get("json"):
            check_standard_output()
        check_writable(invocation, options)
        show_all_columns(wide)
        function(**options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(function).parameters.values()
    added = {"invocation": typer.Context, "wide": Wide}
    first = inspect.Parameter("invocation", keyword, annotation=typer.Context)
    last = inspect.Parameter("wide", keyword, default=False, annotation=Wide)
    command.__signature__ = inspect.Signature([first, *own, last])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, **added}
    return command


@dataclass(frozen=True)
class Entry:
    """One command in the list.

    Parameters
    ----------
    place : str
        The function of the command as ``MODULE:NAME``, where MODULE is in ``halfbyte.cli``.
    panel : str
        The group of the command in the help.
    summary : str
        The line about the command in the help.
    """

    place: str
    panel: str
    summary: str

    def load(self, name: str) -> Any:
        """Import the module of the command, and return the command ``name``, built only once."""
        return _made(self.place, name)


@functools.cache
def _made(place: str, name: str) -> Any:
    """The command ``name``, built from the function at ``place``."""
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"halfbyte.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, context_settings=_HELP_OPTIONS)(_completed(found))
    command = get_command(alone)
    arrange(command)
    return command


_START, _HARDWARE, _CHECKS = "Start here", "Hardware", "Verification"
_MODELS, _FORMATS, _LOSSLESS = "Models and accuracy", "New formats", "Lossless weights"
_MAINTAINERS = "Maintainers"
COMMANDS = {
    "formats": Entry(
        "formats:formats",
        _START,
        "List all formats, or print codes, values, integers, quantum, widths and source of the "
        "named ones.",
    ),
    "synth": Entry(
        "synth:synth",
        _START,
        "Synthesize MACs or other units in every architecture with every synthesis recipe, and "
        "show the smallest.",
    ),
    "sim": Entry(
        "sim:sim",
        _START,
        "Simulate MACs against the golden model; by default for all 4-bit and 5-bit formats.",
    ),
    "pareto": Entry(
        "pareto:pareto",
        _START,
        "Measure the area of all formats, and their accuracy on a real model; plot both.",
    ),
    "recommend": Entry(
        "recommend:recommend",
        _START,
        "Find the format with the least area whose loss is within a limit, or with the least loss "
        "whose area is within a limit; say how certain the choice is.",
    ),
    "report": Entry(
        "report:report",
        _START,
        "Write all results on one HTML page (plot, table, details, comparison) that works offline.",
    ),
    "doctor": Entry(
        "doctor:doctor",
        _START,
        "Say which tools are installed, what each is for, and how to install missing ones.",
    ),
    "curve": Entry(
        "curve:curve",
        _HARDWARE,
        "Plot area, slack and WNS (worst negative slack) of the best MAC at many clocks.",
    ),
    "rank": Entry(
        "rank:rank",
        _HARDWARE,
        "Rank formats by area, delay and energy of their smallest MACs, in every technology.",
    ),
    "gates": Entry(
        "gates:gates",
        _HARDWARE,
        "Search for the multiplier with the fewest AND, OR, XOR and NOT gates; its product is in "
        "two's complement.",
    ),
    "rtl": Entry(
        "rtl:rtl",
        _HARDWARE,
        "Write Verilog, test vectors and a self-checking Verilog bench for MACs, dot-product units "
        "or arrays.",
    ),
    "tech": Entry(
        "tech:app",
        _HARDWARE,
        "List technology cards, which are small cell libraries, or make one from a full library.",
    ),
    "operands": Entry(
        "operands:operands",
        _HARDWARE,
        "Write weights and activations of a model, on which `halfbyte synth --operands FILE` "
        "measures energy.",
    ),
    "prove": Entry(
        "prove:prove",
        _CHECKS,
        "Prove that RTL and netlists are correct in every architecture, for all codes and "
        "accumulator states.",
    ),
    "gatesim": Entry(
        "gatesim:gatesim",
        _CHECKS,
        "Simulate netlists against the golden model; by default for all 4-bit and 5-bit formats.",
    ),
    "mutants": Entry(
        "mutants:mutants",
        _CHECKS,
        "Inject faults into the RTL, and check that the cocotb tests catch each one.",
    ),
    "triple": Entry(
        "triple:triple",
        _CHECKS,
        "Give RTL (Verilator), golden model and CUDA kernels the same inputs, and compare all "
        "three.",
    ),
    "gpu-check": Entry(
        "gpu:gpu_check",
        _CHECKS,
        "Compare every CUDA kernel with the golden model, bit for bit; exit status 1 if a number "
        "differs.",
    ),
    "run": Entry(
        "run:run",
        _CHECKS,
        "Run one layer of a model through an array's RTL, and compare every result with the golden "
        "model.",
    ),
    "diff": Entry(
        "report:diff",
        _CHECKS,
        "Compare two sets of records: area, delay, energy, loss. Exit status 3 if any number "
        "changed by more than --tolerance.",
    ),
    "evaluate": Entry(
        "evaluate:evaluate",
        _MODELS,
        "Quantize a model to each format and measure it, with 95 % intervals from the bootstrap.",
    ),
    "recipes": Entry(
        "recipes:recipes",
        _MODELS,
        "List the shipped recipes, which say what is quantized in a model, and how.",
    ),
    "profile": Entry(
        "profile:profile",
        _MODELS,
        "Fit Student's t, normal and Laplace distributions to every layer's weights; write plots, "
        "CSV and JSON.",
    ),
    "quantize": Entry(
        "quantize:quantize",
        _MODELS,
        "Quantize a model's weights from disk to disk; an interrupted run continues.",
    ),
    "explore": Entry(
        "explore:explore",
        _FORMATS,
        "Synthesize every design of a design space; stored results are not computed again.",
    ),
    "derive": Entry(
        "derive:derive",
        _FORMATS,
        "Derive a format from a distribution, write its file, and say how far it is from the "
        "optimum.",
    ),
    "assign": Entry(
        "assign:assign",
        _FORMATS,
        "Find an order of the weights' codes that makes the MAC smaller, and write a format with "
        "this order.",
    ),
    "compress": Entry(
        "compress:compress",
        _LOSSLESS,
        "Compress BF16, FP16, FP32, FP8 and 8-bit tensors without loss; copy all other tensors.",
    ),
    "decompress": Entry(
        "compress:decompress",
        _LOSSLESS,
        "Restore the files that `halfbyte compress` read, byte for byte; also decompress folders "
        "in the dfloat11 layout.",
    ),
    "verify": Entry(
        "compress:verify",
        _LOSSLESS,
        "Decode compressed files, and compare them with the digests of the originals; writes "
        "nothing.",
    ),
    "info": Entry(
        "compress:info",
        _LOSSLESS,
        "Show what a compressed file holds: the layout, bits and entropy of each tensor.",
    ),
    "entropy": Entry(
        "entropy:entropy",
        _LOSSLESS,
        "Show bits per weight, raw and compressed, and the order-0 entropy; per tensor or per "
        "format.",
    ),
    "train-bytelm": Entry(
        "train_bytelm:train_bytelm",
        _MAINTAINERS,
        "Train bytelm, the built-in language model, at about a second a step on two cores; an "
        "interrupted run continues.",
    ),
    "findings": Entry(
        "findings:findings",
        _MAINTAINERS,
        "Repeat the comparisons of Dotzel et al. (2024) on minilm and bytelm, the built-in models; "
        "write a page of findings.",
    ),
    "releases": Entry(
        "releases:releases",
        _MAINTAINERS,
        "Show areas of each release, and plot areas and speeds; --record measures this release.",
    ),
    "schema": Entry(
        "schema:schema",
        _MAINTAINERS,
        "Print the JSON Schema of a record: fields, types, units. Without a name, list the "
        "records.",
    ),
    "bench": Entry(
        "bench:bench",
        _MAINTAINERS,
        "Time the golden model's block-scaled GEMM, and torch.matmul in FP32 for comparison.",
    ),
    "gpu-bench": Entry(
        "gpu:gpu_bench",
        _MAINTAINERS,
        "Time every CUDA kernel and PyTorch's kernels in the same run; by default for e2m1_sp.",
    ),
}


class LazyGroup(TyperGroup):
    """The group of all :data:`COMMANDS`. Listing them in the help does not import them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=entry.summary, rich_help_panel=entry.panel)
            for name, entry in COMMANDS.items()
        }
        self._is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, group by group."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by name; None if no command has this name."""
        if self._is_listing or cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        return COMMANDS[cmd_name].load(cmd_name)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command line. If it is wrong, print one line and end with exit status 2."""
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except TyperException as error:
            if error.format_message():  # empty if the help was printed instead
                print(f"error: {usage_line(error, _all_commands)}", file=sys.stderr)
            status = error.exit_code
        sys.exit(status or 0)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the commands as :data:`COMMANDS` lists them."""
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_listing = False


def _all_commands() -> dict[str, Any]:
    return {name: entry.load(name) for name, entry in COMMANDS.items()}
