"""Helpers for tests of compressed files: compress, restore, and write raw files."""

import json

from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file, verify_file
from halfbyte.checkpoints.tensor_file import TensorFile


def compressed(original, folder, **options):
    """Compress a file. Returns the path of the compressed file and the records of its tensors."""
    target = folder / "model.df11.safetensors"
    target.unlink(missing_ok=True)
    records = compress_file(TensorFile.open(original), target, **options)
    return target, records


def restored(path, folder):
    """Decompress a file. Returns the restored bytes, and how many words were corrected."""
    target = folder / "restored.safetensors"
    target.unlink(missing_ok=True)
    corrected, lost = decompress_file(TensorFile.open(path), target)
    assert lost == []
    return target.read_bytes(), corrected


def raw_file(path, header, data=b""):
    """Write a safetensors file with this header, given as JSON data or as bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def goes_round(original, folder):
    """Assert that a file is restored to its bytes. Returns the size of the compressed file."""
    path, _ = compressed(original, folder)
    verify_file(TensorFile.open(path))
    assert restored(path, folder)[0] == original.read_bytes()
    return path.stat().st_size


def data_start(path):
    """The offset of the first byte after the header of a safetensors file."""
    return 8 + int.from_bytes(path.read_bytes()[:8], "little")
