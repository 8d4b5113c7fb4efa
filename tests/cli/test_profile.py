"""``halfbyte profile``, which shows how weights and activations of a model are distributed."""

import csv
import json
import re

import pytest
import torch
from safetensors.torch import save_file

from halfbyte.accuracy import minilm
from halfbyte.accuracy.profile import fits, model, tensors
from halfbyte.base import figures


@pytest.fixture
def weights(tmp_path):
    """A file of three layers, one with heavy tails, and an embedding."""
    torch.manual_seed(1)
    heavy = torch.distributions.StudentT(3.0).sample((200, 256)) * 0.1
    tensors = {
        "a.weight": heavy,
        "b.weight": torch.randn(100, 256),
        "c.weight": torch.randn(16, 8, 3, 3),
        "embed.weight": torch.randn(30, 8),
    }
    save_file(tensors, tmp_path / "three.safetensors")
    return "three.safetensors"


def test_a_file_of_weights_gives_a_table_and_files(halfbyte, tmp_path, weights):
    done = halfbyte("profile", weights, "--block", "64")
    assert "three, blocks of 64" in done.stdout
    assert re.search(r"weights as they are: nu (2\.9|3\.0)\d to ", done.stdout)
    assert "left out, not weights of layers: embed.weight" in done.stdout
    folder = tmp_path / "build/profile/three-block_64"
    plots = ("nu", "weights", "weights_by_block")
    names = {f"{plot}.{kind}" for plot in plots for kind in ("png", "svg", "pdf", "txt")}
    names |= {"profile.json", "profile.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "nu.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "weights.svg").read_text()[:1000]
    records = json.loads((folder / "profile.json").read_text())
    with (folder / "profile.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["a", "a", "b", "b", "c", "c"]
    assert [float(row["nu"]) for row in rows] == [record["nu"] for record in records]


def test_json_goes_to_standard_output(halfbyte, weights):
    records = json.loads(halfbyte("profile", weights, "--json", "--layer", "b").stdout)
    heavy = next(record for record in records if record["layer"] == "a")
    assert heavy["nu"] == pytest.approx(3, rel=0.05)
    assert (heavy["model"], heavy["what"], heavy["normalised"]) == ("three", "weight", False)
    assert heavy["ks_delta"] > 0.05
    assert sum(record["normalised"] for record in records) == 3


def test_a_layer_without_a_fit_is_listed_with_its_reason(halfbyte, tmp_path):
    save_file({"flat.weight": torch.ones(8, 8)}, tmp_path / "flat.safetensors")
    text = " ".join(halfbyte("profile", "flat.safetensors").stdout.split())
    for values in ("as is", "by block"):
        assert f"flat, weight {values}: Values to fit must differ, but all are 1" in text
    assert (tmp_path / "build/profile/flat/nu.png").is_file()


@pytest.mark.model
@pytest.mark.slow
def test_minilm_with_activations(halfbyte, tmp_path, monkeypatch):
    # To save time: a sample of each tensor, wider bins, and pictures of one kind.
    for module in (model, tensors):
        monkeypatch.setattr(module, "MAX_SAMPLES", 2**14)
    monkeypatch.setattr(fits, "_RESOLUTION", 256)
    monkeypatch.setattr(figures, "_DATES", {"png": {}})
    text = halfbyte("profile", "minilm", "--activations", "--layer", "pooler.dense", check=False)
    assert "There is no layer 'pooler.dense'; the nearest names: " in text.stderr
    records = json.loads(halfbyte("profile", "minilm", "--activations", "--json").stdout)
    assert len(records) == 4 * 36
    weights = [
        record for record in records if record["what"] == "weight" and not record["normalised"]
    ]
    assert all(4 < record["nu"] < 100 for record in weights)
    assert sum(record["ks_delta"] > 0 for record in weights) >= 35
    assert all(record["inputs"] == "text" for record in records if record["what"] == "activation")
    assert (tmp_path / f"build/profile/{minilm.NAME}-activations/activations.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.safetensors"], "none.safetensors cannot be read: No such file"),
        (["torn.safetensors"], "torn.safetensors is not a valid safetensors file"),
        (
            ["nan.safetensors"],
            "The weight of layer encoder.0 must be finite, but has NaN",
        ),
        (["nan.safetensors", "--activations"], "so there is no model to run"),
        (["nan.safetensors", "--random-inputs"], "has no effect without --activations"),
        (["nan.safetensors", "--layer", "encoder.1"], "There is no layer 'encoder.1'; the nearest"),
        (["no/such/model"], "no/such/model"),
    ],
)
def test_errors_are_one_line_and_leave_no_files(halfbyte, tmp_path, arguments, message):
    nan = torch.full((4, 4), float("nan"))
    save_file({"encoder.0.weight": nan}, tmp_path / "nan.safetensors")
    whole = (tmp_path / "nan.safetensors").read_bytes()
    (tmp_path / "torn.safetensors").write_bytes(whole[:-7])
    done = halfbyte("profile", *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.lstrip().startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "build").exists()
