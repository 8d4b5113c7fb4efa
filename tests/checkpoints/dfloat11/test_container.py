"""Compressed safetensors files are restored to the bytes of the original.

The files have many kinds of headers, names and tensors. ``secded`` adds an error-correcting code.
"""

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.checkpoints.dfloat11 import container
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.container import verify_file
from halfbyte.checkpoints.dfloat11.index import INDEX_TENSOR
from halfbyte.checkpoints.dfloat11.information import describe_file
from halfbyte.checkpoints.tensor_file import TensorFile
from tests.checkpoints.dfloat11.files import compressed, goes_round, raw_file, restored


class TestRoundTrip:
    @pytest.mark.parametrize("layout", container.LAYOUTS)
    @pytest.mark.parametrize("secded", [False, True])
    def test_gives_the_same_file(self, original, tmp_path, secded, layout):
        path, records = compressed(
            original, tmp_path, secded=secded, coding=container.Coding(layout)
        )
        assert restored(path, tmp_path) == (original.read_bytes(), 0)
        assert verify_file(TensorFile.open(path)) == 0
        assert sum(record.tensors for record in records) == 15  # one of 16 is a copy of another
        assert {record.layout for record in describe_file(path)} == {layout, "as it was"}

    def test_equal_tensors_are_stored_once(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        opened = CompressedFile.open(path)
        assert len(opened.index.copies) == 1
        assert torch.equal(opened.read("embed"), opened.read("head"))
        assert path.stat().st_size < 0.5 * original.stat().st_size

    def test_equal_bytes_in_another_shape(self, tmp_path):
        """The bytes are stored once; only the first tensor has a compressed form of its shape."""
        weight = torch.randn(64, 512).bfloat16()
        tensors = {"a": weight, "b": weight.reshape(512, 64).clone()}
        save_file(tensors, tmp_path / "m.safetensors")
        path, _ = compressed(tmp_path / "m.safetensors", tmp_path)
        opened = CompressedFile.open(path)
        assert len(opened.index.copies) == 1
        assert all(torch.equal(opened.read(name), each) for name, each in tensors.items())
        assert opened.compressed("a") is not None
        assert opened.compressed("b") is None

    def test_tensors_are_read_one_by_one(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        opened = CompressedFile.open(path)
        wanted = load_file(original)
        assert set(opened.names) == wanted.keys()
        for name, tensor in wanted.items():
            found = opened.read(name)
            assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(
                found.flatten().contiguous().view(torch.uint8),
                tensor.flatten().contiguous().view(torch.uint8),
            )
        assert opened.compressed("embed") is not None
        assert opened.compressed("single") is None

    def test_the_safetensors_package_reads_it(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        assert {tensor.dtype for tensor in load_file(path).values()} == {torch.uint8}

    def test_the_same_input_gives_the_same_bytes(self, original, tmp_path):
        (tmp_path / "again").mkdir()
        first, _ = compressed(original, tmp_path)
        second, _ = compressed(original, tmp_path / "again")
        assert first.read_bytes() == second.read_bytes()

    def test_a_flipped_bit_in_every_tensor_is_corrected(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        file = TensorFile.open(path)
        raw = bytearray(path.read_bytes())
        places = [
            max(tensor.start, tensor.start + tensor.bytes // 2) for tensor in file.tensors.values()
        ]
        for place in places:
            raw[place] ^= 0x20
        path.write_bytes(raw)
        found, corrected = restored(path, tmp_path)
        assert found == original.read_bytes()
        assert corrected == len(places)

    def test_a_file_is_restored_after_a_tool_saved_it_again(self, original, tmp_path):
        """The tool sorts the tensors and drops the metadata, but the index is a tensor itself."""
        path, _ = compressed(original, tmp_path)
        again = tmp_path / "resaved.safetensors"
        save_file(load_file(path), again)
        assert restored(again, tmp_path)[0] == original.read_bytes()


class TestUnusualHeaders:
    NAMES = (
        "with\u00a0space", "zero\u200bwidth", "two\nlines", "\u202eright to left", "\x1b[31mred",
        "a.df11", "a", "a.secded", "a.df11.secded", INDEX_TENSOR, "halfbyte.raw",
        "halfbyte.group.df11", "", "__metadata__x",
    )  # fmt: skip

    def test_unusual_names(self, tmp_path):
        tensors = {name: torch.full((700,), float(i)) for i, name in enumerate(self.NAMES)}
        save_file(tensors, tmp_path / "m.safetensors")
        for secded in (False, True):
            path, _ = compressed(tmp_path / "m.safetensors", tmp_path, secded=secded)
            assert restored(path, tmp_path)[0] == (tmp_path / "m.safetensors").read_bytes()

    def test_unusual_names_of_large_tensors(self, tmp_path, monkeypatch):
        monkeypatch.setattr("halfbyte.checkpoints.dfloat11.grouping._LARGE", 100)
        tensors = {name: torch.full((700,), float(i)) for i, name in enumerate(self.NAMES)}
        save_file(tensors, tmp_path / "m.safetensors")
        goes_round(tmp_path / "m.safetensors", tmp_path)

    @pytest.mark.parametrize("large", [False, True])
    def test_any_number_of_dimensions(self, tmp_path, monkeypatch, large):
        if large:
            monkeypatch.setattr("halfbyte.checkpoints.dfloat11.grouping._LARGE", 100)
        entry = {"dtype": "BF16", "shape": [1] * 400 + [3000], "data_offsets": [0, 6000]}
        path = raw_file(tmp_path / "m.safetensors", {"a": entry}, bytes(range(200)) * 30)
        goes_round(path, tmp_path)

    @pytest.mark.slow
    def test_a_header_of_sixty_megabytes(self, tmp_path):
        entry = {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}
        header = {"__metadata__": {"text": "x" * 60_000_000}, "a": entry}
        path = raw_file(tmp_path / "m.safetensors", header, b"abc")
        assert goes_round(path, tmp_path) < 1_000_000

    @pytest.mark.parametrize(
        ("header", "data"),
        [
            (b"{}", b""),
            (b'{ "a" : {"data_offsets":[0,8],"shape":[2],"dtype":"F32"} }   ', bytes(8)),
            (
                {"__metadata__": {}, "a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}},
                b"ab",
            ),
            ({"a": {"dtype": "C64", "shape": [], "data_offsets": [0, 8]}}, b"12345678"),
            (
                {
                    "b": {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]},
                    "a": {"dtype": "I8", "shape": [9, 0], "data_offsets": [0, 0]},
                    "c": {"dtype": "F8_E8M0", "shape": [9], "data_offsets": [0, 9]},
                    "d": {"dtype": "F16", "shape": [0], "data_offsets": [9, 9]},
                },
                b"\x7f" * 9,
            ),
        ],
    )
    def test_unusual_but_valid_headers(self, tmp_path, header, data):
        goes_round(raw_file(tmp_path / "m.safetensors", header, data), tmp_path)


class TestSize:
    def test_thousands_of_tiny_tensors_shrink_to_less_than_half(self, tmp_path):
        torch.manual_seed(0)
        tensors = {f"layers.{i}.w": (torch.randn(64) * 0.02).bfloat16() for i in range(3000)}
        save_file(tensors, tmp_path / "m.safetensors")
        assert goes_round(tmp_path / "m.safetensors", tmp_path) < 0.5 * 3000 * 210

    def test_noise_hardly_grows(self, tmp_path):
        torch.manual_seed(0)
        noise = torch.randint(-(2**15), 2**15, (400_000,), dtype=torch.int16)
        save_file({"a": noise.view(torch.bfloat16), "b": noise + 1}, tmp_path / "m.safetensors")
        size = (tmp_path / "m.safetensors").stat().st_size
        assert goes_round(tmp_path / "m.safetensors", tmp_path) < 1.001 * size

    def test_long_names_of_uncoded_tensors_cost_hardly_any_space(self, tmp_path):
        """Space in the header is reserved for the names, but in the end they are not written."""
        torch.manual_seed(0)
        noise = torch.randint(-(2**15), 2**15, (6, 5000), dtype=torch.int16).view(torch.bfloat16)
        tensors = {f"{i}" + "n" * 250: each.clone() for i, each in enumerate(noise)}
        save_file(tensors, tmp_path / "m.safetensors")
        size = (tmp_path / "m.safetensors").stat().st_size
        assert goes_round(tmp_path / "m.safetensors", tmp_path) <= 1.001 * size + 1024

    def test_small_tensors_share_a_code_only_if_they_are_alike(self, tmp_path):
        torch.manual_seed(0)
        normal = {f"n{i}": (torch.randn(100, 100) * 0.02).bfloat16() for i in range(4)}
        other = {f"u{i}": (torch.rand(100, 100) * 50 + 1).bfloat16() for i in range(4)}
        save_file(normal | other, tmp_path / "m.safetensors")
        path, _ = compressed(tmp_path / "m.safetensors", tmp_path)
        opened = CompressedFile.open(path)
        groups = [{opened.tensors[n].name[0] for n in part.tensors} for part in opened.parts]
        assert groups in ([{"n"}, {"u"}], [{"u"}, {"n"}])
