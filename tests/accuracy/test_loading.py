"""Models are loaded completely and unchanged from their files, or refused."""

import json
import shutil

import pytest
import torch
import transformers as t
from safetensors.torch import load_file, save_file

from halfbyte.accuracy import evaluate, find_model, models
from halfbyte.accuracy.models import open_model
from halfbyte.accuracy.models.causal import sliding_windows
from halfbyte.accuracy.models.loading import _windows, open_subject
from halfbyte.accuracy.recipes import load_recipe
from halfbyte.accuracy.texts import docstrings
from halfbyte.base import UserError
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.streaming import quantize_checkpoint
from halfbyte.formats import load


@pytest.fixture
def folder(small_llama, tmp_path, monkeypatch):
    """A copy of the small model; results go to a folder of this test."""
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    return shutil.copytree(small_llama, tmp_path / "model")


def rewrite(folder, change):
    """Let ``change`` edit the dict of the model's tensors, and save the tensors again."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def reconfigure(folder, **changes):
    """Change fields of the model's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def measured(folder, name="e2m1", text=None, **options):
    """The record of an evaluation on a short text, as JSON."""
    path = folder.parent / "short.txt"
    path.write_text(text or "".join(docstrings()[:20]))
    model = find_model(str(folder), context=32, text=str(path), **options)
    (found,) = evaluate(model, [load(name)], W4)
    return found.record.as_json()


W4 = load_recipe("w4").with_block(16)


def test_models_are_opened_by_name_too(folder):
    model = open_model(str(folder))
    assert model.matrices().keys() == open_subject(find_model(str(folder))).matrices().keys()
    with pytest.raises(AttributeError, match="has no attribute 'close_model'"):
        models.close_model  # noqa: B018


def test_a_missing_tensor_is_named_and_not_initialised_at_random(folder):
    rewrite(folder, lambda tensors: tensors.pop("model.layers.1.mlp.down_proj.weight"))
    with pytest.raises(UserError, match=r"lacks model\.layers\.1\.mlp\.down_proj\.weight, which"):
        open_subject(find_model(str(folder)))


def test_absent_shards_are_named(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"model-00001-of-00002\.safetensors is missing, but model"):
        find_model(str(folder))


def test_absent_shards_are_named_without_an_index(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(UserError, match=r"model-00002-of-00002\.safetensors is missing, but model"):
        find_model(str(folder))


def test_a_tensor_without_a_place_is_named(folder):
    rewrite(folder, lambda tensors: tensors.update({"model.strange.weight": torch.ones(2, 2)}))
    with pytest.raises(UserError, match=r"holds model\.strange\.weight, which the model has no"):
        open_subject(find_model(str(folder)))


def test_tensors_of_another_shape_are_refused(folder):
    def shrink(tensors):
        tensors["model.norm.weight"] = torch.ones(7)

    rewrite(folder, shrink)
    with pytest.raises(UserError, match=r"the shape of model\.norm\.weight is not that of the"):
        open_subject(find_model(str(folder)))


@pytest.mark.parametrize("method", ["gptq", "awq", "fp8", "bitsandbytes", "mxfp4"])
def test_models_quantized_by_other_tools_are_refused(folder, method):
    reconfigure(folder, quantization_config={"quant_method": method})
    with pytest.raises(UserError, match=rf"is quantized already \({method}\)"):
        find_model(str(folder))
    with pytest.raises(UserError, match="is quantized already"):
        quantize_checkpoint(Checkpoint(folder), load("int4"), folder.parent / "q")


def test_models_with_a_quantization_file_of_another_tool_are_refused(folder):
    (folder / "hf_quant_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"is quantized already \(as hf_quant_config\.json says\)"):
        find_model(str(folder))


LAYER = "model.layers.1.mlp.down_proj."


@pytest.mark.parametrize(
    ("dtype", "beside"),
    [
        (torch.int8, None),
        (torch.bool, None),
        (torch.uint8, "weight.absmax"),
        (torch.float8_e4m3fn, "weight_scale_inv"),
        (torch.float8_e5m2, "input_scale"),
    ],
)
def test_quantized_weights_are_refused_even_if_the_configuration_is_silent(folder, dtype, beside):
    def store(tensors):
        tensors[LAYER + "weight"] = tensors[LAYER + "weight"].to(dtype)
        if beside:
            tensors[LAYER + beside] = torch.ones(1)

    rewrite(folder, store)
    with pytest.raises(UserError, match=r"quantized already \(model.*weight is stored as"):
        open_subject(find_model(str(folder)))
    with pytest.raises(UserError, match=r"quantized already \(model.*weight is stored as"):
        quantize_checkpoint(Checkpoint(folder), load("int4"), folder.parent / "q")


def test_fp8_without_scales_is_read_as_numbers(folder):
    def store(tensors):
        tensors[LAYER + "weight"] = tensors[LAYER + "weight"].to(torch.float8_e4m3fn)

    right = open_subject(find_model(str(folder))).module.get_parameter(LAYER + "weight")
    rewrite(folder, store)
    found = open_subject(find_model(str(folder))).module.get_parameter(LAYER + "weight")
    assert torch.equal(found, right.to(torch.float8_e4m3fn).float())


def test_a_field_of_a_wrong_type_is_named_with_its_value(folder):
    reconfigure(folder, hidden_size="40")
    with pytest.raises(UserError, match=r"field 'hidden_size': .*40"):
        open_subject(find_model(str(folder)))


def test_a_quantization_config_of_null_means_an_unquantized_model(folder):
    reconfigure(folder, quantization_config=None)
    assert open_subject(find_model(str(folder))).stored is None


def test_a_model_without_architectures_is_recognized_by_its_model_type(folder):
    reconfigure(folder, architectures=None)
    assert find_model(str(folder)).kind == "causal"
    reconfigure(folder, model_type="bert")
    assert find_model(str(folder)).kind == "encoder"
    reconfigure(folder, model_type="of_tomorrow")
    with pytest.raises(UserError, match=r"names no architectures, and its model_type is 'of_tom"):
        find_model(str(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True},
        {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {"a": 1}},
        {"architectures": ["CLIPModel"], "vision_config": {"a": 1}},
    ],
)
def test_other_kinds_of_models_are_refused(folder, changes):
    reconfigure(folder, **changes)
    with pytest.raises(UserError, match=r"neither a causal|only language models"):
        find_model(str(folder))


def test_tokens_beyond_the_embedding_are_refused(folder):
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["return", "the"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match=r"token id 40\d, but the model has only 400 embeddings"):
        open_subject(find_model(str(folder))).observe()


def test_a_tokenizer_of_a_later_version_is_refused(folder):
    path = folder / "tokenizer.json"
    raw = json.loads(path.read_text())
    raw["model"]["type"] = "OfTomorrow"
    path.write_text(json.dumps(raw))
    with pytest.raises(UserError, match=r"tokenizer in .* cannot be loaded: .*pip install -U"):
        open_subject(find_model(str(folder)))


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.model", "modeling_own.py", "merges.txt"])
def test_results_depend_on_a_model_s_files_but_not_on_its_readme(folder, name):
    before = find_model(str(folder)).fingerprint()
    (folder / name).write_text("something")
    assert find_model(str(folder)).fingerprint() != before
    (folder / "README.md").write_text("prose")
    with_prose = find_model(str(folder)).fingerprint()
    (folder / "README.md").write_text("other prose")
    assert find_model(str(folder)).fingerprint() == with_prose


def test_a_context_beyond_the_positions_is_refused_not_cut(folder):
    with pytest.raises(UserError, match="reads at most 128 tokens at a time, not 129"):
        open_subject(find_model(str(folder), context=129))


def test_calibration_windows_fit_the_context(folder):
    reconfigure(folder, max_position_embeddings=64)
    assert open_subject(find_model(str(folder))).calibration.shape[1] == 64


@pytest.mark.parametrize("storage", ["plain", "dequantized"])
def test_evaluate_reads_what_quantize_wrote(folder, tmp_path, storage):
    how = {"operand": W4.weights, "dequantize": storage == "dequantized"}
    quantize_checkpoint(Checkpoint(folder), load("e2m1"), tmp_path / "q", **how)
    original, stored = measured(folder), measured(tmp_path / "q")
    for name, measure in original["measures"].items():
        assert stored["measures"][name]["value"] == measure["value"]
    if storage == "plain":
        assert stored["stored"]["format"] == "e2m1"
        assert stored["measures"]["perplexity"]["loss"] == 0
        assert measured(tmp_path / "q", "int4")["measures"]["perplexity"]["loss"] != 0


def test_a_baseline_of_zero_gives_a_note_instead_of_a_relative_loss(folder):
    def forget(tensors):
        # All logits are equal, so token 0 is predicted, and it does not occur in the text.
        tensors["lm_head.weight"] = torch.zeros_like(tensors["lm_head.weight"])

    rewrite(folder, forget)
    record = measured(folder, bos="none")
    accuracy = record["measures"]["next_token_accuracy"]
    assert (accuracy["baseline"], accuracy["loss"], accuracy["loss_low"]) == (0, None, None)
    assert "is 0, so there is no relative loss" in accuracy["note"]
    assert record["measures"]["perplexity"]["value"] == pytest.approx(400)
    json.dumps(record, allow_nan=False)


def test_a_text_of_one_window_has_no_interval(folder):
    measure = measured(folder, text="a few words")["measures"]["perplexity"]
    assert measure["value"] is not None
    assert (measure["low"], measure["loss_low"]) == (None, None)
    assert measure["note"].startswith("there is only one item")


def test_a_layer_without_noise_is_null_in_the_record(folder):
    rewrite(folder, lambda tensors: tensors["model.layers.0.mlp.up_proj.weight"].zero_())
    record = measured(folder)
    assert record["layers"]["model.layers.0.mlp.up_proj"] is None
    json.dumps(record, allow_nan=False)


def test_unquantized_weights_are_listed_and_counted(folder):
    record = measured(folder)
    assert record["unquantized"] == {"lm_head.weight": "output head"}
    assert record["inputs_unquantized"] == record["not_calibrated"] == []
    tensors = load_file(folder / "model.safetensors")
    quantized = [each for name, each in tensors.items() if "proj" in name]
    bits = sum(4 * each.numel() + 32 * len(each) * -(-each.shape[1] // 16) for each in quantized)
    head = tensors["lm_head.weight"].numel()
    total = head + sum(each.numel() for each in quantized)
    assert record["bits_per_weight"] == pytest.approx((bits + 32 * head) / total, abs=1e-6)


def test_the_beginning_of_text_token_starts_the_text_or_every_window():
    tokens = torch.arange(10, 30)
    windows, first = _windows(tokens, 8, "text", 1)
    assert windows[0].tolist() == [1, *range(10, 18)]
    assert int(first[0]) == 0
    windows, first = _windows(tokens, 8, "window", 1)
    assert windows.shape[1] == 9  # eight inputs and a target
    assert windows[:, 0].tolist() == [1] * len(windows)
    scored = [row[1:][at:].tolist() for row, at in zip(windows, first.tolist(), strict=True)]
    # Every token is scored once, including the first.
    assert [token for row in scored for token in row] == tokens.tolist()
    plain, _ = _windows(tokens, 8, "none", 1)
    assert torch.equal(plain, sliding_windows(tokens, 8, 4)[0])
    with pytest.raises(UserError, match="no beginning-of-text token"):
        _windows(tokens, 8, "window", None)
