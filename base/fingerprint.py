"""Compute the keys of stored results, which are hashes of everything that a result depends on."""

import ast
import hashlib
import json
from functools import cache
from typing import Any

from halfbyte.base.imports import imported_modules, source_of, statements

__all__ = ["code_fingerprint", "content_key"]


def content_key(inputs: Any) -> str:
    """The SHA-256 hash of ``inputs`` as JSON, in hex digits.

    The order of the keys in a mapping does not matter. A value that JSON lacks, such as a fraction,
    is replaced by its text.
    """
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_fingerprint(*modules: str) -> str:
    """The SHA-256 hash of the code of ``modules`` and of all modules that they import.

    A stored result has this hash in its key. An edit of the code changes the hash, so the result is
    computed again. An edit of a comment or a docstring does not change the hash. Another version of
    Python may change it. The hash does not cover other packages: a key contains their versions
    instead. Raises ValueError for a module without source.
    """
    digest = hashlib.sha256()
    for module in sorted(imported_modules(*modules)):
        digest.update(f"{module}\0{_code_digest(source_of(module).read_bytes())}\0".encode())
    return digest.hexdigest()


@cache
def _code_digest(source: bytes) -> str:
    """The SHA-256 hash of a source's syntax tree, without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in statements(tree, types=True):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = None  # a docstring, or another constant that does nothing
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
