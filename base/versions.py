"""Versions of the packages that a result depends on."""

from functools import cache
from importlib import metadata

from halfbyte import __version__

__all__ = ["versions_of"]


@cache
def _version(distribution: str) -> str | None:
    if distribution == "halfbyte":  # an editable installation may state an older version
        return __version__
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def versions_of(*distributions: str) -> dict[str, str | None]:
    """The installed version of each Python distribution, by name; None if it is not installed."""
    return {name: _version(name) for name in distributions}
