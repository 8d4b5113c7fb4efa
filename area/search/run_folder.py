"""The folder of one synthesis: kept if a tool or our own code fails, otherwise removed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import UserError, build_dir

__all__ = ["run_folder"]


@contextmanager
def run_folder() -> Iterator[Path]:
    """A new folder, removed at the end.

    If a tool or our own code fails, it is moved to ``build/failed`` instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
    try:
        yield folder
    except UserError:  # the user's mistake, which the message explains
        shutil.rmtree(folder)
        raise
    except Exception:
        (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
        shutil.move(folder, build_dir() / "failed" / folder.name)
        raise
    except BaseException:  # an interruption
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)
