"""Evaluation of a causal model from a folder; ranking of evaluations; charts and data files."""

import csv
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from halfbyte.accuracy import Evaluation, evaluate, find_model
from halfbyte.accuracy.chart import write_evaluations
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.ranking import rank
from halfbyte.accuracy.recipes import load_recipe
from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.base import UserError
from halfbyte.formats import load
from tests.factory import sample


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def losing(name, losses, **same):
    """An evaluation of the format ``name`` with ``losses`` as bootstrap replicates of its loss."""
    measures = {"bits": sample(MeasureRecord, loss=float(np.mean(losses)))}
    record = sample(EvaluationRecord, format=name, measures=measures, **same)
    return Evaluation(record, {"bits_loss": np.asarray(losses)})


def test_perplexity_is_that_of_transformers(small_llama, build):
    subject = open_subject(find_model(str(small_llama), context=64))
    outputs = subject.observe()
    perplexity = subject.statistics(outputs, outputs)["perplexity"]
    ours = float(perplexity.at(torch.ones(1, perplexity.count, dtype=torch.float64)))
    # transformers computes the cross-entropy of each window, without targets whose label is -100.
    total, count = 0.0, 0
    for window, first in zip(subject.windows, subject.first_scored, strict=True):
        labels = window.clone()
        labels[: int(first) + 1] = -100
        with torch.inference_mode():
            loss = subject.module(input_ids=window[None], labels=labels[None]).loss
        scored = int((labels[1:] != -100).sum())
        total, count = total + float(loss) * scored, count + scored
    # The tolerance is for rounding errors: the two sums add their terms in different orders.
    assert ours == pytest.approx(np.exp(total / count), rel=1e-4)


def test_a_model_in_a_folder_is_evaluated_for_several_formats(small_llama, build):
    model = find_model(str(small_llama), context=64)
    recipe = load_recipe("w4a4").with_block(16)
    records = [each.record for each in evaluate(model, [load("int4"), load("int8")], recipe)]
    int4, int8 = records
    assert set(int4.measures) == {"perplexity", "next_token_accuracy"}
    assert len(int4.layers) == 14  # seven weights in each of two layers
    assert int4.text == "docstrings"
    baseline = int4.measures["perplexity"].baseline
    assert abs(int8.measures["perplexity"].loss) < 0.01
    assert baseline == int8.measures["perplexity"].baseline
    for record in records:
        text = json.dumps(record.as_json())
        assert EvaluationRecord.from_json(json.loads(text)) == record


def test_lost_replicates_are_computed_again(small_llama, build):
    model, recipe = find_model(str(small_llama), context=64), load_recipe("w4")
    (before,) = evaluate(model, [load("int4")], recipe)
    (path,) = (build / "records" / "replicates").iterdir()
    path.write_bytes(b"cut")
    (after,) = evaluate(model, [load("int4")], recipe)
    assert np.array_equal(before.losses(), after.losses())


def test_a_layer_with_nan_weights_is_named(small_llama, build, tmp_path):
    folder = tmp_path / "poisoned"
    folder.mkdir()
    for path in small_llama.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = torch.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"layers\.1\.mlp\.up_proj"):
        evaluate(find_model(str(folder)), [load("int4")], load_recipe("w4"))


def test_ranking_tells_which_differences_are_resolved():
    source = np.random.default_rng(2)
    noise = source.normal(0, 0.01, 2000)
    ordered = rank(
        [
            losing("worst", 0.2 + noise),
            losing("best", 0.1 + noise),
            losing("second", 0.1001 + source.normal(0, 0.01, 2000)),
        ]
    )
    assert [place.evaluation.format for place in ordered] == ["best", "second", "worst"]
    assert [place.is_resolved for place in ordered] == [False, True, None]
    assert 0.4 < ordered[0].beats_next < 0.6
    assert ordered[1].beats_next == 1


def test_different_models_are_not_ranked_together():
    with pytest.raises(UserError, match="on the same model, with the same text and recipe"):
        rank([losing("a", [0.1, 0.2]), losing("b", [0.1, 0.2], model_sha256="other")])


def test_writes_a_chart_with_its_data(small_llama, build, tmp_path):
    model = find_model(str(small_llama), context=64)
    found = evaluate(model, [load("int4"), load("e2m1")], load_recipe("w4"))
    written = write_evaluations(found, tmp_path / "out")
    kinds = ("png", "svg", "pdf", "txt", "csv", "json")
    assert [path.name for path in written] == [f"w4.{kind}" for kind in kinds]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert ElementTree.fromstring(written[1].read_text()).tag.endswith("svg")  # noqa: S314
    rows = list(csv.DictReader(written[4].read_text().splitlines()))
    data = json.loads(written[5].read_text())
    assert [row["format"] for row in rows] == [record["format"] for record in data]
    for row, record in zip(rows, data, strict=True):
        assert float(row["perplexity_loss"]) == record["measures"]["perplexity"]["loss"]
