"""Tests runs of the compression: refused runs, three runs at once, and an interrupted run.

The memory that a run needs and the benchmarks are tested, too.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import container
from halfbyte.checkpoints.dfloat11.bench import benchmark_files, benchmark_models
from halfbyte.checkpoints.dfloat11.container import compress_file, verify_file
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11.loops import crc32c
from tests.checkpoints.dfloat11.files import compressed, restored


class TestRefusals:
    def test_compressed_already(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        with pytest.raises(UserError, match="is compressed already"):
            compress_file(TensorFile.open(path), tmp_path / "twice.safetensors")

    def test_not_compressed(self, original, tmp_path):
        with pytest.raises(UserError, match=r"is not compressed: it has no tensor halfbyte\.index"):
            restored(original, tmp_path)

    def test_the_source_changes_meanwhile(self, original, tmp_path):
        path = tmp_path / "m.safetensors"
        path.write_bytes(original.read_bytes())

        def touch(count, name):
            os.utime(path, ns=(1, 1))

        with pytest.raises(UserError, match="changed while it was compressed"):
            compressed(path, tmp_path, on_bytes=touch)
        assert [each.name for each in tmp_path.iterdir()] == ["m.safetensors"]

    def test_a_wrongly_written_file_never_gets_its_final_name(
        self, original, tmp_path, monkeypatch
    ):
        encode = container.joint.compress

        def wrong(elements, counts):
            return encode(elements.flip(0), counts)

        monkeypatch.setattr(container.joint, "compress", wrong)
        with pytest.raises(RuntimeError, match="does not restore it"):
            compressed(original, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_was_damaged_on_writing_never_gets_its_final_name(
        self, original, tmp_path, monkeypatch
    ):
        append = container.GrowingTensorFileWriter.append

        def wrong(writer, name, data):
            data = data.clone()
            data[-1] ^= 1
            append(writer, name, data)

        monkeypatch.setattr(container.GrowingTensorFileWriter, "append", wrong)
        with pytest.raises(RuntimeError, match="does not restore it"):
            compressed(original, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_with_a_wrong_digest_never_gets_its_final_name(
        self, original, tmp_path, monkeypatch
    ):
        """A byte of a tensor's stored digest is wrong; the header that holds it has a valid CRC."""
        append = container.GrowingTensorFileWriter.append

        def wrong(writer, name, data):
            if data[:6].numpy().tobytes() == b"hbdf11":
                data = data.clone()
                data[40] ^= 1
                data[12:16] = 0
                size = int(data[8:12].view(torch.int32))
                crc = crc32c(data[:size].numpy())
                data[12:16] = torch.tensor(list(crc.to_bytes(4, "little")), dtype=torch.uint8)
            append(writer, name, data)

        monkeypatch.setattr(container.GrowingTensorFileWriter, "append", wrong)
        with pytest.raises(RuntimeError, match="does not restore it"):
            compressed(original, tmp_path, coding=container.Coding("prefix"))
        assert list(tmp_path.iterdir()) == []


def test_three_runs_at_once_leave_one_good_file(original, tmp_path):
    """Exactly one of the runs succeeds. The others say that the file exists already."""
    for number in range(6):
        target = tmp_path / f"{number}.df11.safetensors"

        def run(_, target=target):
            try:
                compress_file(TensorFile.open(original), target)
                return True
            except UserError as error:
                assert "exists already" in str(error)
                return False

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(run, range(3))) == [False, False, True]
        verify_file(TensorFile.open(target))
    assert not list(tmp_path.glob(".*"))


def test_an_interrupted_run_leaves_nothing(original, tmp_path, monkeypatch):
    calls = []

    def stop_at_the_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(*arguments)

    encode = container.joint.compress
    monkeypatch.setattr(container.joint, "compress", stop_at_the_third)
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
from halfbyte.golden.dfloat11 import decompress, joint

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024

decompress(joint.compress(torch.ones(100).bfloat16()))  # first use loads libraries
baseline = resident("VmRSS")
source, packed, plain = (Path(text) for text in sys.argv[1:])
compress_file(TensorFile.open(source), packed)
decompress_file(TensorFile.open(packed), plain)
print(resident("VmHWM") - baseline)
"""


@pytest.mark.slow
def test_memory_stays_below_three_times_the_largest_tensor(tmp_path):
    """If the whole file were also in memory, a run would need more, and the test would fail."""
    largest = 12 << 20  # elements, of 24 MiB in BF16
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


def test_the_benchmark_measures_compression_from_file_to_file():
    records = benchmark_files(elements=1 << 16, repeats=1)
    assert [each.what for each in records] == [
        f"{layout}, file to file, {what}"
        for layout in ("joint", "prefix")
        for what in ("compress", "decompress")
    ]
    assert records[0].bits_per_weight < records[2].bits_per_weight < 16
    assert all(each.core_seconds > 0 for each in records)


def test_the_benchmark_runs_a_model_in_bf16_and_compressed():
    plain, exact, other = benchmark_models(width=64, layers=1, tokens=(2,), repeats=1)
    assert plain.what == "model in BF16, tokens: 2"
    assert plain.bits_per_weight == 16
    assert plain.elements == exact.elements == other.elements
    assert exact.bits_per_weight == other.bits_per_weight < 16
