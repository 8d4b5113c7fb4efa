"""The measurement: formats on the weights of all-MiniLM-L6-v2, as records."""

import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

from halfbyte.accuracy import minilm
from halfbyte.accuracy.texts import digest, docstrings
from halfbyte.base import (
    RecordStore,
    UserError,
    build_dir,
    content_key,
    source_fingerprint,
    versions_of,
)
from halfbyte.formats import Format

__all__ = ["measure"]

SCALE_BITS = 32  # one FP32 scale per block
_VERSIONED = ("torch", "transformers")
Progress = Callable[[int, int, str], None]


def _key(fmt: Format, block: int, texts_sha256: str) -> str:
    """What a result depends on."""
    return content_key(
        {
            "format": [fmt.name, fmt.ties.value, [str(value) for value in fmt.values]],
            "nan_codes": fmt.nan_codes,
            "block": block,
            "weights": minilm.WEIGHTS_SHA256,
            "texts": texts_sha256,
            "code": source_fingerprint("halfbyte.accuracy", "halfbyte.golden"),
            "versions": versions_of(*_VERSIONED),
        }
    )


def measure(
    formats: Sequence[Format], *, block: int = 128, on_progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Records of weight-only round-to-nearest quantisation of every linear layer, in order.

    ``sqnr_db`` compares the weights; ``fidelity`` is the correlation of pairwise cosine
    similarities of sentence embeddings with the unquantised model's, ``fidelity_error`` its
    standard error over the choice of texts. Results are stored by content; what is in the store
    is not computed again.

    Parameters
    ----------
    formats : sequence of Format
        What to quantise to.
    block : int
        Weights along the input dimension that share an FP32 scale.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    UserError
        The weights are missing or not the official ones, or ``block`` is less than 1.
    """
    if block < 1:
        raise UserError(f"Block size must be at least 1, not {block}")
    minilm.verify(minilm.locate())
    texts = docstrings()
    texts_sha256 = digest(texts)
    store = RecordStore(build_dir() / "records" / "accuracy.jsonl")
    keys = [_key(fmt, block, texts_sha256) for fmt in formats]
    known = {key: record for key in keys if (record := store.get(key)) is not None}
    missing = {key: fmt for key, fmt in zip(keys, formats, strict=True) if key not in known}
    if missing:
        measurement = _Measurement(texts, texts_sha256, block)
    for key, fmt in missing.items():
        if on_progress:
            on_progress(len(known), len(set(keys)), fmt.name)
        known[key] = measurement.run(fmt)
        store.append(key, known[key])
    return [known[key] for key in keys]


class _Measurement:
    """The unquantised model with its embeddings, against which formats are measured.

    PyTorch and transformers take seconds to import: only when there is something to measure.
    """

    def __init__(self, texts: Sequence[str], texts_sha256: str, block: int) -> None:
        from halfbyte.accuracy.encoder import Encoder

        self.encoder = Encoder(minilm.locate())
        self.texts, self.texts_sha256, self.block = texts, texts_sha256, block
        self.reference = self.encoder.embed(texts)

    def run(self, fmt: Format) -> dict[str, Any]:
        from halfbyte.accuracy.metrics import fidelity
        from halfbyte.accuracy.weights import RECIPE, quantized_weights

        start = time.monotonic()
        with quantized_weights(self.encoder.linear_layers(), fmt, self.block) as noise:
            agreement = fidelity(self.encoder.embed(self.texts), self.reference)
        return {
            "format": fmt.name,
            "model": minilm.NAME,
            "weights_sha256": minilm.WEIGHTS_SHA256,
            "recipe": RECIPE,
            "block": self.block,
            "scale_format": "fp32",
            "bits_per_weight": fmt.bits + SCALE_BITS / self.block,
            "texts": len(self.texts),
            "texts_sha256": self.texts_sha256,
            "sqnr_db": round(noise.sqnr_db, 4),
            "fidelity": round(agreement.value, 6),
            "fidelity_error": round(agreement.error, 6),
            "layers": {name: round(ratio, 3) for name, ratio in noise.layers.items()},
            "versions": {
                "python": platform.python_version(),
                **versions_of("halfbyte", *_VERSIONED),
            },
            "seconds": round(time.monotonic() - start, 3),
        }
