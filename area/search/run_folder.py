"""The temporary folder of one synthesis, which is kept if a tool or halfbyte's code fails."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import UserError, build_dir
from halfbyte.base.yosys import yosys_is_refused

__all__ = ["run_folder"]


@contextmanager
def run_folder() -> Iterator[Path]:
    """Create a folder, and remove it at the end.

    If a tool or halfbyte's code fails, the folder is moved to ``build/failed`` instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
    try:
        yield folder
    except UserError:  # the user's mistake, which the message explains
        shutil.rmtree(folder)
        raise
    except Exception:
        if yosys_is_refused():  # an interruption, which has removed the folder
            raise
        (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
        shutil.move(folder, build_dir() / "failed" / folder.name)
        raise
    except BaseException:  # an interruption
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)
