"""Find how much memory is available, so that a lack of it is reported before work starts.

Linux states it as ``MemAvailable`` in ``/proc/meminfo`` (proc(5)). A process may also be in control
groups with limits: ``memory.max`` in version 2, ``memory.limit_in_bytes`` in version 1. Cached
files of a group count as used there. They can be dropped, so they are added to what is free.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from halfbyte.base import UserError

__all__ = ["available_memory", "check_memory", "readable_size"]

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
# Version: mount below /sys/fs/cgroup, limit, usage, and the reclaimable part in memory.stat.
_GROUP_FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _integer(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # "max" where there is no limit


def _field(path: Path, pattern: str) -> int | None:
    match = re.search(pattern, _text(path), re.MULTILINE)
    return int(match[1]) if match else None


def _groups(root: Path) -> Iterator[tuple[int, Path]]:
    """Version and folder of every group that limits this process, from its own up to the root.

    In a container the path may be that of the host. Then only its last folders may exist here.
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
    limit_name, usage_name, cached_name = _GROUP_FILES[version]
    limit, usage = _integer(folder / limit_name), _integer(folder / usage_name)
    if limit is None or usage is None:
        return None
    cached = _field(folder / "memory.stat", rf"^{cached_name} (\d+)$") or 0
    return max(0, limit - usage + cached)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process can still use without swapping; None if the system does not say.

    ``root`` is the folder that contains ``proc`` and ``sys``.
    """
    kilobytes = _field(root / "proc/meminfo", r"^MemAvailable:\s+(\d+) kB$")
    rooms = [_group_room(version, folder) for version, folder in _groups(root)]
    rooms.append(None if kilobytes is None else 1024 * kilobytes)
    return min((room for room in rooms if room is not None), default=None)


def readable_size(count: int) -> str:
    """A number of bytes for people: ``1.5 KiB`` for 1536."""
    power = min(max(0, (count.bit_length() - 1) // 10), len(_UNITS) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"


def check_memory(needed_bytes: int, what: str, remedy: str = "take a smaller model") -> None:
    """Raise UserError if more memory is needed than available.

    ``what`` begins the message, and ``remedy`` ends it.
    """
    available = available_memory()
    if available is not None and needed_bytes > available:
        raise UserError(
            f"{what} needs about {readable_size(needed_bytes)} of memory, but only "
            f"{readable_size(available)} is available; close other programs, raise the limit, "
            f"or {remedy}"
        )
