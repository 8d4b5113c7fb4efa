"""Fit distributions to a model's weights and activations: Student's t, normal and Laplace."""

from halfbyte.accuracy.profile.fits import Fit, Fits, fit_distributions
from halfbyte.accuracy.profile.model import nus_of_weights, profile_model, typical_nu
from halfbyte.accuracy.profile.source import Source, open_source
from halfbyte.accuracy.profile.tensors import TensorProfile, TensorRecord, profile_matrix

__all__ = [
    "Fit",
    "Fits",
    "Source",
    "TensorProfile",
    "TensorRecord",
    "fit_distributions",
    "nus_of_weights",
    "open_source",
    "profile_matrix",
    "profile_model",
    "typical_nu",
]
