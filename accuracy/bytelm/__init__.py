"""bytelm: a small causal language model on bytes, trained for halfbyte on CPython's source."""

from pathlib import Path

from halfbyte.accuracy.bytelm.corpus import Corpus, calibration_text, held_out_text, read_corpus

__all__ = ["CHECKPOINT", "Corpus", "calibration_text", "held_out_text", "read_corpus"]

CHECKPOINT = Path(__file__).parent / "checkpoint"  # in Hugging Face layout, BF16
