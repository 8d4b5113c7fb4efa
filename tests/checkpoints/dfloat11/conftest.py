"""Small Llama models in BF16, as Hugging Face saves them, and a file with many kinds of tensors."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM


def make_llama(folder, *, tied=False):
    """Save a model of two layers in several shards, with other files beside them."""
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder, max_shard_size="200KB")
    (folder / "tokenizer.json").write_text('{"made": "up"}')
    (folder / "LICENSE").write_text("free")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / ".hidden").write_text("")
    return folder


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return make_llama(tmp_path_factory.mktemp("llama") / "small")


@pytest.fixture(scope="session")
def tied_llama(tmp_path_factory):
    return make_llama(tmp_path_factory.mktemp("tied") / "small", tied=True)


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A file with tensors of many types. All of these types but I64 can be compressed.

    Some tensors are noise, tiny, empty, or of odd sizes; ``embed`` and ``head`` are equal.
    """
    torch.manual_seed(4)
    noise = torch.randint(-(2**15), 2**15, (5001,), dtype=torch.int16).view(torch.bfloat16)
    large = (torch.randn(600, 500) * 0.02).bfloat16()
    tensors = {
        "embed": large,
        "head": large.clone(),
        "layers.0.up.weight": (torch.randn(300, 200) * 0.02).bfloat16(),
        "layers.0.down.weight": (torch.randn(200, 301) * 0.02).half(),
        "layers.1.up.weight": torch.randn(150, 151).to(torch.float8_e4m3fn),
        "layers.1.down.weight": torch.randn(150, 151).to(torch.float8_e5m2),
        "layers.2.up.weight": (torch.randn(99, 101) * 9).to(torch.int8),
        "layers.2.down.weight": torch.randn(99, 101),
        "noise": noise,
        "tiny": torch.ones(3).bfloat16(),
        "single": torch.randn(5, 5),
        "ids": torch.arange(7),
        "bytes": torch.arange(33, dtype=torch.uint8),
        "none": torch.ones(0, 3).bfloat16(),
        "scalar": torch.tensor(2.0).bfloat16(),
        "ünïcode": torch.zeros(70, 70).bfloat16(),
    }
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(tensors, path, {"format": "pt", "made_by": "a test"})
    return path
