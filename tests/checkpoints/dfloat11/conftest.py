"""Small models in BF16, as Hugging Face saves them."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM


def make_llama(folder, *, tied=False):
    """Two layers in several shards, with files beside them."""
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
