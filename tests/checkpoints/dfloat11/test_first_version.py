"""Compressed files of version 1, which earlier releases wrote, can still be read.

The metadata of such a file contains a description. Newer files have an index instead.
"""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.container import decompress_file, verify_file
from halfbyte.checkpoints.dfloat11.information import describe_file
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import CorruptError, compress
from tests.checkpoints.dfloat11.files import data_start, restored


class TestTheFirstVersion:
    @pytest.fixture
    def first(self, tmp_path):
        """Write a file of version 1. Returns the path of the original and the description."""
        torch.manual_seed(1)
        tensors = {"w": (torch.randn(90, 90) * 0.02).bfloat16(), "b": torch.randn(4)}
        path = tmp_path / "m.safetensors"
        save_file(tensors, path, {"format": "pt"})
        header = path.read_bytes()[8 : data_start(path)]
        description = {
            "version": 1,
            "header": header.decode(),
            "copied_sha256": hashlib.sha256(tensors["b"].numpy().tobytes()).hexdigest(),
        }
        self.tensors = {"w.df11": compress(tensors["w"]), "b": tensors["b"]}
        self.write(tmp_path, description)
        return path, description

    def write(self, folder, description):
        metadata = {"format": "pt"}
        if description is not None:
            text = description if isinstance(description, str) else json.dumps(description)
            metadata["halfbyte.dfloat11"] = text
        save_file(self.tensors, folder / "old.df11.safetensors", metadata)

    def test_is_read(self, first, tmp_path):
        path = tmp_path / "old.df11.safetensors"
        assert restored(path, tmp_path)[0] == first[0].read_bytes()
        assert verify_file(TensorFile.open(path)) == 0
        wanted = load_file(first[0])
        opened = CompressedFile.open(path)
        assert all(torch.equal(opened.read(name), tensor) for name, tensor in wanted.items())
        assert {record.layout for record in describe_file(path)} == {"prefix", "as it was"}

    def test_without_its_description_it_is_read_only_by_salvage(self, first, tmp_path):
        self.write(tmp_path, None)
        path = tmp_path / "old.df11.safetensors"
        with pytest.raises(CorruptError, match="lacks its description"):
            restored(path, tmp_path)
        decompress_file(TensorFile.open(path), tmp_path / "saved", salvage=True)
        found, wanted = load_file(tmp_path / "saved"), load_file(first[0])
        assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("{", "cannot be read"),
            ("[1]", "cannot be read"),
            ({"version": 9}, "layout has version 9"),
            ({"header": 5}, "the header in its metadata .* is not text"),
            ({"header": "\ud800"}, "cannot be read"),
            ({"header": "{}"}, "header contradicts the tensors"),
            ({"header": "["}, "header contradicts the tensors"),
            ({"copied_sha256": "0"}, "SHA-256 of the copied tensors is wrong"),
        ],
    )
    def test_hostile_descriptions(self, first, tmp_path, change, message):
        self.write(tmp_path, change if isinstance(change, str) else first[1] | change)
        with pytest.raises(CorruptError, match=message):
            restored(tmp_path / "old.df11.safetensors", tmp_path)
        assert not list(tmp_path.glob("*restored*"))
