"""Tools that all other packages use: atomic files, record stores, errors, versions.

A record is one result with all its inputs, as a frozen dataclass.
"""

from halfbyte.base.errors import ToolError, UserError
from halfbyte.base.files import build_dir, user_folder, write_atomically
from halfbyte.base.fingerprint import code_fingerprint, content_key
from halfbyte.base.progress import Progress, unheard
from halfbyte.base.record import Record, RecordError
from halfbyte.base.store import RecordStore
from halfbyte.base.strict_json import Json, JsonObject, json_text, parse_json
from halfbyte.base.versions import versions_of
from halfbyte.base.yosys import run_yosys

__all__ = [
    "Json",
    "JsonObject",
    "Progress",
    "Record",
    "RecordError",
    "RecordStore",
    "ToolError",
    "UserError",
    "build_dir",
    "code_fingerprint",
    "content_key",
    "json_text",
    "parse_json",
    "run_yosys",
    "unheard",
    "user_folder",
    "versions_of",
    "write_atomically",
]
