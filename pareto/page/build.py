"""Write the page as one file, with its style, scripts, plotting library and data."""

import base64
import gzip
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from halfbyte.base import JsonObject, write_atomically
from halfbyte.pareto.page.data import page_data

__all__ = ["write_page"]

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("state.js", "plot.js", "table.js", "detail.js", "main.js")


def write_page(path: Path, records: Iterable[JsonObject], netlists: Path | None = None) -> Path:
    """Write all ``records`` as one HTML page, which needs no server and no network.

    The page is usually smaller than 5 MB. ``records`` and ``netlists`` are those of
    :func:`halfbyte.pareto.page.data.page_data`. Returns ``path``. Raises UserError if no
    record is that of a circuit, or if a record has wrong fields.
    """
    data = json.dumps(
        page_data(records, netlists).as_json(), separators=(",", ":"), allow_nan=False
    )
    parts = {
        "CSS": _asset("page.css"),
        # Without "<", the text of a record cannot end the HTML element that holds the data.
        "DATA": data.replace("<", "\\u003c"),
        "PLOTLY": _plotly(),
        "SCRIPT": "\n".join(_asset(name) for name in _SCRIPTS),
    }
    page = _asset("page.html")
    for name, text in parts.items():
        before, after = page.split(f"@@{name}@@")
        page = before + text + after
    write_atomically(path, page)
    return path


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """The plotting library, compressed with gzip, as Base64 text."""
    library = resources.files("plotly") / "package_data" / "plotly.min.js"
    return base64.b64encode(gzip.compress(library.read_bytes(), mtime=0)).decode()
