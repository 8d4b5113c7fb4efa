"""Model folders are restored without pickled and hidden files. A failed run leaves no output."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import compress_path, container, decompress_path, verify_path
from halfbyte.golden.dfloat11 import CorruptError

LEFT_OUT = {"pytorch_model.bin", ".hidden"}


def contents(folder):
    """The bytes of every file in a folder and its subfolders, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_sharded_model_is_restored(llama, tmp_path):
    record = compress_path(llama, tmp_path / "packed")
    assert set(record.left_out) == LEFT_OUT
    assert record.coded >= record.tensors - 5  # the weights of norms are too small to be coded
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


def test_progress_counts_bytes(llama, tmp_path):
    seen = []
    compress_path(llama, tmp_path / "p", on_progress=lambda *update: seen.append(update))
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    size = sum(path.stat().st_size for path in llama.glob("*.safetensors"))
    assert {total for _, total, _ in seen} == {size}
    assert 0.9 * size < seen[-1][0] <= size


def test_subfolders_are_compressed_too(llama, tmp_path):
    """sentence-transformers and diffusers save models with subfolders."""
    model = tmp_path / "m"
    shutil.copytree(llama, model, ignore=shutil.ignore_patterns("*.bin", ".*"))
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling/config.json").write_text("{}")
    (model / "unet/deep").mkdir(parents=True)
    save_file({"w": torch.randn(90, 90).bfloat16()}, model / "unet/deep/model.safetensors")
    compress_path(model, tmp_path / "p")
    assert (tmp_path / "p/unet/deep/model.df11.safetensors").exists()
    decompress_path(tmp_path / "p", tmp_path / "plain")
    assert contents(tmp_path / "plain") == contents(model)
    with pytest.raises(UserError, match="is within"):
        compress_path(model, model / "packed")


def test_shards_must_be_those_that_the_index_names(llama, tmp_path):
    compress_path(llama, tmp_path / "p")
    shard = sorted((tmp_path / "p").glob("*.df11.safetensors"))[1]
    moved = shard.rename(tmp_path / shard.name)
    for run in (lambda: decompress_path(tmp_path / "p", tmp_path / "x"),
                lambda: verify_path(tmp_path / "p")):  # fmt: skip
        with pytest.raises(UserError, match=f"{shard.name} is missing, but model"):
            run()
    shutil.copyfile(sorted((tmp_path / "p").glob("*.df11.safetensors"))[0], shard)
    with pytest.raises(UserError, match="where the index places it"):
        decompress_path(tmp_path / "p", tmp_path / "x")
    moved.replace(shard)
    assert {record.error for record in verify_path(tmp_path / "p")} == {None}
    plain = tmp_path / "plain"
    shutil.copytree(llama, plain)
    sorted(plain.glob("*.safetensors"))[0].unlink()
    with pytest.raises(UserError, match="is missing"):
        compress_path(plain, tmp_path / "x")


def test_missing_shards_are_found_by_file_names_if_there_is_no_index(llama, tmp_path):
    plain, packed = tmp_path / "plain", tmp_path / "p"
    shutil.copytree(llama, plain)
    (plain / "model.safetensors.index.json").unlink()
    compress_path(plain, packed)
    for folder in plain, packed:
        sorted(folder.glob("*.safetensors"))[1].unlink()
    for run in (lambda: compress_path(plain, tmp_path / "x"),
                lambda: decompress_path(packed, tmp_path / "x"),
                lambda: verify_path(packed)):  # fmt: skip
        with pytest.raises(UserError, match=r"-00002-of-.* is missing, but .*-00001-of-0000"):
            run()
    assert not (tmp_path / "x").exists()


class TestNothingIsLeft:
    def test_after_an_interrupted_run(self, llama, tmp_path, monkeypatch):
        def stop(*_):
            # Interrupt the run as soon as a shard is complete.
            if list(tmp_path.glob(".packed.*.partial/*.df11.safetensors")):
                raise KeyboardInterrupt
            return compress(*_)

        compress = container.joint.compress
        monkeypatch.setattr(container.joint, "compress", stop)
        with pytest.raises(KeyboardInterrupt):
            compress_path(llama, tmp_path / "packed")
        assert list(tmp_path.iterdir()) == []

    def test_from_a_killed_run_after_the_next_one(self, llama, tmp_path):
        (tmp_path / ".packed.0123.partial").mkdir()
        (tmp_path / ".packed.0123.partial/old.df11.safetensors").write_text("")
        compress_path(llama, tmp_path / "packed")
        assert [path.name for path in tmp_path.iterdir()] == ["packed"]
        assert not (tmp_path / "packed/old.df11.safetensors").exists()

    def test_after_a_damaged_shard_was_refused(self, llama, tmp_path):
        compress_path(llama, tmp_path / "packed")
        shard = sorted((tmp_path / "packed").glob("*.safetensors"))[-1]
        raw = bytearray(shard.read_bytes())
        raw[len(raw) // 2] ^= 1
        shard.write_bytes(raw)
        assert [r.error is None for r in verify_path(tmp_path / "packed")].count(False) == 1
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
