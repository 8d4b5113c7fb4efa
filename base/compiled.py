"""Compiled loops, for work without a vectorized form that is nearly as fast."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ModuleNotFoundError:  # on a machine with a GPU that has PyTorch and little else
    numba = None  # type: ignore[assignment]

__all__ = ["jit"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def jit(function: _Function) -> _Function:
    """Compile ``function`` on its first call, to run without the interpreter's lock.

    The machine code is kept beside the source, or in the user's cache folder where that is
    read-only. A cached function is not compiled again when a function it calls in another file
    changes: functions that call each other stand in one file. Without numba the function runs as
    it is, hundreds of times slower, and a warning says so.
    """
    if numba is None:
        warnings.warn(
            "numba is missing (pip install numba): loops run hundreds of times slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return function
    try:
        return cast(_Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder can be written: compile in every process
        return cast(_Function, numba.njit(nogil=True)(function))
