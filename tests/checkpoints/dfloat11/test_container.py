"""Compressed safetensors files: the original comes back to the last byte, or an error says why."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import container
from halfbyte.checkpoints.dfloat11.container import (
    CHECKS,
    CODED,
    KEY,
    compress_file,
    decompress_file,
    stored_type,
)
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import CorruptError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Every type that is coded, others, noise, tiny, empty and odd-sized tensors."""
    torch.manual_seed(4)
    noise = torch.randint(-(2**15), 2**15, (5001,), dtype=torch.int16).view(torch.bfloat16)
    tensors = {
        "layers.0.up.weight": (torch.randn(300, 200) * 0.02).bfloat16(),
        "layers.0.down.weight": (torch.randn(200, 301) * 0.02).half(),
        "layers.1.up.weight": torch.randn(150, 151).to(torch.float8_e4m3fn),
        "layers.1.down.weight": torch.randn(150, 151).to(torch.float8_e5m2),
        "layers.2.up.weight": (torch.randn(99, 101) * 9).to(torch.int8),
        "noise": noise,
        "tiny": torch.ones(3).bfloat16(),
        "single": torch.randn(5, 5),
        "ids": torch.arange(7),
        "bytes": torch.arange(33, dtype=torch.uint8),
        "none": torch.ones(0, 3).bfloat16(),
        "scalar": torch.tensor(2.0).bfloat16(),
        "ünïcode": torch.zeros(70, 70).bfloat16(),
    }
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(tensors, path, {"format": "pt", "made_by": "a test"})
    return path


def compressed(original, folder, **options):
    target = folder / "model.df11.safetensors"
    records = compress_file(TensorFile.open(original), target, **options)
    return target, records


def restored(path, folder):
    target = folder / "restored.safetensors"
    corrected = decompress_file(TensorFile.open(path), target)
    return target.read_bytes(), corrected


class TestRoundTrip:
    @pytest.mark.parametrize("secded", [False, True])
    def test_gives_the_same_file(self, original, tmp_path, secded):
        path, records = compressed(original, tmp_path, secded=secded)
        assert restored(path, tmp_path) == (original.read_bytes(), 0)
        coded = {record.name for record in records if record.coded}
        assert coded == {
            *(f"layers.{i}.up.weight" for i in range(3)),
            *(f"layers.{i}.down.weight" for i in range(2)),
            "ünïcode",
        }
        assert {record.name for record in records} == TensorFile.open(original).tensors.keys()

    def test_each_tensor_is_at_most_as_large_as_before(self, original, tmp_path):
        _, records = compressed(original, tmp_path)
        assert all(record.stored_bytes <= record.raw_bytes for record in records)
        by_name = {record.name: record for record in records}
        weight = by_name["layers.0.up.weight"]
        assert 10 < 8 * weight.stored_bytes / weight.elements < 11

    def test_the_safetensors_package_reads_it(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        tensors = load_file(path)
        assert tensors[f"layers.0.up.weight{CODED}"].dtype == torch.uint8
        assert torch.equal(tensors["ids"], torch.arange(7))
        stored = TensorFile.open(path).tensors[f"layers.1.up.weight{CODED}"]
        assert stored_type(stored) == ("F8_E4M3", (150, 151))

    def test_same_input_same_bytes(self, original, tmp_path):
        (tmp_path / "again").mkdir()
        first, _ = compressed(original, tmp_path)
        second, _ = compressed(original, tmp_path / "again")
        assert first.read_bytes() == second.read_bytes()

    def test_a_tool_that_drops_the_metadata(self, original, tmp_path):
        """The tensors are all there, though not in the same file."""
        path, _ = compressed(original, tmp_path)
        again = tmp_path / "resaved.safetensors"
        save_file(load_file(path), again)
        decompress_file(TensorFile.open(again), tmp_path / "restored.safetensors")
        found, wanted = load_file(tmp_path / "restored.safetensors"), load_file(original)
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(
                found[name].flatten().view(torch.uint8), tensor.flatten().view(torch.uint8)
            )

    def test_bits_are_corrected_wherever_they_are(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        file = TensorFile.open(path)
        raw = bytearray(path.read_bytes())
        places = [
            file.tensors[f"layers.0.up.weight{CODED}"].start + 20,  # its header
            file.tensors[f"layers.0.up.weight{CODED}"].start + 5000,
            file.tensors["noise"].start + 3,
            file.tensors[f"layers.1.up.weight{CODED}{CHECKS}"].start,
        ]
        for place in places:
            raw[place] ^= 0x20
        path.write_bytes(raw)
        assert restored(path, tmp_path) == (original.read_bytes(), len(places))

    def test_check_bytes_take_an_eighth(self, original, tmp_path):
        path, records = compressed(original, tmp_path, secded=True)
        checks = [t for n, t in TensorFile.open(path).tensors.items() if n.endswith(CHECKS)]
        stored = sum(record.stored_bytes for record in records)
        assert stored / 8 <= sum(t.bytes for t in checks) < stored / 8 + 8 * len(checks)


class TestDamage:
    def test_every_part_of_the_file_is_protected(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        good, wanted = path.read_bytes(), original.read_bytes()
        start = min(tensor.start for tensor in TensorFile.open(path).tensors.values())
        harmless = 0
        for place in [*range(0, start, 41), *range(start, len(good), 1009)]:
            path.write_bytes(good[:place] + bytes([good[place] ^ 8]) + good[place + 1 :])
            try:
                found, _ = restored(path, tmp_path)
                harmless += found == wanted
            except UserError as error:
                assert "model.df11.safetensors" in str(error)
                assert len(str(error).splitlines()) == 1
                assert not (tmp_path / "restored.safetensors").exists()
            (tmp_path / "restored.safetensors").unlink(missing_ok=True)
        assert harmless <= 3  # blanks and padding

    def test_the_tensor_and_chunk_are_named(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        raw = bytearray(path.read_bytes())
        tensor = TensorFile.open(path).tensors[f"layers.0.up.weight{CODED}"]
        raw[tensor.start + tensor.bytes - 9] ^= 1
        path.write_bytes(raw)
        message = r"Tensor layers\.0\.up\.weight in .* is damaged: chunk 3 of 4: its CRC is wrong"
        with pytest.raises(CorruptError, match=message):
            restored(path, tmp_path)

    def test_copied_tensors_have_a_digest(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        raw = bytearray(path.read_bytes())
        raw[TensorFile.open(path).tensors["single"].start] ^= 1
        path.write_bytes(raw)
        with pytest.raises(CorruptError, match="SHA-256 of the copied tensors is wrong"):
            restored(path, tmp_path)

    def test_two_wrong_bits_in_a_word(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        raw = bytearray(path.read_bytes())
        raw[TensorFile.open(path).tensors[f"layers.0.up.weight{CODED}"].start + 4000] ^= 3
        path.write_bytes(raw)
        with pytest.raises(CorruptError, match="bytes 4000 to 4007 have more than one wrong bit"):
            restored(path, tmp_path)

    @pytest.mark.parametrize(
        ("description", "message"),
        [
            ("{", "cannot be read"),
            ("[1]", "cannot be read"),
            ('{"version": 9, "header": "{}"}', "layout has version 9"),
            ('{"version": 1, "header": 5}', "the header in its metadata .* is no text"),
            (r'{"version": 1, "header": "\ud800"}', "cannot be read"),
            ('{"version": 1, "header": "{}"}', "header contradicts the tensors"),
            ('{"version": 1, "header": "["}', "header contradicts the tensors"),
            ("OVERLAP", "header contradicts the tensors"),
            ("HUGE", "header contradicts the tensors"),
        ],
    )
    def test_hostile_metadata(self, tmp_path, description, message):
        tensors = {"a": torch.ones(90, 90).bfloat16(), "b": torch.ones(4)}
        save_file(tensors, tmp_path / "m.safetensors")
        path, _ = compressed(tmp_path / "m.safetensors", tmp_path)
        places = {"OVERLAP": ([0, 16200], [8, 24]), "HUGE": ([0, 16200], [2**62, 2**62 + 16])}
        if description in places:
            a, b = places[description]
            header = {
                "a": {"dtype": "BF16", "shape": [90, 90], "data_offsets": a},
                "b": {"dtype": "F32", "shape": [4], "data_offsets": b},
            }
            description = json.dumps({"version": 1, "header": json.dumps(header)})
        save_file(load_file(path), path, {KEY: description})
        with pytest.raises(CorruptError, match=message):
            restored(path, tmp_path)
        assert not list(tmp_path.glob("*restored*"))
        assert not list(tmp_path.glob(".*"))

    def test_a_tensor_that_is_no_compressed_one(self, tmp_path):
        save_file({f"a{CODED}": torch.ones(500, dtype=torch.uint8)}, tmp_path / "m.safetensors")
        with pytest.raises(CorruptError, match=r"Tensor a in .* is damaged: .*'hbdf11'"):
            restored(tmp_path / "m.safetensors", tmp_path)


class TestRefusals:
    def test_compressed_already(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        with pytest.raises(UserError, match="is compressed already"):
            compress_file(TensorFile.open(path), tmp_path / "twice.safetensors")

    def test_not_compressed(self, original, tmp_path):
        with pytest.raises(UserError, match=r"is not compressed: it has no tensors \*\.df11"):
            restored(original, tmp_path)


def test_an_interrupted_run_leaves_nothing(original, tmp_path, monkeypatch):
    calls = []

    def stop_at_the_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return container.compress_original(*arguments)

    monkeypatch.setattr(container, "compress_original", container.compress, raising=False)
    monkeypatch.setattr(container, "compress", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        compressed(original, tmp_path)
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == []


MEASURE = """\
import sys
from pathlib import Path
import torch
from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import compress, decompress

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024

decompress(compress(torch.ones(100).bfloat16()))  # first use compiles and loads libraries
baseline = resident("VmRSS")
source, packed, plain = (Path(text) for text in sys.argv[1:])
compress_file(TensorFile.open(source), packed)
decompress_file(TensorFile.open(packed), plain)
print(resident("VmHWM") - baseline)
"""


@pytest.mark.slow
def test_memory_stays_below_three_times_the_largest_tensor(tmp_path):
    largest = 12 << 20  # elements: 24 MiB
    torch.manual_seed(0)
    tensors = {f"layers.{i}": (torch.randn(1 << 21) * 0.02).bfloat16() for i in range(6)}
    tensors["embed"] = (torch.randn(largest) * 0.02).bfloat16()
    source = tmp_path / "m.safetensors"
    save_file(tensors, source)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, source, tmp_path / "p.safetensors", tmp_path / "q"],
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 3 * 2 * largest
    assert (tmp_path / "q").read_bytes() == source.read_bytes()
