"""Whole models: the folder comes back as it was, and nothing half done is left."""

from pathlib import Path

import pytest

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import compress_path, container, decompress_path
from halfbyte.golden.dfloat11 import CorruptError

LEFT_OUT = {"pytorch_model.bin", ".hidden", "original"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_sharded_model_comes_back_as_it_was(llama, tmp_path):
    record = compress_path(llama, tmp_path / "packed")
    assert set(record.left_out) == LEFT_OUT
    assert record.coded == record.tensors - 5  # norms are too small
    assert 10.4 < record.coded_bits_per_element < 11.2
    packed = contents(tmp_path / "packed")
    assert {name for name in packed if "safetensors" in name} == {
        "model.safetensors.index.json",
        *(f"{path.stem}.df11.safetensors" for path in llama.glob("*.safetensors")),
    }
    assert len(list(llama.glob("*.safetensors"))) > 1
    decompress_path(tmp_path / "packed", tmp_path / "plain")
    wanted = {name: data for name, data in contents(llama).items() if name not in LEFT_OUT}
    assert contents(tmp_path / "plain") == wanted


def test_a_file_becomes_a_file(llama, tmp_path):
    source = next(llama.glob("*.safetensors"))
    record = compress_path(source, tmp_path / "packed.safetensors", secded=True)
    assert record.bytes_after == (tmp_path / "packed.safetensors").stat().st_size
    decompress_path(tmp_path / "packed.safetensors", tmp_path / "plain.safetensors")
    assert (tmp_path / "plain.safetensors").read_bytes() == source.read_bytes()


def test_progress_ends_below_the_number_of_tensors(llama, tmp_path):
    seen = []
    compress_path(llama, tmp_path / "p", on_progress=lambda *update: seen.append(update))
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert all(done <= total == 21 for done, total, _ in seen)


class TestNothingHalfDone:
    def test_an_interrupted_run(self, llama, tmp_path, monkeypatch):
        def stop(*_):
            if list(tmp_path.glob(".packed.partial/*.safetensors")):  # a shard is complete
                raise KeyboardInterrupt
            return compress(*_)

        compress = container.compress
        monkeypatch.setattr(container, "compress", stop)
        with pytest.raises(KeyboardInterrupt):
            compress_path(llama, tmp_path / "packed")
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_run_left_is_cleared(self, llama, tmp_path):
        (tmp_path / ".packed.partial").mkdir()
        (tmp_path / ".packed.partial/old.df11.safetensors").write_text("")
        compress_path(llama, tmp_path / "packed")
        assert [path.name for path in tmp_path.iterdir()] == ["packed"]
        assert not (tmp_path / "packed/old.df11.safetensors").exists()

    def test_a_damaged_shard(self, llama, tmp_path):
        compress_path(llama, tmp_path / "packed")
        shard = sorted((tmp_path / "packed").glob("*.safetensors"))[-1]
        raw = bytearray(shard.read_bytes())
        raw[len(raw) // 2] ^= 1
        shard.write_bytes(raw)
        with pytest.raises(CorruptError, match=shard.name):
            decompress_path(tmp_path / "packed", tmp_path / "plain")
        assert [path.name for path in tmp_path.iterdir()] == ["packed"]


class TestRefusals:
    def test_the_output_exists(self, llama, tmp_path):
        (tmp_path / "full").mkdir()
        (tmp_path / "full/precious").write_text("")
        with pytest.raises(UserError, match="full exists already"):
            compress_path(llama, tmp_path / "full")
        with pytest.raises(UserError, match="exists already"):
            compress_path(llama, llama)
        file = next(llama.glob("*.safetensors"))
        with pytest.raises(UserError, match="exists already"):
            compress_path(file, file)
        with pytest.raises(UserError, match="is a folder, and the input is a file"):
            compress_path(file, tmp_path)

    def test_nothing_to_do(self, llama, tmp_path):
        with pytest.raises(UserError, match="There is no nowhere"):
            compress_path(Path("nowhere"), tmp_path / "x")
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=r"has no \*\.safetensors files$"):
            compress_path(tmp_path / "empty", tmp_path / "x")
        with pytest.raises(UserError, match=r"has no \*\.df11\.safetensors files"):
            decompress_path(llama, tmp_path / "x")
        compress_path(llama, tmp_path / "packed")
        with pytest.raises(UserError, match="it is compressed already"):
            compress_path(tmp_path / "packed", tmp_path / "x")
