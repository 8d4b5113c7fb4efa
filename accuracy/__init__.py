"""Measure how quantization to a format changes a real model.

A profile says how weights and activations are distributed. A recipe says what is quantized, and
how. An evaluation measures the accuracy of the quantized model, with confidence intervals.
Importing this package does not import PyTorch.
"""

from halfbyte.accuracy.evaluation import Evaluation, evaluate
from halfbyte.accuracy.models.reference import ModelReference, find_model

__all__ = ["Evaluation", "ModelReference", "evaluate", "find_model"]
