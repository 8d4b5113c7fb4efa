"""The folder of one synthesis: removed on success, kept after a failure."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import UserError, build_dir

__all__ = ["run_folder"]


@contextmanager
def run_folder() -> Iterator[Path]:
    """A new folder, removed at the end; if a tool fails, it is moved to ``build/failed``."""
    folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
    try:
        yield folder
    except UserError:  # such as a folder that no tool can work in
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
