"""Keys that say what a result was computed from."""

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["content_key", "source_fingerprint"]


def content_key(inputs: Any) -> str:
    """SHA-256 (hex) of JSON-like ``inputs``, independent of the order of mapping keys."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def source_fingerprint(*modules: str, without: tuple[str, ...] = ()) -> str:
    """SHA-256 (hex) of the source of ``modules``: packages with all their Python files, or modules.

    A result whose key holds this is computed again after any edit of the code that made it. Modules
    and packages named in ``without`` have no influence on it and are left out.
    """
    digest = hashlib.sha256()
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None or not spec.has_location:
            raise ValueError(f"Module {module} has no source file")
        origin = Path(spec.origin)
        is_package = spec.submodule_search_locations is not None
        for path in sorted(origin.parent.rglob("*.py")) if is_package else [origin]:
            parts = path.relative_to(origin.parent).with_suffix("").parts
            name = ".".join([module, *parts]) if is_package else module
            if f"{name}.".startswith(tuple(f"{each}." for each in without)):
                continue
            digest.update(f"{module}:{path.relative_to(origin.parent)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
