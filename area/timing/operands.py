"""Makes operand streams: the inputs of a MAC, cycle by cycle, while it computes dot products.

A set of operands holds values of weights and activations from a model, by layer and row. Each value
is divided by the largest magnitude in its block, a group of values that share a scale. A MAC's
inputs are the codes of the format's nearest values. Each of 64 independent streams takes one weight
row and one activation row of the same layer, and computes one or more dot products of them. There
is a stream for every such pair of rows.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.activity import LANES
from halfbyte.base import UserError, content_key
from halfbyte.base.user_files import read_start
from halfbyte.formats import Format

__all__ = [
    "Operands",
    "load_operands",
    "operand_streams",
    "paired",
    "shipped_operands",
]

FOLDER = Path(__file__).parent / "samples"

LAYERS, ROWS, CYCLES = 4, 4, 256
_SHAPE = (LAYERS, ROWS, CYCLES)
# Values from -1 to 1 are stored as integers in units of 1/32767. This unit is less than the
# distance between two values of any shipped 4-bit format, if its largest value is scaled to 1.
_SCALE = 32767
_MAX_FILE = 2**20  # bytes; `halfbyte operands` writes much less
_SEED = 1
_Number = TypeVar("_Number", bound=np.unsignedinteger)


@dataclass(frozen=True)
class Operands:
    """Values of weights and activations from a model.

    Parameters
    ----------
    name : str
        The name of the set.
    weights, activations : numpy array
        (4, 4, 256) int16: layers, rows, terms. 32767 stands for 1.

    Raises
    ------
    ValueError
        An array has another shape or type.
    """

    name: str
    weights: NDArray[np.int16]
    activations: NDArray[np.int16]

    def __post_init__(self) -> None:
        for values in (self.weights, self.activations):
            if values.shape != _SHAPE or values.dtype != np.int16:
                raise ValueError(
                    f"Operands must be int16 arrays of the shape {_SHAPE}, not {values.dtype} "
                    f"arrays of the shape {values.shape}"
                )

    @classmethod
    def of(
        cls, name: str, weights: NDArray[np.floating], activations: NDArray[np.floating]
    ) -> "Operands":
        """Operands from arrays of values, (4, 4, 256) each, clipped to the range from -1 to 1."""
        stored = (np.rint(np.clip(each, -1, 1) * _SCALE) for each in (weights, activations))
        return cls(name, *(each.astype(np.int16) for each in stored))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the values."""
        return content_key([self.weights.tolist(), self.activations.tolist()])

    def to_bytes(self) -> bytes:
        """The contents of a file with these operands."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=self.weights, activations=self.activations)
        return buffer.getvalue()

    def codes(self, weight: Format, activation: Format) -> dict[str, NDArray[np.uint8]]:
        """The codes of both operands by port, (256, 64) each."""
        return paired(_encode(self.weights, weight), _encode(self.activations, activation))


def paired(weights: NDArray[_Number], activations: NDArray[_Number]) -> dict[str, NDArray[_Number]]:
    """Pair each weight row of a layer with each activation row of the same layer.

    Returns arrays (256, 64) by port, one pair per column, from arrays (4, 4, 256).
    """
    shape = (LAYERS, ROWS, ROWS, CYCLES)
    return {
        port: np.broadcast_to(values, shape).reshape(LANES, CYCLES).T.copy()
        for port, values in (("w", weights[:, :, None]), ("a", activations[:, None]))
    }


def _encode(values: NDArray[np.int16], fmt: Format) -> NDArray[np.uint8]:
    """Codes of the nearest values, if 32767 stands for the format's highest value."""
    levels = np.array([float(fmt.values[code] / fmt.max_value) for code in fmt.sorted_codes])
    midpoints = (levels[1:] + levels[:-1]) / 2
    places = np.searchsorted(midpoints, values / _SCALE)  # a tie goes to the lower value
    codes = np.array(fmt.sorted_codes, np.uint8)
    return codes[places]


def shipped_operands() -> list[str]:
    """Names of the sets of operands that come with the package; the default is the first."""
    names = sorted(path.stem for path in FOLDER.glob("*.npz"))
    return sorted(names, key=lambda name: name != "minilm")


def load_operands(reference: str) -> Operands:
    """A shipped set by its name, or a set from a file that ``halfbyte operands`` wrote.

    Raises UserError if there is no such set or file, or if the file does not hold operands.
    """
    is_name = reference in shipped_operands()
    path = FOLDER / f"{reference}.npz" if is_name else Path(reference)
    try:
        # Read from memory, since NumPy leaves a file open if it cannot read it.
        raw = read_start(path, _MAX_FILE)
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            return Operands(path.stem, stored["weights"], stored["activations"])
    except FileNotFoundError:
        raise UserError(
            f"Operands must be a shipped set ({', '.join(shipped_operands())}) or a file that "
            f"`halfbyte operands` wrote, but there is no file {reference[:60]!r}"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a file that `halfbyte operands` wrote (.npz)") from error


def operand_streams(
    operands: Operands | None, weight: Format, activation: Format, terms: int
) -> Mapping[str, NDArray[np.uint8]]:
    """The inputs of 64 MACs in 256 cycles: codes by port, and ``clear``; (256, 64) each.

    Without ``operands``, codes are random and equally likely, from a fixed seed. ``clear`` is 1 in
    the first cycle, and after every ``terms`` products it is 1 again.
    """
    if operands:
        codes = operands.codes(weight, activation)
    else:
        rng = np.random.default_rng(_SEED)
        codes = {
            port: rng.integers(0, 2**fmt.bits, (CYCLES, LANES), np.uint8)
            for port, fmt in (("w", weight), ("a", activation))
        }
    clear = np.zeros((CYCLES, LANES), np.uint8)
    clear[:: min(terms, CYCLES)] = 1
    return {**codes, "clear": clear}
