"""Folders in the layout of the published ``dfloat11`` package, tested against that package.

Its encoder and its loader run unchanged. Its decoder runs on a GPU only, so it is replaced by
``emulated_kernel``, which is written from the package's ``decode.cu``. Small stand-ins replace
other packages that it imports.
"""

import ctypes
import json
import shutil
import sys
import types
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from halfbyte.base import UserError
from halfbyte.checkpoints import dfloat11
from halfbyte.checkpoints.dfloat11 import compress_published, decompress_published, is_published
from halfbyte.checkpoints.dfloat11.published_plan import ModulePlan, attributes_of, patterns
from halfbyte.golden.dfloat11 import CorruptError

IDS = torch.tensor([[1, 5, 2, 250, 9, 4, 4, 17]])
NAMES = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps", "split_positions")
IN_BLOCK = [
    *("mlp.down_proj", "mlp.gate_proj", "mlp.up_proj"),
    *("self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj"),
]
PATTERNS = {r"model\.embed_tokens": [], r"model\.layers\.\d+": IN_BLOCK, "lm_head": []}


def array_at(address, count, kind):
    """The array of ``count`` elements of type ``kind`` at a memory address."""
    size = count * np.dtype(kind).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), kind)


def emulated_kernel(grid, block, shared_mem, args):
    """Decode as ``decode.cu`` does, one thread after another.

    Each thread decodes the codes that start in its eight bytes. ``gaps`` says where the first of
    them starts, in 5 bits for each thread. ``positions`` says where the outputs of each block of
    threads start. ``luts`` holds tables of 256 entries: an entry of 240 or more points at another
    table, and the last table holds the lengths of codes.
    """
    luts_at, stream_at, other_at, positions_at, gaps_at, out_at, n_luts, n_bytes, n_elements = args
    luts = array_at(luts_at, 256 * n_luts, np.uint8).reshape(n_luts, 256)
    threads = grid[0] * block[0]
    stream = np.zeros(8 * threads + 8, np.uint8)
    stream[:n_bytes] = array_at(stream_at, n_bytes, np.uint8)
    bits = "".join(f"{byte:08b}" for byte in stream)
    gap_bits = "".join(f"{byte:08b}" for byte in array_at(gaps_at, threads * 5 // 8, np.uint8))
    positions = array_at(positions_at, grid[0] + 1, np.uint32)
    other = array_at(other_at, n_elements, np.uint8)
    out = array_at(out_at, n_elements, np.uint16)
    for thread in range(-(-n_bytes // 8)):
        if thread % block[0] == 0:
            index = int(positions[thread // block[0]])
        place = 64 * thread + int(gap_bits[5 * thread : 5 * thread + 5], 2)
        while place < 64 * (thread + 1) and index < n_elements:
            entry, level = luts[0, int(bits[place : place + 8], 2)], 0
            while entry >= 240:
                level += 8
                byte = int(bits[place + level : place + level + 8], 2)
                entry = luts[256 - int(entry), byte]
            low = int(other[index])
            out[index] = (low & 0x80) << 8 | int(entry) << 7 | low & 0x7F
            index, place = index + 1, place + int(luts[n_luts - 1, entry])


@pytest.fixture(scope="module")
def package():
    """The module ``dfloat11.dfloat11``, made to run without a GPU."""
    cupy = types.ModuleType("cupy")
    cupy.RawModule = lambda path: types.SimpleNamespace(get_function=lambda name: emulated_kernel)
    cupy.cuda = types.SimpleNamespace(Device=lambda index: nullcontext())
    resources = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: name
    accelerate, utils = types.ModuleType("accelerate"), types.ModuleType("accelerate.utils")
    accelerate.infer_auto_device_map = accelerate.dispatch_model = None
    utils.get_balanced_memory = None
    stand_ins = {
        "cupy": cupy,
        "pkg_resources": resources,
        "accelerate": accelerate,
        "accelerate.utils": utils,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        import dfloat11.dfloat11 as found

        yield found


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()


def state(folder):
    """All tensors in a folder, by name."""
    found = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def assert_same_state(found, wanted):
    """Assert that two dicts have the same tensors, bit for bit."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(found[name].view(torch.uint8), tensor.view(torch.uint8)), name


def folder_with(model, compressed, folder):
    """Make a folder whose config.json merges the config.json files of two other folders.

    The file in ``model`` states the architecture; the file in ``compressed``, what is compressed.
    """
    folder.mkdir()
    whole = json.loads((model / "config.json").read_text())
    whole |= json.loads((compressed / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(whole))
    return folder


@pytest.fixture(scope="module")
def theirs(package, llama, tmp_path_factory):
    """A folder with the model as the package compresses it, and a complete configuration."""
    folder = tmp_path_factory.mktemp("theirs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *_, **__: None)
        package.compress_model(load(llama), PATTERNS, str(folder), check_correctness=False)
    config = json.loads((folder / "config.json").read_text())
    whole = json.loads((llama / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(whole | config))
    return folder


@pytest.fixture(scope="module")
def ours(llama, tmp_path_factory):
    """A folder with the model as halfbyte compresses it."""
    folder = tmp_path_factory.mktemp("ours") / "m"
    compress_published(llama, folder)
    return folder


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
class TestAgainstThePackage:
    def test_the_same_tensors(self, theirs, ours):
        assert_same_state(state(ours), state(theirs))

    def test_the_same_configuration(self, theirs, ours):
        found, wanted = (json.loads((f / "config.json").read_text()) for f in (ours, theirs))
        assert found["dfloat11_config"] == wanted["dfloat11_config"]
        assert found == wanted

    def test_files_of_the_package_are_read(self, theirs, llama, tmp_path):
        """The package stores no shapes, so halfbyte computes them from the architecture."""
        assert is_published(theirs)
        decompress_published(theirs, tmp_path / "plain")
        assert_same_state(state(tmp_path / "plain"), state(llama))

    def test_default_output_of_the_package_is_read(self, package, llama, tmp_path):
        """The package writes one file, and a configuration that only says what is compressed."""
        folder = tmp_path / "single"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.print", lambda *_, **__: None)
            package.compress_model(
                load(llama), PATTERNS, str(folder), save_single_file=True, check_correctness=False
            )
        assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json"}
        assert json.loads((folder / "config.json").read_text()).keys() == {"dfloat11_config"}
        with pytest.raises(UserError, match="give the folder of the original model"):
            decompress_published(folder, tmp_path / "x")
        decompress_published(folder, tmp_path / "plain", config=llama)
        assert_same_state(state(tmp_path / "plain"), state(llama))
        model = dfloat11.load(folder, config=llama)
        with torch.inference_mode():
            found, wanted = model(input_ids=IDS).logits, load(llama)(input_ids=IDS).logits
        assert torch.equal(found.view(torch.int16), wanted.view(torch.int16))
        # The file alone, as ComfyUI uses it. A configuration elsewhere says what is compressed.
        alone = tmp_path / "alone"
        alone.mkdir()
        shutil.copy(folder / "model.safetensors", alone)
        decompress_published(alone / "model.safetensors", tmp_path / "again", config=folder_with(
            llama, folder, tmp_path / "config"))  # fmt: skip
        assert_same_state(state(tmp_path / "again"), state(llama))

    def test_tied_weights_are_read(self, package, tied_llama, tmp_path):
        folder = tmp_path / "tied"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.print", lambda *_, **__: None)
            package.compress_model(
                load(tied_llama), PATTERNS, str(folder), check_correctness=False,
                save_single_file=False,
            )  # fmt: skip
        shutil.copy(tied_llama / "config.json", tmp_path)
        model = dfloat11.load(folder, config=tied_llama)
        with torch.inference_mode():
            found, wanted = model(input_ids=IDS).logits, load(tied_llama)(input_ids=IDS).logits
        assert torch.equal(found.view(torch.int16), wanted.view(torch.int16))

    def test_the_package_gives_the_same_outputs_with_our_folder(self, package, ours, llama, capsys):
        config = AutoConfig.from_pretrained(ours)
        torch.manual_seed(99)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
        package.load_and_replace_tensors(model, str(ours), config.dfloat11_config)
        with torch.inference_mode():
            found, wanted = model(input_ids=IDS).logits, load(llama)(input_ids=IDS).logits
        assert torch.equal(found.view(torch.int16), wanted.view(torch.int16))
        assert "Cannot find" not in capsys.readouterr().err


class TestRoundTrip:
    def test_every_tensor_is_restored(self, ours, llama, tmp_path):
        decompress_published(ours, tmp_path / "plain")
        assert_same_state(state(tmp_path / "plain"), state(llama))
        plain, before = (
            json.loads((folder / "config.json").read_text())
            for folder in (tmp_path / "plain", llama)
        )
        assert plain == before
        assert (tmp_path / "plain/LICENSE").read_text() == "free"

    def test_modules_with_infinite_weights_are_not_compressed(self, llama, tmp_path):
        shutil.copytree(llama, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors*"))
        tensors = state(llama)
        tensors["model.layers.1.mlp.up_proj.weight"][3, 3] = float("inf")
        save_file(tensors, tmp_path / "m/model.safetensors")
        record = compress_published(tmp_path / "m", tmp_path / "p")
        assert list(record.kept) == ["model.layers.1"]
        assert "an exponent is 255 (infinity or NaN)" in record.kept["model.layers.1"]
        decompress_published(tmp_path / "p", tmp_path / "plain")
        assert_same_state(state(tmp_path / "plain"), tensors)

    def test_a_lone_file(self, tmp_path):
        tensors = {f"up.{i}.weight": (torch.randn(40, 30) * 0.1).bfloat16() for i in range(3)}
        tensors["norm.weight"] = torch.ones(30)
        save_file(tensors, tmp_path / "m.safetensors")
        compress_published(tmp_path / "m.safetensors", tmp_path / "p")
        decompress_published(tmp_path / "p", tmp_path / "plain")
        assert_same_state(state(tmp_path / "plain"), tensors)


class TestBadInput:
    @pytest.fixture
    def copy(self, ours, tmp_path):
        return shutil.copytree(ours, tmp_path / "m")

    def change(self, folder, name, tensor):
        tensors = state(folder)
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
        save_file(tensors, folder / "model.safetensors")

    @pytest.mark.parametrize("name", NAMES)
    def test_a_part_is_missing(self, copy, tmp_path, name):
        self.change(copy, f"model.layers.1.{name}", None)
        with pytest.raises(CorruptError, match=r"Module model\.layers\.1"):
            decompress_published(copy, tmp_path / "plain")
        assert not (tmp_path / "plain").exists()

    @pytest.mark.parametrize("name", NAMES[:5])
    @pytest.mark.parametrize("tensor", [torch.ones(3), torch.zeros(7, dtype=torch.uint8)])
    def test_a_part_has_another_size_or_type(self, copy, tmp_path, name, tensor):
        self.change(copy, f"lm_head.{name}", tensor)
        with pytest.raises(CorruptError, match="lm_head"):
            decompress_published(copy, tmp_path / "plain")

    def test_splits_that_are_not_those_of_the_weights(self, copy, tmp_path):
        self.change(copy, "model.layers.0.split_positions", torch.arange(6))
        with pytest.raises(CorruptError, match="split positions do not fit"):
            decompress_published(copy, tmp_path / "plain")

    @pytest.mark.parametrize(
        ("pattern_dict", "message"),
        [
            (None, "has no pattern_dict"),
            ([], "has no pattern_dict"),
            ({"lm_head": 3}, "to a list of names"),
            ({"lm_head": []}, "does not describe the compressed module"),
            ({"(((": []}, "a pattern that is refused"),
            ({"(a+)+": []}, "repeats a group"),
            ({".*": []}, "does not say which shape"),
        ],
    )
    def test_hostile_patterns(self, copy, tmp_path, pattern_dict, message):
        config = json.loads((copy / "config.json").read_text())
        config["dfloat11_config"]["pattern_dict"] = pattern_dict
        (copy / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=message):
            decompress_published(copy, tmp_path / "plain")

    def test_no_configuration(self, copy, tmp_path):
        (copy / "config.json").unlink()
        with pytest.raises(UserError, match="has no dfloat11_config"):
            decompress_published(copy, tmp_path / "plain")
        with pytest.raises(UserError, match=r"give the folder of a config\.json"):
            decompress_published(copy / "model.safetensors", tmp_path / "plain")

    def test_nothing_to_compress(self, ours, tmp_path):
        with pytest.raises(UserError, match=r"is compressed already: its config\.json has"):
            compress_published(ours, tmp_path / "p")
        save_file({"head.weight": torch.ones(4, 4)}, tmp_path / "fp32.safetensors")
        with pytest.raises(UserError, match="has no BF16 weights that"):
            compress_published(tmp_path / "fp32.safetensors", tmp_path / "p")


class TestPatterns:
    def test_equal_blocks_share_a_pattern(self):
        plans = [ModulePlan(f"a.layers.{i}", ("up", "down")) for i in (0, 1, 10, 2, *range(3, 10))]
        assert patterns(plans) == {r"a\.layers\.\d+": ["up", "down"]}

    def test_different_blocks_have_different_patterns(self):
        plans = [
            ModulePlan("h.0", ("up",)),
            ModulePlan("h.1", ("up", "experts.0.up")),
            ModulePlan("h.3", ("up",)),
            ModulePlan("head", ()),
        ]
        found = patterns(plans)
        assert found == {r"h\.(?:0|3)": ["up"], r"h\.(?:1)": ["up", "experts.0.up"], "head": []}
        assert attributes_of([plan.name for plan in plans], found) == plans

    def test_names_of_weights(self):
        assert ModulePlan("h.1", ("a.b",)).weights == ("h.1.a.b.weight",)
        assert ModulePlan("head", ()).weights == ("head.weight",)
