"""Versions of the packages that a result depends on."""

from functools import cache
from importlib import metadata

from halfbyte import __version__

__all__ = ["versions_of"]


@cache
def _version(distribution: str) -> str | None:
    if distribution == "halfbyte":  # the code of a checkout may be newer than its installation
        return __version__
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def versions_of(*distributions: str) -> dict[str, str | None]:
    """Installed version of each distribution by name; None where it is not installed."""
    return {name: _version(name) for name in distributions}
