"""Reads whole files, up to a size limit; they may be packed with gzip, bzip2 or xz."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from halfbyte.base import UserError
from halfbyte.base.user_files import read_start

__all__ = ["MAX_BYTES", "read_packed"]

# The largest size in bytes of the file, and also of its unpacked contents.
MAX_BYTES = 512 * 2**20


class _Stream(Protocol):
    """Decompresses one member of a packed file; the bytes after it are ``unused_data``.

    A packed file may consist of several members, one after the other.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


# The first bytes of each kind of file, and the class that reads a member of it.
_KINDS: dict[str, tuple[bytes, Callable[[], _Stream]]] = {
    "gzip": (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    "bzip2": (b"BZh", bz2.BZ2Decompressor),
    "xz": (b"\xfd7zXZ", lzma.LZMADecompressor),
}


def read_packed(path: Path, what: str, remedy: str) -> bytes:
    """The contents of ``path``, decompressed.

    Raises UserError for a file that is missing, unreadable, damaged, or larger than the limit. The
    message begins with ``what``, the kind of file that is wanted. For a missing file it ends with
    ``remedy``, which says what to do.
    """
    kind = ""
    try:
        raw = read_start(path, MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UserError(f"{what} {path} has more than {MAX_BYTES} bytes")
        kind = next((kind for kind, (magic, _) in _KINDS.items() if raw.startswith(magic)), "")
        if kind:
            raw = _unpacked(raw, *_KINDS[kind])
    except FileNotFoundError:
        raise UserError(f"{what} {path} does not exist: {remedy}") from None
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{what} {path} is a damaged {kind} file ({error})") from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.strerror is None:  # bz2 raises this for damaged data
            raise UserError(f"{what} {path} is a damaged {kind} file ({reason})") from error
        raise UserError(f"{what} {path} cannot be read ({reason})") from error
    if len(raw) > MAX_BYTES:
        raise UserError(f"{what} {path} has more than {MAX_BYTES} bytes")
    return raw


def _unpacked(raw: bytes, magic: bytes, stream: Callable[[], _Stream]) -> bytes:
    """The unpacked members, joined; at most ``MAX_BYTES`` + 1 bytes.

    Raises EOFError if the file is cut short, or if anything but zeros follows the members.
    """
    parts: list[bytes] = []
    left = MAX_BYTES + 1
    while raw.startswith(magic) and left > 0:
        member = stream()
        parts.append(member.decompress(raw, left))
        left -= len(parts[-1])
        if left > 0 and not member.eof:
            raise EOFError("it ends early")
        raw = member.unused_data
    if left > 0 and raw.strip(b"\0"):
        raise EOFError("something else follows the compressed data")
    return b"".join(parts)
