"""Compressed safetensors files: the original comes back to the last byte, or an error says why."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import container
from halfbyte.checkpoints.dfloat11.bench import benchmark_files
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file, verify_file
from halfbyte.checkpoints.dfloat11.index import INDEX_TENSOR, Index, Part
from halfbyte.checkpoints.dfloat11.information import describe_file
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import CorruptError, compress


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Every type that is coded, others, noise, tiny, empty, equal and odd-sized tensors."""
    torch.manual_seed(4)
    noise = torch.randint(-(2**15), 2**15, (5001,), dtype=torch.int16).view(torch.bfloat16)
    large = (torch.randn(600, 500) * 0.02).bfloat16()
    tensors = {
        "embed": large,
        "head": large.clone(),
        "layers.0.up.weight": (torch.randn(300, 200) * 0.02).bfloat16(),
        "layers.0.down.weight": (torch.randn(200, 301) * 0.02).half(),
        "layers.1.up.weight": torch.randn(150, 151).to(torch.float8_e4m3fn),
        "layers.1.down.weight": torch.randn(150, 151).to(torch.float8_e5m2),
        "layers.2.up.weight": (torch.randn(99, 101) * 9).to(torch.int8),
        "layers.2.down.weight": torch.randn(99, 101),
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


class TestRoundTrip:
    @pytest.mark.parametrize("layout", container.LAYOUTS)
    @pytest.mark.parametrize("secded", [False, True])
    def test_gives_the_same_file(self, original, tmp_path, secded, layout):
        path, records = compressed(
            original, tmp_path, secded=secded, coding=container.Coding(layout)
        )
        assert restored(path, tmp_path) == (original.read_bytes(), 0)
        assert verify_file(TensorFile.open(path)) == 0
        assert sum(record.tensors for record in records) == 15  # one is a copy of another
        assert {record.layout for record in describe_file(path)} == {layout, "as it was"}

    def test_equal_tensors_are_stored_once(self, original, tmp_path):
        path, _ = compressed(original, tmp_path)
        opened = CompressedFile.open(path)
        assert len(opened.index.copies) == 1
        assert torch.equal(opened.read("embed"), opened.read("head"))
        assert path.stat().st_size < 0.5 * original.stat().st_size

    def test_tensors_one_by_one(self, original, tmp_path):
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

    def test_same_input_same_bytes(self, original, tmp_path):
        (tmp_path / "again").mkdir()
        first, _ = compressed(original, tmp_path)
        second, _ = compressed(original, tmp_path / "again")
        assert first.read_bytes() == second.read_bytes()

    def test_bits_are_corrected_wherever_they_are(self, original, tmp_path):
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
        assert len(places) / 2 <= corrected <= len(places) + 4  # the index is read twice

    def test_a_tool_that_drops_the_metadata_and_sorts(self, original, tmp_path):
        """The index is a tensor like any other."""
        path, _ = compressed(original, tmp_path)
        again = tmp_path / "resaved.safetensors"
        save_file(load_file(path), again)
        assert restored(again, tmp_path)[0] == original.read_bytes()


class TestEveryHeaderThatTheFormatAllows:
    NAMES = (
        "with\u00a0space", "zero\u200bwidth", "two\nlines", "\u202eright to left", "\x1b[31mred",
        "a.df11", "a", "a.secded", "a.df11.secded", INDEX_TENSOR, "halfbyte.raw",
        "halfbyte.group.df11", "", "__metadata__x",
    )  # fmt: skip

    def test_names(self, tmp_path):
        tensors = {name: torch.full((700,), float(i)) for i, name in enumerate(self.NAMES)}
        save_file(tensors, tmp_path / "m.safetensors")
        for secded in (False, True):
            path, _ = compressed(tmp_path / "m.safetensors", tmp_path, secded=secded)
            assert restored(path, tmp_path)[0] == (tmp_path / "m.safetensors").read_bytes()

    def test_names_of_large_tensors(self, tmp_path, monkeypatch):
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
    def test_headers_as_they_come(self, tmp_path, header, data):
        goes_round(raw_file(tmp_path / "m.safetensors", header, data), tmp_path)


class TestSize:
    def test_thousands_of_tiny_tensors(self, tmp_path):
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

    def test_small_tensors_share_a_code_only_if_they_are_alike(self, tmp_path):
        torch.manual_seed(0)
        normal = {f"n{i}": (torch.randn(100, 100) * 0.02).bfloat16() for i in range(4)}
        other = {f"u{i}": (torch.rand(100, 100) * 50 + 1).bfloat16() for i in range(4)}
        save_file(normal | other, tmp_path / "m.safetensors")
        path, _ = compressed(tmp_path / "m.safetensors", tmp_path)
        opened = CompressedFile.open(path)
        groups = [{opened.tensors[n].name[0] for n in part.tensors} for part in opened.parts]
        assert groups in ([{"n"}, {"u"}], [{"u"}, {"n"}])


class TestDamage:
    def test_every_bit_of_the_header_is_refused_or_harmless(self, original, tmp_path):
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
        assert harmless < 20  # mostly types and shapes of parts, which are bytes in any case

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
        assert harmless <= 2  # padding

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

    def test_two_wrong_bits_in_a_word(self, original, tmp_path):
        path, _ = compressed(original, tmp_path, secded=True)
        raw = bytearray(path.read_bytes())
        raw[TensorFile.open(path).tensors["embed.df11"].start + 4000] ^= 3
        path.write_bytes(raw)
        with pytest.raises(CorruptError, match="bytes 4000 to 4007 have more than one wrong bit"):
            restored(path, tmp_path)

    def test_an_index_of_another_file(self, original, tmp_path):
        """Everything is right except the digest of the whole."""
        path, _ = compressed(original, tmp_path)
        tensors = load_file(path)
        index = CompressedFile.open(path).index
        wrong = Index(index.header, "0" * 64, index.parts, index.copies).to_bytes()
        tensors[INDEX_TENSOR] = torch.frombuffer(bytearray(wrong), dtype=torch.uint8)
        save_file(tensors, path)
        for run in (restored, lambda p, _: verify_file(TensorFile.open(p))):
            with pytest.raises(CorruptError, match="has not the original's SHA-256"):
                run(path, tmp_path)
        assert not list(tmp_path.glob("*restored*"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"parts": (Part("a", True, (0,)),)}, "in no part, or in two"),
            ({"copies": {0: 1}}, "in no part, or in two"),
            ({"sha256": "12"}, "it has no digest"),
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

    def test_what_an_index_cannot_say_is_salvaged(self, original, tmp_path):
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


class TestTheFirstVersion:
    """Files that earlier releases wrote."""

    @pytest.fixture
    def first(self, tmp_path):
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

    def test_without_its_description_it_is_refused_unless_asked_for(self, first, tmp_path):
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
            ({"header": 5}, "the header in its metadata .* is no text"),
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

    def test_what_is_written_wrongly_is_found_before_it_has_its_name(
        self, original, tmp_path, monkeypatch
    ):
        encode = container.joint.compress

        def wrong(elements, counts):
            return encode(elements.flip(0), counts)

        monkeypatch.setattr(container.joint, "compress", wrong)
        with pytest.raises(RuntimeError, match="was not written as it is"):
            compressed(original, tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_leave_one_good_file(original, tmp_path):
    """Exactly one of them says that it wrote the file."""
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


def test_the_benchmark_goes_from_file_to_file():
    records = benchmark_files(elements=1 << 16, repeats=1)
    assert [each.what for each in records] == [
        f"{layout}, file to file, {what}"
        for layout in ("joint", "prefix")
        for what in ("compress", "decompress")
    ]
    assert records[0].bits_per_weight < records[2].bits_per_weight < 16
    assert all(each.core_seconds > 0 for each in records)
