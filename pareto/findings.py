"""Check the findings of Dotzel et al. (2024), *the paper*, against our own measurements.

A *recipe* says what is quantized, and how. A *case* is a format with a recipe and a block size. Its
*loss* on a model is the relative worsening of the model's first measure, or the absolute worsening
if there is no relative one. A comparison of two cases on one model gives the difference of their
losses, with an interval from the paired bootstrap. SR (super-range) and SP (super-precision) are
variants of E2M1 in which the code of negative zero has a value of its own, the *supernormal*.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from halfbyte.pareto.paper import published, w4a4_accuracy

if TYPE_CHECKING:
    from halfbyte.accuracy import Evaluation

__all__ = ["Case", "Finding", "Row", "cases", "compare", "findings"]

BLOCKS = (16, 32, 64, 128, 256)
# Names of recipes: quantized weights, weights and activations, and weights with the supernormal's
# sign chosen per block.
_W4, _W4A4, _SIGN = "dotzel2024", "dotzel2024_w4a4", "w4_sign"
# The formats of the paper's Table 8 that are ranked here.
_RANKED = ("nf4", "sf4", "int4", "e2m1", "e2m1_sr", "e2m1_sp", "e3m0", "apot4", "apot4_sp")


@dataclass(frozen=True)
class Case:
    """A format with the recipe and block size of its evaluation."""

    format: str
    recipe: str
    block: int = 128

    def __str__(self) -> str:
        return f"{self.format} ({self.recipe}, block {self.block})"


@dataclass(frozen=True)
class Row:
    """One number that we measured: what it is about, its value, its interval, and the verdict."""

    where: str
    figure: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class Finding:
    """A statement of the paper, or one that we add to it, with the paper's numbers and ours."""

    statement: str
    paper: str
    unit: str
    rows: tuple[Row, ...]


# A function that gives the evaluation of a case on a model.
Lookup = Callable[[str, Case], "Evaluation"]


def _pairs(better: str, worse: str) -> list[tuple[Case, Case]]:
    return [(Case(better, recipe), Case(worse, recipe)) for recipe in (_W4, _W4A4)]


# By block size: E2M1 against SR, SR with its sign chosen per block against the fixed sign, and SR
# with its sign chosen per block against E2M1.
_SR_PAIRS = [(Case("e2m1", _W4, block), Case("e2m1_sr", _W4, block)) for block in BLOCKS]
_SIGN_PAIRS = [(Case("e2m1_sr", _SIGN, block), Case("e2m1_sr", _W4, block)) for block in BLOCKS]
_MENDED_PAIRS = [(Case("e2m1_sr", _SIGN, block), Case("e2m1", _W4, block)) for block in BLOCKS]


def cases() -> list[Case]:
    """The cases that the findings compare, each once."""
    pairs = [*_pairs("sf4", "nf4"), *_pairs("e2m1_sp", "e2m1"), *_SR_PAIRS, *_SIGN_PAIRS]
    ranked = [Case(name, _W4A4) for name in _RANKED]
    return list(dict.fromkeys([*(case for pair in pairs for case in pair), *ranked]))


def compare(model: str, better: Case, worse: Case, lookup: Lookup) -> Row:
    """A row with the percentage points by which ``worse`` loses more than ``better`` on ``model``.

    The verdict is ``not resolved`` unless the 95 % interval excludes 0.
    """
    from halfbyte.accuracy.statistics import interval

    one, other = lookup(model, better), lookup(model, worse)
    losses = [each.worsening for each in (one, other)]
    found = interval(other.losses() - one.losses())
    if found is None:
        figure = f"{100 * (losses[1] - losses[0]):+.3f}"
        return Row(f"{model}: {better} against {worse}", figure, "none", "not resolved")
    low, high = found
    verdict = "holds" if low > 0 else "does not hold" if high < 0 else "not resolved"
    return Row(
        f"{model}: {better} against {worse}",
        f"{100 * (losses[1] - losses[0]):+.3f}",
        f"{100 * low:+.3f} to {100 * high:+.3f}",
        verdict,
    )


def findings(
    models: Sequence[str], lookup: Lookup, ks_deltas: Mapping[str, Mapping[str, float]]
) -> list[Finding]:
    """A finding for each statement, with our measurements.

    Parameters
    ----------
    models : sequence of str
        The models; ``lookup`` must know them.
    lookup : callable
        Gives the evaluation of a case on a model.
    ks_deltas : mapping of model to mapping of layer to float
        For each layer, the Kolmogorov-Smirnov distance of the normal fit minus that of Student's t.
    """

    def rows(pairs: Iterable[tuple[Case, Case]]) -> tuple[Row, ...]:
        return tuple(compare(model, *pair, lookup) for model in models for pair in pairs)

    points = "by how many percentage points of the model's figure the second format loses more"
    return [
        _weights_are_t(ks_deltas),
        Finding(
            "SF4 is more accurate than NF4", _paper_pair("sf4", "nf4"), points,
            rows(_pairs("sf4", "nf4")),
        ),
        Finding(
            "Super-precision improves on E2M1", _paper_pair("e2m1_sp", "e2m1"), points,
            rows(_pairs("e2m1_sp", "e2m1")),
        ),
        Finding(
            "Super-range hurts at small blocks", _paper_blocks(), points, rows(_SR_PAIRS)
        ),
        Finding(
            "Choosing the supernormal's sign per block mends super-range (against the fixed sign)",
            "not measured in the paper", points, rows(_SIGN_PAIRS),
        ),
        Finding(
            "With the sign per block, super-range is better than plain E2M1",
            "not measured in the paper", points, rows(_MENDED_PAIRS),
        ),
        _order(models, lookup),
    ]  # fmt: skip


def _weights_are_t(ks_deltas: Mapping[str, Mapping[str, float]]) -> Finding:
    """The finding on whether Student's t fits weights better than the normal distribution."""
    theirs = [each["ks_delta"] for each in published()["weight_profile"].values()]
    source = np.random.default_rng(1)
    rows = []
    for model, by_layer in ks_deltas.items():
        deltas = np.array(list(by_layer.values()))
        means = source.choice(deltas, (2000, len(deltas))).mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        rows.append(
            Row(
                f"{model}: mean over {len(deltas)} layers; t is closer in {(deltas > 0).sum()}",
                f"{deltas.mean():+.4f}",
                f"{low:+.4f} to {high:+.4f}",
                "holds" if low > 0 else "does not hold" if high < 0 else "not resolved",
            )
        )
    return Finding(
        "Student's t fits weights better than the normal distribution",
        f"KS-delta positive in {sum(each > 0 for each in theirs)} of {len(theirs)} models, mean "
        f"{fmean(theirs):+.3f}",
        "KS-delta: Kolmogorov-Smirnov distance of the normal fit minus that of t; interval: "
        "bootstrap over layers",
        tuple(rows),
    )


def _paper_pair(better: str, worse: str) -> str:
    """The paper's mean differences between two formats, in words, from its Tables 3 and 8."""
    table = published()["wikitext_word_perplexity"]
    plain = table["no_clipping"]
    perplexity = fmean(
        100 * (second - first) / base
        for first, second, base in zip(plain[better], plain[worse], table["fp32"], strict=True)
    )
    accuracy = w4a4_accuracy((better, worse))
    change = accuracy.by_format[better] - accuracy.by_format[worse]
    return (
        f"weight-only, perplexity: {perplexity:+.2f} points (mean of 7 models, Table 3); W4A4, "
        f"accuracy: {change:+.2f} points (mean of {len(accuracy.models)} models, Table 8)"
    )


def _paper_blocks() -> str:
    """The paper's differences between E2M1+SR and E2M1 by block size, in words."""
    table = published()["phi2_delta_percent_by_block"]
    figures = ", ".join(
        f"{block}: {plain - supernormal:+.2f}"
        for block, plain, supernormal in zip(
            table["blocks"], table["e2m1"], table["e2m1_sr"], strict=True
        )
    )
    return (
        f"Phi-2, weight-only, by how many points of accuracy SR loses more, for each block: "
        f"{figures} (Table 5)"
    )


def _order(models: Sequence[str], lookup: Lookup) -> Finding:
    """The finding on the order of formats: the rank correlation of our losses with the paper's."""
    from halfbyte.accuracy.statistics import interval

    paper = w4a4_accuracy(_RANKED)
    theirs = [-paper.by_format[name] for name in _RANKED]
    rows = []
    for model in models:
        evaluations = [lookup(model, Case(name, _W4A4)) for name in _RANKED]
        ours = [each.worsening for each in evaluations]
        replicates = np.stack([each.losses() for each in evaluations], axis=1)
        taus = np.array([kendalltau(theirs, each).statistic for each in replicates])
        low, high = interval(taus) or (-1.0, 1.0)  # if not known, tau's whole range
        order = sorted(zip(ours, _RANKED, strict=True))
        rows.append(
            Row(
                f"{model}: {' < '.join(name for _, name in order)} (loss ascending)",
                f"{kendalltau(theirs, ours).statistic:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                "holds in part" if low > 0 else "not resolved" if high > 0 else "does not hold",
            )
        )
    order = sorted(zip(theirs, _RANKED, strict=True))
    return Finding(
        "The order of formats in W4A4",
        f"{' < '.join(name for _, name in order)} (loss ascending; mean of "
        f"{', '.join(paper.models)}, Table 8)",
        "Kendall's tau between the paper's order and ours: 1 for the same, 0 for none",
        tuple(rows),
    )
