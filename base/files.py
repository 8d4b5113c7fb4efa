"""Where results go, and how files are written: whole or not at all."""

import os
import tempfile
from pathlib import Path

__all__ = ["build_dir", "user_folder", "write_atomically"]


def build_dir() -> Path:
    """The folder of all results: ``$HALFBYTE_BUILD``, else ``build`` in the working directory."""
    return Path(os.environ.get("HALFBYTE_BUILD") or "build")


def user_folder(kind: str) -> Path | None:
    """Where a user keeps files of a kind, such as ``technologies``; None without a home.

    ``$HALFBYTE_HOME/KIND``, else ``$XDG_CONFIG_HOME/halfbyte/KIND``, which is in ``~/.config``.
    """
    own, config = os.environ.get("HALFBYTE_HOME"), os.environ.get("XDG_CONFIG_HOME")
    if own:
        return Path(own) / kind
    try:
        return Path(config or Path.home() / ".config") / "halfbyte" / kind
    except RuntimeError:
        return None


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path`` so that readers see the old file or the new one, never a part.

    Makes the folder if need be. Text is UTF-8. Raises OSError as usual.
    """
    raw = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
