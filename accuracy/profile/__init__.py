"""What distributions a model's weights and activations follow."""

from halfbyte.accuracy.profile.fits import Fit, Fits, fit_distributions

__all__ = ["Fit", "Fits", "fit_distributions"]
