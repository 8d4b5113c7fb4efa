"""Find how much memory is available, so that a lack of memory is reported before work starts.

Linux states this size as ``MemAvailable`` in ``/proc/meminfo`` (proc(5)). A process may also be in
control groups, which limit its memory: by ``memory.max`` in version 2 of control groups, and by
``memory.limit_in_bytes`` in version 1. The memory that a group uses includes cached files. Linux
can drop these, so they count as available here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from halfbyte.base import UserError

__all__ = ["available_memory", "check_memory", "readable_size"]

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
# For each version of control groups: the files with the limit and the usage in bytes, and the entry
# of the file memory.stat with the bytes of cached files.
_GROUP_FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def _text(path: Path) -> str:
    """The content of a file; empty if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _integer(path: Path) -> int | None:
    """The number in a file; None if there is none."""
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # a group without a limit has the text "max"


def _field(path: Path, pattern: str) -> int | None:
    """The number that the first group of a pattern matches in a file; None without a match."""
    match = re.search(pattern, _text(path), re.MULTILINE)
    return int(match[1]) if match else None


def _groups(root: Path) -> Iterator[tuple[int, Path]]:
    """Version and folder of every control group that may limit this process.

    These are the root group and the process's own group with all groups above it. In a container,
    the process may see the paths of the host, which do not exist in the container. Such a folder
    then counts as one without a limit.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup"
        version = 1 if controllers else 2
        top = mount / "memory" if version == 1 else mount
        group = top / path.lstrip("/")
        yield version, top
        while group != top and top in group.parents:
            yield version, group
            group = group.parent


def _group_room(version: int, folder: Path) -> int | None:
    """Bytes that a control group may still use; None if it has no limit."""
    limit_name, usage_name, cached_name = _GROUP_FILES[version]
    limit, usage = _integer(folder / limit_name), _integer(folder / usage_name)
    if limit is None or usage is None:
        return None
    cached = _field(folder / "memory.stat", rf"^{cached_name} (\d+)$") or 0
    return max(0, limit - usage + cached)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process can still use without swapping.

    Returns None if the system does not state it. ``root`` is the folder that contains ``proc`` and
    ``sys``.
    """
    kilobytes = _field(root / "proc/meminfo", r"^MemAvailable:\s+(\d+) kB$")
    rooms = [_group_room(version, folder) for version, folder in _groups(root)]
    rooms.append(None if kilobytes is None else 1024 * kilobytes)
    return min((room for room in rooms if room is not None), default=None)


def readable_size(count: int) -> str:
    """A number of bytes as a text with a unit: ``1.5 KiB`` for 1536."""
    power = min(max(0, (count.bit_length() - 1) // 10), len(_UNITS) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"


def check_memory(needed_bytes: int, what: str, remedy: str = "use a smaller model") -> None:
    """Raise UserError if more memory is needed than is available.

    The message begins with ``what``, the work that needs the memory, and ends with ``remedy``.
    """
    available = available_memory()
    if available is not None and needed_bytes > available:
        raise UserError(
            f"{what} needs about {readable_size(needed_bytes)} of memory, but only "
            f"{readable_size(available)} is available; close other programs, raise the limit, "
            f"or {remedy}"
        )
