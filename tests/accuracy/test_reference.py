"""``find_model`` turns a name or folder into a reference to a model, or refuses it."""

import json

import pytest

from halfbyte.accuracy import find_model
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.texts import read_text
from halfbyte.base import UserError


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a causal model until its weights are loaded."""
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def test_the_configuration_tells_a_causal_model_from_an_encoder(folder):
    assert find_model(str(folder)).kind == "causal"
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    assert find_model(str(folder)).kind == "encoder"
    with pytest.raises(UserError, match="is an encoder; text, context, bos and tasks"):
        find_model(str(folder), context=64)


@pytest.mark.parametrize(
    "name", ["no-such-model", "./nothere", "../nothere", "../..;rm -rf", "a/b/c", "", "x" * 5000]
)
def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"is not a model: give minilm, bytelm|missing"):
        find_model(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "is not a model directory: config.json is missing"),
        ("model.safetensors", r"has no \*.safetensors weights; other kinds are not read"),
        ("tokenizer.json", "has no tokenizer: tokenizer.json, "),
    ],
)
def test_missing_parts_are_named(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(UserError, match=message):
        find_model(str(folder))


def test_a_model_of_256_tokens_without_a_tokenizer_reads_bytes(folder):
    (folder / "tokenizer.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 256}))
    found = find_model(str(folder))
    assert (found.kind, found.text, found.context) == ("bytes", "held-out", 256)
    with pytest.raises(UserError, match="reads bytes, so its text and context are those of bytelm"):
        find_model(str(folder), context=64)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_configurations_are_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"cannot be read|must hold a mapping"):
        find_model(str(folder))


def test_bytelm_has_its_own_text_and_a_context_within_limits():
    with pytest.raises(UserError, match="bytelm has its own text and context"):
        find_model("bytelm", text="docstrings")
    with pytest.raises(UserError, match="Context must be 2 to 131072 tokens, not 1"):
        find_model("bytelm", context=1)


def test_results_depend_on_weights_and_text(folder, tmp_path):
    before = find_model(str(folder)).fingerprint()
    (folder / "model.safetensors").write_bytes(b"y")
    after = find_model(str(folder)).fingerprint()
    assert before["model_sha256"] != after["model_sha256"]
    assert before["text_sha256"] == after["text_sha256"]
    text = tmp_path / "text.txt"
    text.write_text("other words")
    other = find_model(str(folder), text=str(text)).fingerprint()
    assert other["text_sha256"] != after["text_sha256"]


def test_damaged_weights_are_an_error_not_a_crash(folder):
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"model\.safetensors"):
        open_subject(find_model(str(folder)))


def test_texts_must_be_readable(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_text(str(tmp_path / "missing.txt"))
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="holds no text"):
        read_text(str(empty))
    with pytest.raises(UserError, match="cannot be read"):
        read_text(str(binary))
