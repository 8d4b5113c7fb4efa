"""Models on which formats are judged: where they are, and what is measured on them."""

from halfbyte.accuracy.models.reference import ModelReference, find_model

__all__ = ["ModelReference", "find_model"]
