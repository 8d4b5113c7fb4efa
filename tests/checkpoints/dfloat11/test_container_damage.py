"""Damaged compressed files: decompressing gives the right bytes, or an error names the damage."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.container import decompress_file, verify_file
from halfbyte.checkpoints.dfloat11.index import INDEX_TENSOR, Index, Part
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import CorruptError
from tests.checkpoints.dfloat11.files import compressed, data_start, restored


class TestDamage:
    def test_a_wrong_bit_in_the_header_is_refused_or_harmless(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        good, wanted = path.read_bytes(), hashlib.sha256(original.read_bytes()).digest()
        harmless = 0
        for bit in range(0, 8 * data_start(path), 89):
            raw = bytearray(good)
            raw[bit // 8] ^= 1 << bit % 8
            path.write_bytes(raw)
            try:
                found, _ = restored(path, tmp_path)
                assert hashlib.sha256(found).digest() == wanted
                harmless += 1
            except UserError as error:
                assert "model.df11.safetensors" in str(error)
                assert not (tmp_path / "restored.safetensors").exists()
        assert harmless < 20  # mostly bits in types and shapes of tensors that are read as bytes

    def test_every_part_of_the_file_is_protected(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        good, wanted = path.read_bytes(), original.read_bytes()
        harmless = 0
        for place in range(data_start(path), len(good), 6007):
            path.write_bytes(good[:place] + bytes([good[place] ^ 8]) + good[place + 1 :])
            try:
                found, _ = restored(path, tmp_path)
                assert found == wanted
                harmless += 1
            except CorruptError as error:
                assert "model.df11.safetensors" in str(error)
                assert len(str(error).splitlines()) == 1
        assert harmless <= 2  # bits of padding

    @pytest.mark.parametrize("secded", [False, True])
    def test_no_single_tensor_is_read_wrongly(self, original, tmp_path, secded):
        """Tensors that are only copied share the tensor ``halfbyte.raw``, which has a checksum."""
        path, _ = compressed(original, tmp_path, secded=secded)
        stored = TensorFile.open(path).tensors["halfbyte.raw"]
        raw = bytearray(path.read_bytes())
        raw[stored.start + 5] ^= 3  # two wrong bits, more than SECDED corrects
        path.write_bytes(raw)
        opened, wanted = CompressedFile.open(path), load_file(original)
        refused = []
        for name in opened.names:
            try:
                assert torch.equal(
                    opened.read(name).contiguous().view(-1).view(torch.uint8),
                    wanted[name].contiguous().view(-1).view(torch.uint8),
                )
            except CorruptError:
                refused.append(name)
        assert {"noise", "ids"} <= set(refused) < set(opened.names)

    def test_the_tensor_and_chunk_are_named(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        raw = bytearray(path.read_bytes())
        tensor = TensorFile.open(path).tensors["embed.df11"]
        raw[tensor.start + tensor.bytes - 9] ^= 1
        path.write_bytes(raw)
        message = r"Tensor embed in .* is damaged: chunk 4 of 5: its CRC is wrong"
        with pytest.raises(CorruptError, match=message):
            restored(path, tmp_path)
        with pytest.raises(CorruptError, match=message):
            verify_file(TensorFile.open(path))

    def test_two_wrong_bits_in_a_word_are_refused(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        raw = bytearray(path.read_bytes())
        raw[TensorFile.open(path).tensors["embed.df11"].start + 4000] ^= 3
        path.write_bytes(raw)
        with pytest.raises(CorruptError, match="bytes 4000 to 4007 have more than one wrong bit"):
            restored(path, tmp_path)

    def test_an_index_with_a_wrong_digest_is_refused(self, original, tmp_path):
        """Only the SHA-256 of the original file is wrong in the index. All tensors are intact."""
        path, _ = compressed(original, tmp_path)
        tensors = load_file(path)
        index = CompressedFile.open(path).index
        wrong = Index(index.header, "0" * 64, index.parts, index.copies).to_bytes()
        tensors[INDEX_TENSOR] = torch.frombuffer(bytearray(wrong), dtype=torch.uint8)
        save_file(tensors, path)
        for run in (restored, lambda p, _: verify_file(TensorFile.open(p))):
            with pytest.raises(CorruptError, match="does not have the original's SHA-256"):
                run(path, tmp_path)
        assert not list(tmp_path.glob("*restored*"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"parts": (Part("a", True, (0,)),)}, "in exactly one part, or be a copy"),
            ({"copies": {0: 1}}, "in exactly one part, or be a copy"),
            ({"sha256": "12"}, "its digest is not a text of 64"),
            ({"header": b"{"}, "header cannot be read"),
        ],
    )
    def test_hostile_indices(self, original, tmp_path, change, message):
        path, _ = compressed(original, tmp_path)
        index = CompressedFile.open(path).index
        fields = {"header": index.header, "sha256": index.sha256, "parts": index.parts,
                  "copies": index.copies, **change}  # fmt: skip
        with pytest.raises(CorruptError, match=message):
            Index.from_bytes(Index(**fields).to_bytes(), path)
        for data in (b"", index.to_bytes()[:50], b"x" * 80, index.to_bytes() + b"tail"):
            with pytest.raises(CorruptError, match="its index is damaged"):
                Index.from_bytes(data, path)

    @pytest.mark.parametrize(
        ("version", "end"), [(1, "not 2"), (3, "not 2; a newer release may read it")]
    )
    def test_another_version_of_the_index_is_refused(
        self, original, tmp_path, monkeypatch, version, end
    ):
        path, _ = compressed(original, tmp_path)
        index = CompressedFile.open(path).index
        with monkeypatch.context() as other:
            other.setattr("halfbyte.checkpoints.dfloat11.index.VERSION", version)
            data = index.to_bytes()
        with pytest.raises(CorruptError, match=f"the index has version {version}, {end}$"):
            Index.from_bytes(data, path)

    def test_tensors_are_salvaged_without_an_index(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        tensors = load_file(path)
        del tensors[INDEX_TENSOR]
        save_file(tensors, path)
        with pytest.raises((CorruptError, UserError), match="--salvage saves what"):
            restored(path, tmp_path)
        target = tmp_path / "saved"
        _, lost = decompress_file(TensorFile.open(path), target, salvage=True)
        assert "halfbyte.raw" in lost
        wanted = load_file(original)["embed"].view(torch.int16)
        assert torch.equal(load_file(target)["embed"].view(torch.int16), wanted)
