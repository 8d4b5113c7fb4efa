"""Make a format file from a distribution: from its quantiles, or from the levels of least error.

A *level* is a value of a format, divided by the format's highest value.
"""

import json
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from halfbyte.formats.codebooks import (
    MIN_NU,
    block_distribution,
    code_entropy,
    distance_to_optimum_db,
    entropy_constrained,
    levels_of,
    lloyd_max,
    relative_mse,
)
from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.quantile import quantile_levels, round_to_grid

__all__ = ["METHODS", "Derivation", "Errors"]

METHODS = {
    "quantile": "quantiles at evenly spaced probabilities (Dotzel et al., 2024, Algorithm 1)",
    "lloyd_max": "least mean square error in blocks of {block} (Lloyd, 1982; Max, 1960)",
    "entropy": "least mean square error in blocks of {block} at {entropy:g} bits of entropy "
    "(Chou, Lookabaugh and Gray, 1989)",
}
"""Ways to choose levels, each with its source."""
_TITLES = {"quantile": "quantiles", "lloyd_max": "Lloyd-Max", "entropy": "entropy-constrained"}


@dataclass(frozen=True)
class Errors:
    """How well a format quantizes blocks of a distribution.

    Parameters
    ----------
    relative_mse : float
        Mean square error over the mean square of the values.
    distance_db : float
        By how many dB the signal-to-quantization-noise ratio is below that of the best levels.
    entropy : float
        Average bits per code, if an entropy coder stores the codes.
    """

    relative_mse: float
    distance_db: float
    entropy: float

    @property
    def sqnr_db(self) -> float:
        """Signal-to-quantization-noise ratio, in dB."""
        return -10 * math.log10(self.relative_mse)


@dataclass(frozen=True)
class Derivation:
    """What a format is derived from, and how.

    Parameters
    ----------
    distribution : str
        ``normal`` or ``student_t``.
    nu : float or None
        Degrees of freedom, for ``student_t`` only.
    bits : int
        Bits of a code.
    lut_bits : int
        Bits of a value in the hardware's look-up table, sign included.
    method : str
        One of :data:`METHODS`.
    block : int
        Values that share a scale. For the method ``quantile``, only :meth:`errors` depends on it.
    entropy : float
        Average bits per code, for the method ``entropy``.

    Raises
    ------
    FormatError
        The method is unknown. For other wrong parameters, :attr:`levels` and :meth:`text` raise it.
    """

    distribution: str
    nu: float | None
    bits: int
    lut_bits: int
    method: str
    block: int
    entropy: float

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise FormatError(
                f"Method must be one of {', '.join(METHODS)}, not {self.method!r:.60}"
            )

    @property
    def default_name(self) -> str:
        """A name for the format: the distribution, nu, and the settings that are not the default.

        The settings that may be named are the method, the block and the two widths.
        """
        parts = [self.distribution]
        if self.nu is not None:
            parts.append(f"nu{self.nu:.6g}".replace(".", "_").replace("+", ""))
        parts += [self.method.removesuffix("_max")] * (self.method != "quantile")
        parts += [f"{self.bits}bit"] * (self.bits != 4)
        parts += [f"b{self.block}"] * (self.method != "quantile" and self.block != 128)
        parts += [f"lut{self.lut_bits}"] * (self.lut_bits != 8)
        return "_".join(parts)

    @property
    def parent(self) -> str:
        """The distribution in words, with its parameter."""
        return "normal" if self.nu is None else f"Student's t, nu {self.nu:g}"

    @cached_property
    def levels(self) -> np.ndarray:
        """The levels before rounding to ``lut_bits`` bits: (2^bits,) float64, ascending to 1."""
        if self.method == "quantile":
            return quantile_levels(self.distribution, self.bits, self.nu)
        blocks = block_distribution(self.distribution, self.nu, self.block)
        count = 2**self.bits
        if self.method == "lloyd_max":
            return lloyd_max(blocks, count, pinned=True)
        levels = entropy_constrained(blocks, count, entropy=self.entropy, pinned=True).levels
        # Some levels may have been dropped. The codes that are left over repeat the highest level.
        return np.append(levels, np.ones(count - len(levels)))

    def text(self, name: str) -> str:
        """The format file, as YAML. Raises FormatError if a parameter is out of range."""
        values = ", ".join(map(str, round_to_grid(self.levels, self.lut_bits)))
        title = f"{self.parent}, {_TITLES[self.method]}, {self.bits} bits"
        lines = {"name": name, "title": _quoted(title)}
        if self.method == "quantile":
            lines |= {"family": "quantile", "distribution": self.distribution}
            lines |= {} if self.nu is None else {"nu": f"{self.nu:.10g}"}
            lines |= {"bits": str(self.bits), "lut_bits": str(self.lut_bits)}
        else:
            lines |= {"bits": str(self.bits), "values": f"[{values}]"}
        method = METHODS[self.method].format(block=self.block, entropy=self.entropy)
        source = _quoted(f"halfbyte derive {self.distribution}: {method}")
        lines |= {"ties": "down", "source": source}
        return "".join(f"{key}: {value}\n" for key, value in lines.items())

    def errors(self, fmt: Format) -> Errors | None:
        """How well ``fmt`` quantizes the distribution; None if nu is below :data:`MIN_NU`."""
        if self.nu is not None and self.nu < MIN_NU:
            return None
        blocks = block_distribution(self.distribution, self.nu, self.block)
        levels = levels_of(fmt)
        return Errors(
            relative_mse(levels, blocks),
            distance_to_optimum_db(fmt, self.distribution, self.nu, self.block),
            code_entropy(levels, blocks),
        )


def _quoted(text: str) -> str:
    """A string for YAML in double quotes; JSON's quoting is valid YAML."""
    return json.dumps(text)
