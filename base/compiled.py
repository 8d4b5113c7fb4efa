"""Compiled loops, for what has no vectorized form that is nearly as fast."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["jit"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def jit(function: _Function) -> _Function:
    """Compile ``function`` on its first call, to run without the interpreter's lock.

    The machine code is kept beside the source, or in the user's cache folder where that is
    read-only. A cached function is not compiled again when a function it calls in another file
    changes: functions that call each other stand in one file.
    """
    try:
        return cast(_Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder at all that can be written: compile in every process
        return cast(_Function, numba.njit(nogil=True)(function))
