"""Keep the results of commands as JSON files, so that a later report can show all of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from halfbyte.base.errors import UserError
from halfbyte.base.files import build_dir, write_atomically
from halfbyte.base.fingerprint import content_key
from halfbyte.base.strict_json import JsonObject, json_text, parse_json
from halfbyte.base.user_files import read_start

__all__ = ["keep_results", "kept_results", "read_results"]

MAX_BYTES = 64 * 1024 * 1024  # the largest file that is read
# Fields of a record that say what was measured, and how. Records that agree in all of them are
# results of the same measurement.
_INPUTS = (
    "format",
    "activation",
    "unit",
    "lanes",
    "rows",
    "columns",
    "dataflow",
    "depth",
    "accumulator",
    "scale",
    "block",
    "technology",
    "clock_ps",
    "terms",
    "acc_width",
    "overflow",
    "model",
    "text",
    "context",
    "recipe",
)


def keep_results(command: str, records: Sequence[Mapping[str, object]]) -> Path:
    """Write the ``records`` of a ``command`` to a file under ``build/results``; returns its path.

    The file replaces that of an earlier run of the command, if the records of both runs have the
    same formats and settings.
    """
    names = [{key: record.get(key) for key in _INPUTS} for record in records]
    path = build_dir() / "results" / f"{command}-{content_key(names)[:16]}.json"
    write_atomically(path, json_text(list(records), indent=1) + "\n")
    return path


def kept_results() -> list[Path]:
    """The files under ``build/results``, the oldest first."""
    folder = build_dir() / "results"
    files = list(folder.glob("*.json")) if folder.is_dir() else []
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def read_results(paths: Sequence[Path]) -> Iterator[JsonObject]:
    """Read records from files that the option ``--json`` or :func:`keep_results` wrote.

    The files are read in the order of ``paths``. Raises UserError for a file that is missing, too
    large, or not a list of JSON objects.
    """
    for path in paths:
        try:
            raw = read_start(path, MAX_BYTES + 1)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        if len(raw) > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES} bytes; a file of records is smaller")
        try:
            records = parse_json(raw)
        except ValueError as error:
            raise UserError(
                f"{path} is not JSON ({error}); expected the output of `--json`"
            ) from error
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            raise UserError(f"{path} is not a list of records; expected the output of `--json`")
        yield from records
