"""halfbyte and the safetensors package read each other's files; damaged files are refused."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.tensor_file import TensorFile, TensorFileWriter


def write_good(path):
    tensors = {
        "matrix": torch.randn(6, 4).bfloat16(),
        "vector": torch.randn(6),
        "scalar": torch.tensor(7),
        "none": torch.ones(0, 3),
    }
    save_file(tensors, path, {"format": "pt"})
    return path


def write_raw(path, header, data=b""):
    """Write a file with this header, given as JSON data or as bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


class TestCorruptFile:
    ENTRY: dict = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}  # noqa: RUF012

    def test_every_truncation(self, tmp_path):
        path = write_good(tmp_path / "model.safetensors")
        good = path.read_bytes()
        for size in range(len(good)):
            path.write_bytes(good[:size])
            with pytest.raises(UserError, match="is not a valid safetensors file"):
                TensorFile.open(path)

    def test_every_byte_of_the_header_flipped(self, tmp_path):
        path = write_good(tmp_path / "model.safetensors")
        good = path.read_bytes()
        for place in range(8 + int.from_bytes(good[:8], "little")):
            path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
            try:
                for tensor in TensorFile.open(path).tensors.values():
                    tensor.read()
            except UserError as error:
                assert "model.safetensors" in str(error)

    @pytest.mark.parametrize(
        ("header", "data", "message"),
        [
            ({"a": {**ENTRY, "dtype": "Q7"}}, 8, "unknown type 'Q7'"),
            ({"a": {**ENTRY, "dtype": ["F32"]}}, 8, "unknown type"),
            ({"a": {**ENTRY, "shape": [3]}}, 8, "do not fit its shape and type"),
            ({"a": {**ENTRY, "shape": [-2]}}, 8, "needs a shape"),
            ({"a": {**ENTRY, "shape": [True, 2]}}, 8, "needs a shape"),
            ({"a": {**ENTRY, "data_offsets": [8, 0]}}, 8, "do not fit"),
            ({"a": {**ENTRY, "data_offsets": [4, 12]}}, 12, "leaves a gap"),
            ({"a": ENTRY, "b": ENTRY}, 8, "overlaps another"),
            ({"a": ENTRY}, 7, "should have"),
            ({"a": ENTRY}, 9, "should have"),
            ({"a": 1}, 0, "no description"),
            ({"\ud800": ENTRY}, 8, "half a surrogate pair"),
            ({"a": ENTRY, "__metadata__": {"x": 1}}, 8, "metadata is not text"),
            (b'{"a":1,"a":1}', 0, "occurs twice"),
            (b"[]", 0, "not a mapping"),
            (b"[" * 100_000, 0, "cannot be read"),
            (b"\xff\xfe", 0, "cannot be read"),
        ],
    )
    def test_inconsistent_header(self, tmp_path, header, data, message):
        path = write_raw(tmp_path / "x.safetensors", header, bytes(data))
        with pytest.raises(UserError, match=message):
            TensorFile.open(path)

    def test_a_file_cut_off_after_opening(self, tmp_path):
        path = write_good(tmp_path / "model.safetensors")
        opened = TensorFile.open(path)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 16)
        with pytest.raises(UserError, match="ends before its data"):
            for tensor in opened.tensors.values():
                tensor.read()

    def test_a_type_that_torch_lacks_is_found_but_not_read(self, tmp_path):
        header = {"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}
        stored = TensorFile.open(write_raw(tmp_path / "x.safetensors", header, b"ab")).tensors["a"]
        assert stored.bytes == 2
        with pytest.raises(UserError, match="has unsupported type F4"):
            stored.read()


class TestWriter:
    LAYOUT: dict = {"codes": ("U8", (3, 3)), "scales": ("F32", (2,)), "none": ("F32", (0,))}  # noqa: RUF012

    def test_the_package_reads_what_was_written_in_pieces(self, tmp_path):
        path = tmp_path / "x.safetensors"
        codes = torch.arange(9, dtype=torch.uint8).reshape(3, 3)
        with TensorFileWriter(path, self.LAYOUT, {"format": "pt"}) as writer:
            writer.append("codes", codes[:2])
            writer.append("scales", torch.tensor([1.0, 2.0]))
            writer.append("codes", codes[2:])
            assert not path.exists()
        found = load_file(path)
        assert torch.equal(found["codes"], codes)
        assert found["scales"].tolist() == [1, 2]
        assert TensorFile.open(path).metadata == {"format": "pt"}

    def test_an_error_leaves_the_old_file_and_no_other(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_text("old")
        with pytest.raises(KeyboardInterrupt), TensorFileWriter(path, self.LAYOUT, {}):
            raise KeyboardInterrupt
        assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]
