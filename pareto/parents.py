"""Find the distributions by which formats are judged.

A *parent* is one or more distributions of values that a format should represent well: a named
distribution, or those of the layers of a model.
"""

import re
from dataclasses import dataclass

from halfbyte.base import Progress, UserError, unheard
from halfbyte.formats.codebooks import MIN_NU
from halfbyte.formats.quantile import MAX_NU

__all__ = ["Parent", "find_parent"]

_STUDENT_T = re.compile(r"t([0-9]{1,4}(?:\.[0-9]{1,4})?)")


@dataclass(frozen=True)
class Parent:
    """One or more distributions; the error of a format is the mean of its errors for them.

    Parameters
    ----------
    name : str
        The name that :func:`find_parent` was given; it is used in names of columns.
    title : str
        The displayed name.
    distributions : tuple
        Pairs of a name and its parameter: ``("normal", None)`` or ``("student_t", nu)``.
    """

    name: str
    title: str
    distributions: tuple[tuple[str, float | None], ...]


def find_parent(name: str, on_progress: Progress = unheard) -> Parent:
    """The parent with a name: ``normal``, ``tNU`` for Student's t, or a model.

    NU stands for a number, nu, of degrees of freedom. For a model, Student's t is fitted to the
    weights of each layer. If the nu of a layer is outside the allowed range, the nearest end of the
    range is used. Raises UserError for an unknown model, for a nu out of range, or if no layer of
    the model can be fitted.
    """
    if name == "normal":
        return Parent(name, "normal", (("normal", None),))
    match = _STUDENT_T.fullmatch(name)
    if match:
        nu = float(match[1])
        if not MIN_NU <= nu <= MAX_NU:
            raise UserError(f"nu must be {MIN_NU} to {MAX_NU:g}, not {nu:g}")
        return Parent(name, f"Student's t, nu {nu:g}", (("student_t", nu),))
    return _of_model(name, on_progress)


def _of_model(name: str, on_progress: Progress) -> Parent:
    """The parent of a model: for each layer, a Student's t that was fitted to its weights."""
    from halfbyte.accuracy.models.reference import check_source

    check_source(name)
    from halfbyte.accuracy.profile import nus_of_weights, open_source, profile_model

    source = open_source(name)
    fitted = nus_of_weights(profile_model(source, on_progress=on_progress))
    if not fitted:
        raise UserError(f"No distribution could be fitted to the weights of {source.name}")
    # Layers differ by far more than the fourth digit. Fewer different nus take less time, because
    # the best values are computed for each nu.
    nus = [min(MAX_NU, max(MIN_NU, float(f"{nu:.3g}"))) for nu in fitted]
    title = f"{source.name}, Student's t of its {len(nus)} layers"
    return Parent(name, title, tuple(("student_t", nu) for nu in nus))
