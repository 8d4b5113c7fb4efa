"""Keys of stored results: hashes of all that a result depends on."""

import hashlib
import json
from functools import cache
from typing import Any

from halfbyte.base.imports import imported_modules, source_of

__all__ = ["code_fingerprint", "content_key"]


def content_key(inputs: Any) -> str:
    """SHA-256 (hex) of JSON-like ``inputs``. The order of the keys in a mapping does not matter."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_fingerprint(*modules: str) -> str:
    """SHA-256 (hex) of the source of ``modules`` and of all modules that they import.

    A result whose key contains this hash is computed again after an edit of the code that made it.
    Packages of others are not hashed: a key contains their versions. Raises ValueError for a module
    without source.
    """
    digest = hashlib.sha256()
    for module in sorted(imported_modules(*modules)):
        digest.update(f"{module}\0".encode())
        digest.update(hashlib.sha256(source_of(module).read_bytes()).digest())
    return digest.hexdigest()
