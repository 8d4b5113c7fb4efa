"""``halfbyte quantize``, which writes a quantized copy of a model, as a user runs it."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.formats import load
from halfbyte.golden import quantize


@pytest.fixture
def model(tmp_path):
    """The folder ``tiny``, a model of two tensors."""
    torch.manual_seed(3)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tensors = {"up.weight": torch.randn(8, 64).half(), "embed.weight": torch.randn(8, 8).half()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_writes_codes_and_says_how_large_they_are(halfbyte, model, tmp_path):
    done = halfbyte("quantize", "tiny", "--format", "e2m1_sp", "--block", "16")
    assert "codes and scales, block 16" in done.stdout
    assert "wrote build/quantized/tiny-e2m1_sp" in done.stdout
    written = load_file(tmp_path / "build/quantized/tiny-e2m1_sp/model.safetensors")
    assert written["up.weight.codes"].shape == (8, 32)
    assert written["up.weight.scales"].shape == (8, 4)


def test_writes_values_and_a_record(halfbyte, model, tmp_path):
    arguments = ("quantize", "tiny", "--format", "sf4", "-o", "out", "--dequantize", "--json")
    (record,) = json.loads(halfbyte(*arguments).stdout)
    assert (record["weights"], record["copied"], record["block"]) == (1, 1, 128)
    found = load_file(tmp_path / "out/model.safetensors")["up.weight"]
    weight = load_file(model / "model.safetensors")["up.weight"]
    assert torch.equal(found, quantize(weight, load("sf4")).dequantize().half())
    (record,) = json.loads(halfbyte(*arguments).stdout)
    assert record["shards_kept"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "--format", "e2m1sp"], "did you mean e2m1_sp?"),
        (["nowhere", "--format", "int4"], "'nowhere' is not a model"),
        (["empty", "--format", "int4"], "config.json is missing"),
        (["cut", "--format", "int4"], "is not a valid safetensors file"),
        (["tiny", "--format", "int4", "-o", "tiny"], "is the model itself"),
    ],
)
def test_errors_are_one_line(halfbyte, model, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/config.json").write_text("{}")
    (tmp_path / "cut/model.safetensors").write_bytes(
        (model / "model.safetensors").read_bytes()[:-1]
    )
    done = halfbyte("quantize", *arguments, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0


@pytest.mark.model
def test_the_folder_for_a_built_in_model_has_the_model_s_name(halfbyte, tmp_path):
    done = halfbyte("quantize", "minilm", "--format", "int4")
    assert "wrote build/quantized/all-MiniLM-L6-v2-int4" in done.stdout
    assert (tmp_path / "build/quantized/all-MiniLM-L6-v2-int4/model.safetensors").is_file()
