"""``halfbyte compress``, ``decompress``, ``verify``, ``info`` and ``entropy`` as users run them."""

import json
import re

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def model(tmp_path):
    """The folder ``tiny``, a model of three tensors."""
    torch.manual_seed(3)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tensors = {
        "h.0.up.weight": (torch.randn(100, 256) * 0.02).bfloat16(),
        "h.1.up.weight": (torch.randn(100, 256) * 0.02).bfloat16(),
        "norm.weight": torch.ones(100),
    }
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_a_file_is_compressed_and_restored(halfbyte, model, tmp_path):
    done = halfbyte("compress", "tiny/model.safetensors", "-o", "m.df11.safetensors")
    assert "wrote m.df11.safetensors" in done.stdout
    assert re.search(r"6[67]\.\d %", done.stdout)
    halfbyte("decompress", "m.df11.safetensors", "-o", "back.safetensors")
    original = (model / "model.safetensors").read_bytes()
    assert (tmp_path / "back.safetensors").read_bytes() == original


def test_verify_and_info(halfbyte, model, tmp_path):
    halfbyte("compress", "tiny", "-o", "packed")
    assert "model.df11.safetensors: good" in halfbyte("verify", "packed").stdout
    (record,) = json.loads(halfbyte("verify", "packed", "--json").stdout)
    assert (record["error"], record["corrected_words"]) == (None, 0)
    path = tmp_path / "packed/model.df11.safetensors"
    records = json.loads(halfbyte("info", str(path), "--json").stdout)
    coded = [record for record in records if record["layout"] == "joint"]
    assert sum(record["tensors"] for record in records) == 3
    assert all(r["entropy_bits"] < r["stored_bits"] < r["raw_bits"] for r in coded if r["tensors"])
    assert "h.0.up.weight and 1 more" in halfbyte("info", str(path)).stdout
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    done = halfbyte("verify", "packed", check=False)
    assert done.returncode == 1
    assert "is damaged: chunk 0 of 1: its CRC is wrong" in " ".join(done.stdout.split())
    assert "Damaged files: 1 of 1;" in done.stderr


def test_a_folder_in_the_published_layout(halfbyte, model, tmp_path):
    arguments = ("compress", "tiny", "-o", "packed", "--layout", "dfloat11", "--json")
    (record,) = json.loads(halfbyte(*arguments).stdout)
    assert (record["layout"], record["modules"]) == ("dfloat11", 2)
    (record,) = json.loads(halfbyte("decompress", "packed", "-o", "back", "--json").stdout)
    assert record["tensors"] == 3
    assert (tmp_path / "back/config.json").exists()


def test_entropy_of_tensors(halfbyte, model):
    done = halfbyte("entropy", "tiny")
    assert "h.0.up.weight" in done.stdout
    records = json.loads(halfbyte("entropy", "tiny/model.safetensors", "--json").stdout)
    by_name = {record["tensor"]: record for record in records}
    weight, norm = by_name["h.1.up.weight"], by_name["norm.weight"]
    assert (weight["dtype"], weight["raw_bits"], weight["elements"]) == ("BF16", 16, 25600)
    assert 10.4 < weight["entropy_bits"] < weight["coded_bits"] < 11.2
    assert (norm["dtype"], norm["entropy_bits"]) == ("F32 as BF16", 8)


def test_entropy_of_codes(halfbyte, model):
    arguments = ("entropy", "tiny", "--formats", "int4,e2m1", "--block", "64", "--scale", "e4m3")
    records = json.loads(halfbyte(*arguments, "--json").stdout)
    assert [record["format"] for record in records] == ["int4", "e2m1"] * 2
    for record in records:
        assert record["scale_bits"] == 8 / 64
        assert record["effective_bits"] == record["coded_bits"] + record["scale_bits"]
        assert record["entropy_bits"] < record["coded_bits"] <= record["raw_bits"] == 4
    assert "effective" in halfbyte(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "nowhere", "-o", "x"], "There is no nowhere"),
        (["compress", "tiny", "-o", "tiny"], "tiny exists already"),
        (
            ["compress", "tiny", "-o", "x", "--layout", "zip"],
            "must be one of joint, prefix, dfloat11",
        ),
        (
            ["compress", "tiny", "-o", "x", "--layout", "dfloat11", "--secded"],
            "dfloat11 has no place for check bytes",
        ),
        (["decompress", "tiny", "-o", "x"], "has no *.df11.safetensors files"),
        (["entropy", "nowhere"], "'nowhere' is not a model"),
        (["entropy", "tiny", "int4", "--scale", "fp7"], "--scale must be one of fp32"),
        (["verify", "nowhere"], "There is no nowhere"),
        (["info", "nowhere"], "There is no file nowhere"),
        (["info", "tiny/model.safetensors"], "is not compressed"),
        (["bench", "int4", "--codec"], "takes no formats"),
    ],
)
def test_errors_are_one_line(halfbyte, model, tmp_path, arguments, message):
    done = halfbyte(*arguments, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "x").exists()


def test_a_file_with_fixed_codes_is_restored_too(halfbyte, model, tmp_path):
    arguments = ("compress", "tiny/model.safetensors", "-o", "m.df11.safetensors")
    (record,) = json.loads(halfbyte(*arguments, "--codes", "fixed", "--json").stdout)
    assert (record["codes"], record["coded"]) == ("fixed", 2)
    halfbyte("decompress", "m.df11.safetensors", "-o", "back.safetensors")
    original = (model / "model.safetensors").read_bytes()
    assert (tmp_path / "back.safetensors").read_bytes() == original
    wrong = halfbyte(*arguments, "--codes", "odd", check=False)
    assert "Codes must be best or fixed, not 'odd'" in wrong.stderr
