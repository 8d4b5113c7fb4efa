"""Quantizing from disk to disk: results, interrupted runs, refused input and needed memory."""

import fcntl
import json
import os
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from halfbyte.base import UserError
from halfbyte.checkpoints import memory, pieces, streaming
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.packed import format_from, read_quantized
from halfbyte.checkpoints.records import CheckpointDescription
from halfbyte.checkpoints.streaming import needed_memory, quantize_checkpoint
from halfbyte.formats import load
from halfbyte.golden import quantize
from halfbyte.golden.operand import Operand

BLOCK = 32


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A small Llama in BF16, in several shards. Rows of 36 or 52 end in a short block."""
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=36,
        intermediate_size=52,
        num_hidden_layers=3,
        num_attention_heads=3,
        num_key_value_heads=1,
        vocab_size=64,
        tie_word_embeddings=False,
    )
    folder = tmp_path_factory.mktemp("models") / "llama"
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder, max_shard_size="30KB")
    (folder / "tokenizer.json").write_text('{"made": "up"}')
    (folder / "LICENSE").write_text("terms")
    (folder / "pytorch_model.bin").write_text("left out")
    return folder


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    torch.manual_seed(2)
    config = GPT2Config(n_embd=24, n_layer=2, n_head=2, vocab_size=50, n_positions=16)
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def small_pieces(monkeypatch):
    """Make pieces so small that even small tensors are read in several pieces of a few rows."""
    monkeypatch.setattr(pieces, "PIECE_ELEMENTS", 200)


def run(source, output, name="e2m1_sp", **options):
    """Quantize the model in the folder ``source`` to the folder ``output``."""
    operand = options.pop("operand", Operand(block=BLOCK))
    return quantize_checkpoint(Checkpoint(source), load(name), output, operand=operand, **options)


def state(folder):
    """All tensors of a model, by name."""
    return {name: tensor.read() for name, tensor in Checkpoint(folder).tensors.items()}


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("name", ["e2m1_sp", "e4m3"])  # with two codes in a byte, and with one
def test_codes_and_scales_are_those_of_the_golden_model(llama, tmp_path, name):
    record = run(llama, tmp_path / "q", name)
    original = state(llama)
    assert (record.weights, record.shards) == (21, len(Checkpoint(llama).shards))
    assert record.shards > 2
    for weight in Checkpoint(llama).weights:
        found = read_quantized(tmp_path / "q", weight.name)
        wanted = quantize(original[weight.name], load(name), block=BLOCK)
        assert torch.equal(found.codes, wanted.codes)
        assert torch.equal(found.scales, wanted.scales)


@pytest.mark.usefixtures("small_pieces")
def test_everything_else_is_copied(llama, tmp_path):
    run(llama, tmp_path / "q")
    original, written = state(llama), state(tmp_path / "q")
    kept = original.keys() - {weight.name for weight in Checkpoint(llama).weights}
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"} <= kept
    assert all(torch.equal(original[name], written[name]) for name in kept)
    assert (tmp_path / "q/tokenizer.json").read_text() == '{"made": "up"}'
    assert (tmp_path / "q/LICENSE").is_file()
    assert not (tmp_path / "q/pytorch_model.bin").exists()
    assert not list((tmp_path / "q").glob(".*"))


def test_the_description_holds_everything_that_decoding_needs(llama, tmp_path):
    run(llama, tmp_path / "q")
    record = json.loads((tmp_path / "q/halfbyte.json").read_text())
    fmt = load("e2m1_sp")
    assert record["format"]["values"][:4] == ["0", "1/2", "1", "3/2"]
    description = CheckpointDescription.from_json(record)
    assert description.as_json() == record
    assert format_from(description.format).values == fmt.values
    assert (record["block"], record["content"], record["codes_per_byte"]) == (BLOCK, "codes", 2)
    weight = record["weights"]["model.layers.0.mlp.down_proj.weight"]
    assert (weight["outputs"], weight["inputs"], weight["dtype"]) == (36, 52, "BF16")
    config = json.loads((tmp_path / "q/config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "halfbyte"


@pytest.mark.usefixtures("small_pieces")
def test_transformers_runs_the_dequantized_model(llama, tmp_path):
    run(llama, tmp_path / "q", dequantize=True)
    before = AutoModelForCausalLM.from_pretrained(llama, dtype="auto")
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "q", dtype="auto")
    assert after.dtype == torch.bfloat16
    wanted = before.state_dict()
    for weight in Checkpoint(llama).weights:
        values = quantize(wanted[weight.name], load("e2m1_sp"), block=BLOCK).dequantize()
        wanted[weight.name] = values.bfloat16()
    found = after.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert after(input_ids=torch.arange(5)[None]).logits.isfinite().all()


@pytest.mark.usefixtures("small_pieces")
def test_blocks_run_along_the_inputs_of_a_conv1d(gpt2, tmp_path):
    run(gpt2, tmp_path / "codes")
    run(gpt2, tmp_path / "values", dequantize=True)
    original = state(gpt2)
    name = "transformer.h.0.attn.c_attn.weight"  # (24 inputs, 72 outputs)
    wanted = quantize(original[name].T.contiguous(), load("e2m1_sp"), block=BLOCK)
    assert torch.equal(read_quantized(tmp_path / "codes", name).codes, wanted.codes)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "values")
    assert torch.equal(model.state_dict()[name], wanted.dequantize().T)
    assert torch.equal(
        model.state_dict()["transformer.wte.weight"], original["transformer.wte.weight"]
    )


class TestResuming:
    def test_finished_shards_are_kept(self, llama, tmp_path, monkeypatch):
        def stop_after_a_shard(rows, fmt, **options):
            if list((tmp_path / "q").glob("*.safetensors")):
                raise KeyboardInterrupt
            return quantize(rows, fmt, **options)

        monkeypatch.setattr(streaming, "quantize", stop_after_a_shard)
        with pytest.raises(KeyboardInterrupt):
            run(llama, tmp_path / "q")
        assert not (tmp_path / "q/config.json").exists()  # so no tool takes the folder for a model
        monkeypatch.undo()
        record = run(llama, tmp_path / "q")
        assert record.shards_kept == 1
        run(llama, tmp_path / "whole")
        resumed, whole = state(tmp_path / "q"), state(tmp_path / "whole")
        assert resumed.keys() == whole.keys()
        assert all(torch.equal(resumed[name], whole[name]) for name in whole)

    def test_the_same_run_again_keeps_all_shards(self, llama, tmp_path):
        run(llama, tmp_path / "q", "int4", dequantize=True)
        again = run(llama, tmp_path / "q", "int4", dequantize=True)
        assert again.shards_kept == again.shards

    @pytest.mark.parametrize(
        "other", [{"name": "int4"}, {"dequantize": True}, {"operand": Operand(block=16)}]
    )
    def test_other_settings_overwrite_nothing(self, llama, tmp_path, other):
        run(llama, tmp_path / "q")
        before = state(tmp_path / "q")
        with pytest.raises(UserError, match="this one in another form: give another folder"):
            run(llama, tmp_path / "q", **other)
        assert all(torch.equal(each, before[name]) for name, each in state(tmp_path / "q").items())

    def test_a_damaged_shard_is_written_again(self, llama, tmp_path):
        run(llama, tmp_path / "q")
        shard = next(iter(sorted((tmp_path / "q").glob("*.safetensors"))))
        shard.write_bytes(shard.read_bytes()[:-1])
        record = run(llama, tmp_path / "q")
        assert record.shards - record.shards_kept == 1

    def test_another_model_overwrites_nothing(self, llama, gpt2, tmp_path):
        run(llama, tmp_path / "q")
        with pytest.raises(UserError, match="holds another model"):
            run(gpt2, tmp_path / "q")


def test_progress_ends_at_the_number_of_tensors(llama, tmp_path):
    seen = []
    run(llama, tmp_path / "q", on_progress=lambda *update: seen.append(update))
    total = len(Checkpoint(llama).tensors)
    assert seen[-1][:2] == (total, total)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def make_model(folder, tensors, **config):
    """Write a model of one file with these tensors and this configuration."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder


class TestBadInput:
    @pytest.mark.usefixtures("small_pieces")
    @pytest.mark.parametrize(
        ("value", "kind"),
        [(float("nan"), "NaN"), (float("-inf"), "values that are infinite in FP32")],
    )
    def test_nan_and_infinity_are_reported_with_the_layer(self, tmp_path, value, kind):
        weight = torch.ones(50, 30, dtype=torch.float16)
        weight[33, 7] = value
        source = make_model(tmp_path / "m", {"layers.3.up.weight": weight})
        message = (
            rf"Layer layers\.3\.up: tensor layers\.3\.up\.weight in .*model\.safetensors holds "
            rf"{kind}, first in the row of output 33"
        )
        with pytest.raises(UserError, match=message):
            run(source, tmp_path / "q")
        assert not list((tmp_path / "q").glob("*.safetensors"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t, name: t.pop(name), "lacks {}, which the model needs"),
            (lambda t, name: t.update(strange=torch.ones(2, 2)), "holds strange, which the model"),
            (lambda t, name: t.update({name: torch.ones(0, 24)}), "shape of {} is not that of the"),
        ],
        ids=["missing", "strange", "empty"],
    )
    def test_tensors_of_another_model_are_named(self, gpt2, tmp_path, change, message):
        tensors, name = state(gpt2), "transformer.h.1.mlp.c_fc.weight"
        change(tensors, name)
        source = make_model(
            tmp_path / "m", tensors, **json.loads((gpt2 / "config.json").read_text())
        )
        with pytest.raises(UserError, match=re.escape(message.format(name))):
            run(source, tmp_path / "q")
        assert not (tmp_path / "q").exists()

    def test_a_weight_without_elements_is_refused(self, tmp_path):
        source = make_model(tmp_path / "m", {"a.weight": torch.ones(4, 4), "b": torch.ones(0, 32)})
        with pytest.raises(UserError, match=r"Tensor b in .* has the shape \(0, 32\), without a"):
            run(source, tmp_path / "q")

    def test_too_little_memory_is_refused_before_the_run(self, llama, tmp_path, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 1000)
        with pytest.raises(UserError, match=r"needs about .* MiB of memory, but only 1000 bytes"):
            run(llama, tmp_path / "q")
        assert not (tmp_path / "q").exists()

    def test_nothing_to_quantize(self, tmp_path):
        source = make_model(tmp_path / "m", {"wte.weight": torch.ones(4, 4)})
        with pytest.raises(UserError, match="has nothing to quantize"):
            run(source, tmp_path / "q")

    def test_a_tensor_with_a_name_that_the_codes_need(self, tmp_path):
        tensors = {"up.weight": torch.ones(4, 4), "up.weight.codes": torch.ones(2)}
        with pytest.raises(UserError, match=r"has a tensor up\.weight\.codes, but its"):
            run(make_model(tmp_path / "m", tensors), tmp_path / "q")

    def test_quantized_already(self, llama, tmp_path):
        run(llama, tmp_path / "q")
        with pytest.raises(UserError, match="is quantized already"):
            run(tmp_path / "q", tmp_path / "again")

    @pytest.mark.parametrize(
        ("before", "after"), [('"6"', '"5"'), ('"ties": "even"', '"ties": "down"')]
    )
    def test_an_edited_description_is_noticed(self, llama, tmp_path, before, after):
        run(llama, tmp_path / "q", "e2m1")
        path = tmp_path / "q" / "halfbyte.json"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))
        with pytest.raises(
            UserError, match=r"halfbyte\.json is not the description with which model-00001-of-"
        ):
            read_quantized(tmp_path / "q", "model.layers.0.mlp.up_proj.weight")

    def test_an_unknown_storage(self, llama, tmp_path):
        with pytest.raises(UserError, match="storage must be one of halfbyte, compressed-tensors"):
            run(llama, tmp_path / "q", storage="npz")

    def test_a_single_file(self, llama, tmp_path):
        file = next(llama.glob("*.safetensors"))
        with pytest.raises(UserError, match="is one file: give its directory"):
            run(file, tmp_path / "q")

    def test_never_overwrites_files_of_others(self, llama, tmp_path):
        (tmp_path / "mine.txt").write_text("precious")
        with pytest.raises(UserError, match="holds files that do not belong to a quantized"):
            run(llama, tmp_path)
        with pytest.raises(UserError, match="is a file"):
            run(llama, tmp_path / "mine.txt")
        with pytest.raises(UserError, match="is the model itself"):
            run(llama, llama)

    def test_two_runs_in_one_folder(self, llama, tmp_path):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="Another run is writing"):
            run(llama, tmp_path)
        os.close(descriptor)

    def test_no_such_weight_to_read_back(self, llama, tmp_path):
        run(llama, tmp_path / "q")
        with pytest.raises(UserError, match=r"no codes and scales of 'model\.norm\.weight'"):
            read_quantized(tmp_path / "q", "model.norm.weight")
        with pytest.raises(UserError, match="is not a quantized checkpoint"):
            read_quantized(llama, "model.norm.weight")


MEASURE = """\
import sys
from pathlib import Path
import torch
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.streaming import needed_memory, quantize_checkpoint
from halfbyte.formats import load
from halfbyte.golden import quantize

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024

quantize(torch.randn(64, 64), load("e2m1_sp")).dequantize()  # first use loads libraries
checkpoint = Checkpoint(Path(sys.argv[1]))
checkpoint.weights  # first use loads transformers
baseline = resident("VmRSS")
dequantize = sys.argv[3] == "values"
quantize_checkpoint(checkpoint, load("e2m1_sp"), Path(sys.argv[2]), dequantize=dequantize)
print(resident("VmHWM") - baseline, needed_memory(checkpoint, dequantize=dequantize))
"""


def write_big_model(folder, layers, shape):
    """Write random BF16 layers, one to a shard. Returns the bytes of all shards together."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    places = {}
    for layer in range(layers):
        shard, name = f"model-{layer}.safetensors", f"layers.{layer}.mlp.up_proj.weight"
        save_file({name: torch.randn(shape, dtype=torch.bfloat16)}, folder / shard)
        places[name] = shard
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


@pytest.mark.slow
def test_memory_stays_below_two_fp32_layers(tmp_path):
    layers, shape = 16, (1024, 4096)
    fp32_layer = 4 * 1024 * 4096  # 16 MiB
    total = write_big_model(tmp_path / "m", layers, shape)
    assert total >= 128 * 2**20
    for content in ("codes", "values"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, tmp_path / "m", tmp_path / content, content],
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
            capture_output=True,
            text=True,
            check=True,
        )
        growth, promised = map(int, done.stdout.split())
        assert growth < 2 * fp32_layer < total / 4, (growth, promised)
        # Libraries that are used for the first time may take 2**23 bytes.
        assert growth < promised + 2**23


def test_a_7b_llama_needs_less_than_a_quarter_of_a_layer_in_fp32(tmp_path):
    """The needed memory is computed from the header, so the file needs no data, only its size."""
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    rows, columns = 11008, 4096
    entry = {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, 2 * rows * columns]}
    header = json.dumps({"model.layers.0.mlp.up_proj.weight": entry}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2 * rows * columns)
    assert needed_memory(Checkpoint(folder)) < 4 * rows * columns / 4


def test_the_safetensors_package_reads_the_shards(llama, tmp_path):
    run(llama, tmp_path / "q")
    for path in (tmp_path / "q").glob("*.safetensors"):
        assert load_file(path)
