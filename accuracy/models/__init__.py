"""The models on which formats are evaluated, and what is measured.

``open_model`` needs PyTorch and transformers, so it is imported only on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from halfbyte.accuracy.models.reference import ModelReference, find_model

if TYPE_CHECKING:
    from halfbyte.accuracy.models.loading import open_model

__all__ = ["ModelReference", "find_model", "open_model"]


def __getattr__(name: str) -> Any:
    if name != "open_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("halfbyte.accuracy.models.loading").open_model
