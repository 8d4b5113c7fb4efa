"""The command with its subcommands, and what the user sees when something goes wrong."""

import os
import sys

import typer

from halfbyte.base import ToolError, UserError
from halfbyte.cli import (
    assign,
    bench,
    compress,
    curve,
    derive,
    doctor,
    entropy,
    evaluate,
    explore,
    findings,
    formats,
    gates,
    gatesim,
    gpu,
    mutants,
    operands,
    pareto,
    profile,
    prove,
    quantize,
    rank,
    recipes,
    recommend,
    report,
    rtl,
    sim,
    synth,
    tech,
    train_bytelm,
    triple,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="halfbyte",
    help="Hardware design and simulation of 4-bit number formats: from sixteen values to a "
    "verified MAC, its area, and a point on the accuracy-versus-area plot.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("formats")(formats.formats)
app.command("synth")(synth.synth)
app.command("curve")(curve.curve)
app.command("sim")(sim.sim)
app.command("prove")(prove.prove)
app.command("gatesim")(gatesim.gatesim)
app.command("mutants")(mutants.mutants)
app.command("rank")(rank.rank)
app.command("gates")(gates.gates)
app.command("assign")(assign.assign)
app.command("rtl")(rtl.rtl)
app.command("profile")(profile.profile)
app.command("derive")(derive.derive)
app.command("evaluate")(evaluate.evaluate)
app.command("quantize")(quantize.quantize)
app.command("compress")(compress.compress)
app.command("decompress")(compress.decompress)
app.command("entropy")(entropy.entropy)
app.command("recommend")(recommend.recommend)
app.command("train-bytelm")(train_bytelm.train_bytelm)
app.command("explore")(explore.explore)
app.command("findings")(findings.findings)
app.command("operands")(operands.operands)
app.command("pareto")(pareto.pareto)
app.command("report")(report.report)
app.command("diff")(report.diff)
app.command("recipes")(recipes.recipes)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("gpu-check")(gpu.gpu_check)
app.command("gpu-bench")(gpu.gpu_bench)
app.command("triple")(triple.triple)
app.add_typer(tech.app, name="tech")


def main() -> None:
    """Run the command; errors that the user can mend end in one line and exit status 1."""
    # Threads of OpenMP that spin while they wait slow each other down when other work runs beside.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(prog_name="halfbyte")
    except (UserError, ToolError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # a folder that cannot be written, a full disk
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: finished results are kept, and the next run continues from them")
