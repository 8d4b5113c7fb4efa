"""Corrects single errors and detects double errors, by a check byte for each 64 bits.

The code is the odd-weight-column code of M. Y. Hsiao, "A class of optimal minimum odd-weight-column
SEC-DED codes", IBM Journal of Research and Development 14(4), 1970. The *column* of a data bit is a
byte with a 1 for each check bit that covers the data bit. Columns have three or five ones. The
exclusive or of two columns has an even number of ones, so two wrong bits never look like a single
one. The check bytes add 12.5 per cent to the size.
"""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base.compiled import jit
from halfbyte.golden.dfloat11.layout import CorruptError
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = ["COLUMNS", "WORD_BYTES", "check_bytes", "correct"]

WORD_BYTES = 8


def _columns() -> tuple[int, ...]:
    """The columns of the 64 data bits: the 56 bytes with three ones, and 8 of those with five."""
    masks = [
        sum(1 << bit for bit in ones)
        for count, wanted in ((3, 56), (5, 8))
        for ones in list(combinations(range(8), count))[:wanted]
    ]
    return tuple(masks)


COLUMNS = _columns()
"""By data bit: the check bits that cover it. Bit 0 is the lowest of the word's first byte."""


def _byte_tables() -> NDArray[np.uint8]:
    """(8, 256): what each byte of a word, by its value, contributes to the check byte."""
    values = np.arange(256)
    tables = np.zeros((WORD_BYTES, 256), dtype=np.uint8)
    for bit, column in enumerate(COLUMNS):
        tables[bit // 8] ^= (((values >> bit % 8) & 1) * column).astype(np.uint8)
    return tables


def _positions() -> NDArray[np.int64]:
    """By syndrome: the wrong data bit, 64 for a wrong check bit, -1 for more than one wrong bit.

    The syndrome is the exclusive or of the stored and the computed check byte.
    """
    table = np.full(256, -1, dtype=np.int64)
    table[list(COLUMNS)] = np.arange(len(COLUMNS))
    table[[1 << bit for bit in range(8)]] = len(COLUMNS)
    return table


_TABLES = _byte_tables()
_POSITIONS = _positions()
_Array = NDArray[Any]


@jit
def _check_byte(data: _Array, word: int) -> Any:
    check: Any = 0
    for byte in range(WORD_BYTES):
        check ^= _TABLES[byte, data[word * WORD_BYTES + byte]]
    return check


@jit
def _encode(data: _Array, first: int, last: int, checks: _Array) -> None:
    for word in range(first, last):
        checks[word] = _check_byte(data, word)


@jit
def _correct(data: _Array, checks: _Array, first: int, last: int) -> tuple[int, int]:
    """Correct words in place, up to the first that cannot be corrected.

    Returns the number of corrected words, and the word that cannot be corrected, or -1.
    """
    corrected = 0
    for word in range(first, last):
        syndrome = _check_byte(data, word) ^ checks[word]
        if syndrome == 0:
            continue
        bit = _POSITIONS[syndrome]
        if bit < 0:
            return corrected, word
        if bit < 64:
            data[word * WORD_BYTES + bit // 8] ^= 1 << (bit % 8)
        corrected += 1
    return corrected, -1


def check_bytes(data: Tensor) -> Tensor:
    """(words,) uint8: check bytes of ``data``, (bytes,) uint8. Zeros fill up the last word."""
    words = -(-len(data) // WORD_BYTES)
    padded = torch.nn.functional.pad(data, (0, words * WORD_BYTES - len(data)))
    raw = padded.numpy()
    checks = np.empty(words, dtype=np.uint8)
    over_ranges(lambda first, last: _encode(raw, first, last, checks), words)
    return torch.from_numpy(checks)


def correct(data: Tensor, checks: Tensor) -> tuple[Tensor, int]:
    """``data`` with up to one wrong bit per word corrected, and the number of corrected words.

    checks: the result of :func:`check_bytes`. A word has 72 bits, with its check byte. Raises
    :class:`CorruptError` for a word with two wrong bits, for most words with more, and if the
    number of check bytes is wrong.
    """
    words = -(-len(data) // WORD_BYTES)
    if len(checks) != words:
        raise CorruptError(f"{len(data)} bytes need {words} check bytes, not {len(checks)}")
    raw = torch.nn.functional.pad(data, (0, words * WORD_BYTES - len(data))).clone().numpy()
    wanted = checks.numpy()
    found = over_ranges(lambda first, last: _correct(raw, wanted, first, last), words)
    lost = [word for _, word in found if word >= 0]
    if lost:
        raise CorruptError(
            f"bytes {lost[0] * WORD_BYTES} to {lost[0] * WORD_BYTES + 7} have more "
            "than one wrong bit"
        )
    return torch.from_numpy(raw)[: len(data)], sum(count for count, _ in found)
