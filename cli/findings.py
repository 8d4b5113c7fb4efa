"""``halfbyte findings``: check the findings of Dotzel et al. (2024) on the built-in models.

A case consists of a format, a recipe (what is quantized, and how) and a block size.
"""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import build_dir, versions_of, write_atomically
from halfbyte.cli.evaluate import evaluate_formats, pick_recipe
from halfbyte.cli.output import progress, say, table

if TYPE_CHECKING:
    from halfbyte.accuracy import Evaluation
    from halfbyte.pareto.findings import Case, Finding

__all__ = ["findings"]

MODELS = ("minilm", "bytelm")
_HEAD = """# The paper's findings, one by one

This page tests the findings of Dotzel et al., "Learning from Students" (ICML 2024, arXiv
2405.03103v2), on the two built-in models. On `minilm` (all-MiniLM-L6-v2), the loss of a format is
the loss of embedding fidelity on {texts} texts. On `bytelm`, it is the relative increase in bits
per byte on {windows} windows of source code that bytelm was not trained on. Both models are far
smaller than those of the paper. A finding that does not hold on them may still hold on larger
models. All intervals are 95 % confidence intervals. If an interval includes 0, this test cannot
tell whether the finding holds.

Made by `halfbyte findings` with {versions}.
"""
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File; build/findings.md if not given.", show_default=False
    ),
]


def findings(output: Output = None) -> None:
    """Repeat the comparisons of Dotzel et al. (2024) on minilm and bytelm, the built-in models;
    write a page of findings.
    """
    from halfbyte.pareto.findings import cases
    from halfbyte.pareto.findings import findings as answer

    by_model = {model: _evaluations(model, cases()) for model in MODELS}
    answered = answer(
        MODELS,
        lambda model, case: by_model[model][case],
        {model: _ks_deltas(model) for model in MODELS},
    )
    counts = {model: next(iter(found.values())).record for model, found in by_model.items()}
    versions = ", ".join(
        f"{name} {version}" for name, version in versions_of("torch", "transformers").items()
    )
    head = _HEAD.format(
        texts=counts["minilm"].items, windows=counts["bytelm"].items, versions=versions
    )
    path = output or build_dir() / "findings.md"
    write_atomically(path, "\n".join([head, *(_section(each) for each in answered)]))
    for each in answered:
        rows = [[row.where, row.figure, row.interval, row.verdict] for row in each.rows]
        table(each.statement, ["", ">ours", ">95 %", "verdict"], rows, f"paper: {each.paper}")
    say(f"wrote {path}")


def _evaluations(model: str, wanted: "list[Case]") -> "dict[Case, Evaluation]":
    """Evaluate the wanted cases. One run evaluates all formats with the same recipe and block."""
    from halfbyte.accuracy import find_model

    reference = find_model(model)
    groups = defaultdict(list)
    for case in wanted:
        groups[case.recipe, case.block].append(case)
    found: dict[Case, Evaluation] = {}
    for (recipe, block), group in groups.items():
        names = [case.format for case in group]
        evaluated = evaluate_formats(reference, names, pick_recipe(recipe, str(block)))
        found |= dict(zip(group, evaluated, strict=True))
    return found


def _ks_deltas(model: str) -> dict[str, float]:
    """Kolmogorov-Smirnov (KS) distance of the normal fit minus that of Student's t, by layer."""
    from halfbyte.accuracy.models.loading import open_model
    from halfbyte.accuracy.profile import fit_distributions

    matrices = open_model(model).matrices()
    deltas = {}
    with progress(f"Profile, {model}") as update:
        for done, (name, matrix) in enumerate(matrices.items()):
            update(done, len(matrices), name)
            deltas[name] = fit_distributions(matrix.read().flatten()).ks_delta
    return deltas


def _section(finding: "Finding") -> str:
    """The section of the page on one finding, in Markdown."""
    lines = [
        f"## {finding.statement}",
        "",
        f"Paper: {finding.paper}.",
        "",
        f"Ours: {finding.unit}.",
    ]
    lines += ["", "| where | ours | 95 % | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {row.where} | {row.figure} | {row.interval} | {row.verdict} |" for row in finding.rows
    ]
    return "\n".join([*lines, ""])
