"""Read files that users name. Pipes are allowed, but devices such as ``/dev/zero`` are refused."""

import errno
import stat
from pathlib import Path

__all__ = ["read_start"]


def read_start(path: Path, count: int) -> bytes:
    """Read at most the first ``count`` bytes of a file or a pipe.

    A caller with a size limit asks for one byte more than the limit, to notice a file that is too
    large. Raises OSError if the file cannot be read, or if it is a device.
    """
    kind = path.stat().st_mode
    if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
        raise OSError(errno.EINVAL, "it is a device, not a file", str(path))
    with path.open("rb") as file:
        return file.read(count)
