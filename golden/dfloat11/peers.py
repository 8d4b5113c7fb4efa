"""Calls other codecs of weights, for comparison with halfbyte's own."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.base import UserError

__all__ = ["INSTALL", "Peer", "peers"]

INSTALL = "pip install zipnn==0.5.4 openzl==0.3.0"


@dataclass(frozen=True)
class Peer:
    """A codec of BF16 weights.

    Parameters
    ----------
    name : str
        Name of its Python package.
    encode : callable
        Takes (elements,) uint16, the bits of the weights, and gives the compressed form.
    decode : callable
        Takes the compressed form, and gives the bytes of the weights back.
    size : callable
        Takes the compressed form, and gives its number of bytes.
    """

    name: str
    encode: Callable[[NDArray[np.uint16]], Any]
    decode: Callable[[Any], Any]
    size: Callable[[Any], int] = len


def _zipnn() -> Peer:
    from zipnn import ZipNN

    codec = ZipNN(input_format="byte", bytearray_dtype="bfloat16", threads=1)
    # A copy, since the codec rearranges the bits of its input in place.
    return Peer("zipnn", lambda words: codec.compress(bytearray(words.tobytes())), codec.decompress)


def _openzl() -> Peer:
    """Stores sign and mantissa as they are, and codes exponents with finite-state entropy (FSE)."""
    import openzl.ext as openzl

    graphs, nodes = openzl.graphs, openzl.nodes
    compressor = openzl.Compressor()
    fse, store = graphs.Fse()(compressor), graphs.Store()(compressor)
    compressor.select_starting_graph(nodes.BFloat16Deconstruct()(compressor, store, fse))

    def encode(words: NDArray[np.uint16]) -> Any:
        context = openzl.CCtx()  # a context forgets its compressor after each call
        context.ref_compressor(compressor)
        context.set_parameter(openzl.CParam.FormatVersion, openzl.MAX_FORMAT_VERSION)
        return context.compress([openzl.Input(openzl.Type.Numeric, words)])

    def decode(data: Any) -> Any:
        return openzl.DCtx().decompress(data)[0].content.as_nparray()

    return Peer("openzl", encode, decode)


def peers() -> list[Peer]:
    """All codecs to compare with halfbyte's. Raises UserError if one is not installed."""
    missing = [name for name in ("zipnn", "openzl") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"For the comparison, {' and '.join(missing)} must be installed; run: {INSTALL}"
        )
    return [_zipnn(), _openzl()]
