"""Profile a whole model, layer by layer: fit distributions to its weights and activations.

``nu`` is the degrees of freedom of Student's t: the smaller nu is, the heavier the tails.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from halfbyte.accuracy.profile.activations import collect_activations
from halfbyte.accuracy.profile.source import Source
from halfbyte.accuracy.profile.tensors import (
    MAX_SAMPLES,
    TensorProfile,
    TensorRecord,
    profile_matrix,
)
from halfbyte.base import Progress, UserError, unheard, versions_of

__all__ = ["nus_of_weights", "profile_model", "typical_nu"]


def profile_model(
    source: Source,
    *,
    block: int = 128,
    activations: bool = False,
    random_inputs: bool = False,
    seed: int = 0,
    on_progress: Progress = unheard,
) -> list[TensorProfile]:
    """Profile every weight and, with ``activations``, the inputs of every layer that runs.

    Parameters
    ----------
    source : Source
        The model, or the file of weights.
    block : int
        Number of values that share a scale.
    activations : bool
        Whether to run the model, and to profile the inputs of its layers.
    random_inputs : bool
        Whether the model runs on random embeddings instead of its calibration text.
    seed : int
        Seed of samples and random inputs.
    on_progress : callable
        Called with ``(done, total, label)``.

    Returns
    -------
    list of TensorProfile
        Two for each tensor: the profile of its values, and that of its values divided by the
        largest magnitude in their block.

    Raises
    ------
    UserError
        A tensor has NaN or infinities, or ``activations`` is set for a single file of weights.
    """
    if activations and source.subject is None:
        raise UserError(
            f"{source.name} is a file of weights, so there is no model to run on a text"
        )
    found: list[TensorProfile] = []
    total = len(source.weights) * (2 if activations else 1)
    for index, (layer, read) in enumerate(source.weights.items()):
        on_progress(index, total, layer)
        found += profile_matrix(layer, "weight", read(), block=block, seed=seed)
    if activations and source.subject is not None:
        on_progress(len(source.weights), total, "running the model")
        inputs = collect_activations(
            source.subject, limit=MAX_SAMPLES, seed=seed, random_inputs=random_inputs
        )
        for index, (layer, rows) in enumerate(inputs.items(), start=len(source.weights)):
            on_progress(index, total, layer)
            found += profile_matrix(layer, "activation", rows, block=block, seed=seed)
    on_progress(total, total, "")
    fed = "random" if random_inputs else "text"

    def named(record: TensorRecord) -> TensorRecord:
        return replace(
            record,
            model=source.name,
            seed=seed,
            versions=versions_of("torch", "scipy"),
            inputs=fed if record.what == "activation" else None,
        )

    return [TensorProfile(named(each.record), each.fits) for each in found]


def typical_nu(profiles: Sequence[TensorProfile]) -> float:
    """The median nu of the layers' weights as they are, not divided by the largest in a block.

    Raises UserError if no layer has a fit.
    """
    found = nus_of_weights(profiles)
    if not found:
        raise UserError(
            "nu cannot be fitted to the weights of any layer: too many of the weights are equal, "
            "or a layer has too few"
        )
    return median(found)


def nus_of_weights(profiles: Sequence[TensorProfile]) -> list[float]:
    """The nu of each layer's weights as they are; layers without a fit are skipped."""
    return [
        each.record.nu
        for each in profiles
        if each.record.what == "weight"
        and not each.record.normalised
        and each.record.nu is not None
    ]
