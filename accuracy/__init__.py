"""Measure how formats change real models: profiles, recipes, evaluation with intervals.

PyTorch is imported only when something is computed.
"""

from halfbyte.accuracy.evaluation import Evaluation, evaluate
from halfbyte.accuracy.models.reference import ModelReference, find_model

__all__ = ["Evaluation", "ModelReference", "evaluate", "find_model"]
