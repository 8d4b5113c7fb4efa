"""Compresses and restores files for the tests of compressed files."""

import json

from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file, verify_file
from halfbyte.checkpoints.tensor_file import TensorFile


def compressed(original, folder, **options):
    target = folder / "model.df11.safetensors"
    target.unlink(missing_ok=True)
    records = compress_file(TensorFile.open(original), target, **options)
    return target, records


def restored(path, folder):
    target = folder / "restored.safetensors"
    target.unlink(missing_ok=True)
    corrected, lost = decompress_file(TensorFile.open(path), target)
    assert lost == []
    return target.read_bytes(), corrected


def raw_file(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def goes_round(original, folder):
    path, _ = compressed(original, folder)
    verify_file(TensorFile.open(path))
    assert restored(path, folder)[0] == original.read_bytes()
    return path.stat().st_size


def data_start(path):
    return 8 + int.from_bytes(path.read_bytes()[:8], "little")
