"""``halfbyte evaluate`` and ``recommend`` as a user runs them, mistakes included."""

import json

import pytest

from halfbyte.accuracy.bytelm import corpus


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "no-such-model"], "is not a model: give minilm, bytelm, a directory"),
        (["evaluate", "bytelm", "--recipe", "w5"], "w4a4"),
        (["evaluate", "bytelm", "--formats", "int4,e9m9"], "e9m9"),
        (["evaluate", "bytelm", "--text", "x.txt"], "bytelm has its own text and context"),
        (["evaluate", "bytelm", "int4,e2m1"], "did you mean int4 e2m1?"),
        (["recommend"], "Give either --max-loss or --max-area, and not both"),
        (["recommend", "--max-loss", "1%", "--max-area", "5"], "Give either --max-loss"),
        (["recommend", "--max-area", "0"], "--max-area must be greater than 0 µm², not 0.0"),
        (["recommend", "--max-area", "nan"], "--max-area must be greater than 0 µm², not nan"),
        (["recommend", "--max-loss", "lots"], "must be a share such as 1% or 0.01, not 'lots'"),
    ],
)
def test_mistakes_are_answered_in_one_line(halfbyte, arguments, message):
    done = halfbyte(*arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("shared_store")
def test_evaluates_and_recommends_on_bytelm(halfbyte, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "EVALUATED", 400)  # bytes of each module: a short text is enough
    done = halfbyte("evaluate", "bytelm", "int4", "e2m1", "--recipe", "w4a4", "--json")
    records = json.loads(done.stdout)
    assert [record["format"] for record in records] == ["int4", "e2m1"]
    for record in records:
        bits = record["measures"]["bits_per_byte"]
        assert 0.8 < bits["baseline"] < 2
        assert bits["baseline"] < bits["value"]
        assert bits["loss_low"] < bits["loss"] < bits["loss_high"]
    assert (tmp_path / "build" / "evaluate" / "bytelm-int4_e2m1" / "w4a4.png").exists()
    choice = ["recommend", "int4", "e2m1", "--max-loss", "100%", "--model", "bytelm"]
    (found,) = json.loads(halfbyte(*choice, "--recipe", "w4a4", "--json").stdout)
    assert {found["choice"]["format"], found["runner_up"]["format"]} == {"int4", "e2m1"}
    # The smaller area is chosen; if areas are equal, the smaller loss.
    chosen, other = (
        (found[place]["area_um2"], found[place]["loss"]) for place in ("choice", "runner_up")
    )
    assert chosen < other
    assert found["choice"]["certainty"] == 1


@pytest.mark.slow
def test_evaluates_a_folder_that_was_quantized_from_bytelm(halfbyte, monkeypatch):
    monkeypatch.setattr(corpus, "EVALUATED", 300)
    halfbyte("quantize", "bytelm", "int4", "-o", "folder")
    done = halfbyte("evaluate", "folder")
    assert "the stored weights: bits per byte" in " ".join(done.stdout.split())
    (record,) = json.loads(halfbyte("evaluate", "folder", "--json").stdout)
    assert (record["format"], record["stored"]["format"]) == ("int4", "int4")
    assert record["measures"]["bits_per_byte"]["loss"] == 0
