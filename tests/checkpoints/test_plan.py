"""Quantizing a checkpoint on disk quantizes the same weights as evaluation does in memory.

Models name their tensors differently, so halfbyte finds the weights by the model's modules.
"""

import json

import pytest
import torch
import transformers as t
from safetensors.torch import load_file

from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.packed import read_quantized, stored_values
from halfbyte.checkpoints.streaming import quantize_checkpoint
from halfbyte.formats import load
from halfbyte.golden.layers import survey
from halfbyte.golden.operand import Clipping, Operand
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
EXPERTS = {"num_key_value_heads": 2, "num_experts_per_tok": 2}
MODELS = {
    "llama": (t.LlamaForCausalLM, t.LlamaConfig(**SMALL, num_key_value_heads=2)),
    "mixtral": (t.MixtralForCausalLM, t.MixtralConfig(**SMALL, **EXPERTS, num_local_experts=3)),
    "gpt_oss": (
        t.GptOssForCausalLM,
        t.GptOssConfig(**SMALL, **EXPERTS, num_local_experts=3, head_dim=16),
    ),
    "mamba": (
        t.MambaForCausalLM,
        t.MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1, state_size=4),
    ),
    "bert": (t.BertForMaskedLM, t.BertConfig(**SMALL)),
    "ctrl": (
        t.CTRLLMHeadModel,
        t.CTRLConfig(vocab_size=64, n_embd=32, n_layer=1, n_head=2, dff=48),
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with every model of ``MODELS``, each in a subfolder named after it."""
    root = tmp_path_factory.mktemp("models")
    for name, (kind, config) in MODELS.items():
        torch.manual_seed(1)
        kind(config).save_pretrained(root / name)
    return root


def evaluated(folder, name):
    """The model as evaluation opens it."""
    kind = t.AutoModel if name == "bert" else t.AutoModelForCausalLM
    return kind.from_pretrained(folder)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "operand",
    [
        Operand(block=16),
        Operand(block=16, scale_format=ScaleFormat.E4M3, clip=Clipping.MSE_LAYER),
        Operand(block=None, clip=Clipping.MSE_BLOCK, supernormal_sign=SupernormalSign.BLOCK),
    ],
    ids=["plain", "nv-clipped", "rows-signed"],
)
def test_values_on_disk_are_those_of_quantizing_in_memory(folders, tmp_path, name, operand):
    from halfbyte.accuracy.recipes import Recipe, quantized

    fmt = load("e2m1_sp")
    quantize_checkpoint(
        Checkpoint(folders / name), fmt, tmp_path / "v", operand=operand, dequantize=True
    )
    quantize_checkpoint(Checkpoint(folders / name), fmt, tmp_path / "c", operand=operand)
    values = load_file(tmp_path / "v/model.safetensors")
    restored = dict(stored_values(tmp_path / "c"))
    assert all(torch.equal(restored[key], value) for key, value in values.items())
    module, found = evaluated(folders / name, name), evaluated(tmp_path / "v", name)
    pooler = [module.pooler] if name == "bert" else []
    matrices = survey(module, pooler).matrices
    with torch.no_grad(), quantized(fmt, Recipe("r", "", weights=operand), matrices):
        wanted = {key: value.clone() for key, value in module.state_dict().items()}
    state = found.state_dict()
    # The checkpoint of BERT has no pooler. Loading draws the pooler's weights at random.
    read = [key for key in wanted if not key.startswith("pooler")]
    assert all(torch.allclose(state[key], wanted[key], rtol=0, atol=1e-9) for key in read)


def test_the_description_says_why_heads_routers_and_embeddings_are_not_quantized(folders, tmp_path):
    quantize_checkpoint(Checkpoint(folders / "mixtral"), load("int4"), tmp_path / "q")
    said = json.loads((tmp_path / "q/halfbyte.json").read_text())
    assert said["told_by"] == "model"
    assert said["unquantized"] == {
        "lm_head.weight": "output head",
        "model.embed_tokens.weight": "embedding",
        "model.layers.0.block_sparse_moe.gate.weight": "router",
    }
    kept = Checkpoint(folders / "bert").plan.kept
    assert kept["bert.embeddings.word_embeddings.weight"] == "embedding"
    assert kept["cls.predictions.transform.dense.weight"] == "not in the model that is evaluated"
    assert Checkpoint(folders / "ctrl").plan.kept["transformer.w.weight"] == "embedding"


def test_convolutions_and_experts_are_read_back_in_the_shape_of_their_quantized_rows(
    folders, tmp_path
):
    for name, weight, shape in (
        ("mamba", "backbone.layers.0.mixer.conv1d.weight", (256, 1)),
        ("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj", (3, 96, 32)),
    ):
        folder = tmp_path / name
        quantize_checkpoint(Checkpoint(folders / name), load("int4"), folder)
        assert read_quantized(folder, weight).shape == shape


@pytest.mark.parametrize(
    ("operand", "theirs", "tolerance"),
    [
        (Operand(block=32, scale_format=ScaleFormat.E8M0_FLOOR), 0.0, 0.0),
        # The file stores the reciprocal of the tensor's scale. So halfbyte, when it reads the file,
        # rounds twice more in FP32. compressed-tensors rounds three numbers to BF16: the block's
        # scale, its quotient by the reciprocal, and the weight.
        (Operand(block=16, scale_format=ScaleFormat.E4M3_MODELOPT), 2.0**-7, 2.0**-22),
    ],
    ids=["mxfp4", "nvfp4"],
)
@pytest.mark.filterwarnings("ignore")
def test_compressed_tensors_loads_what_was_written(tmp_path, operand, theirs, tolerance):
    pytest.importorskip("compressed_tensors", reason="compressed-tensors is an optional extra")
    torch.manual_seed(2)
    sizes = {**SMALL, "hidden_size": 64, "intermediate_size": 96, "num_key_value_heads": 2}
    t.LlamaForCausalLM(t.LlamaConfig(**sizes)).save_pretrained(tmp_path / "m")
    source, fmt = Checkpoint(tmp_path / "m"), load("e2m1")
    quantize_checkpoint(source, fmt, tmp_path / "q", operand=operand, storage="compressed-tensors")
    model = t.AutoModelForCausalLM.from_pretrained(
        tmp_path / "q",
        dtype=torch.float32,
        quantization_config=t.CompressedTensorsConfig(dequantize=True),
    )
    quantize_checkpoint(source, fmt, tmp_path / "v", operand=operand, dequantize=True)
    wanted = load_file(tmp_path / "v/model.safetensors")
    ours = dict(stored_values(tmp_path / "q"))
    state = model.state_dict()
    for name, value in wanted.items():
        assert torch.allclose(state[name], value, rtol=theirs, atol=0), name
        assert torch.allclose(ours[name], value, rtol=tolerance, atol=0), name
