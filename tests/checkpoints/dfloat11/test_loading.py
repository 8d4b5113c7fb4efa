"""Models with compressed layers work like uncompressed ones, and by default give equal outputs."""

import copy
import json
import shutil
import types

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    BertForSequenceClassification,
)

from halfbyte.accuracy import minilm
from halfbyte.base import UserError
from halfbyte.checkpoints import dfloat11
from halfbyte.checkpoints.dfloat11 import loading
from halfbyte.golden.dfloat11 import CorruptError, compress, decompress, devices, joint, layout_of

IDS = torch.tensor([[1, 5, 2, 250, 9, 4, 4, 17]])


@pytest.fixture(scope="module")
def packed(llama, tmp_path_factory):
    """A folder with the small Llama, compressed."""
    folder = tmp_path_factory.mktemp("packed") / "m"
    dfloat11.compress_path(llama, folder)
    return folder


def logits(model):
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def same_bits(a, b):
    return a.dtype == b.dtype and torch.equal(a.view(torch.int16), b.view(torch.int16))


def test_a_compressed_folder(llama, packed):
    model = dfloat11.load(packed)
    wanted = AutoModelForCausalLM.from_pretrained(llama, dtype="auto").eval()
    assert same_bits(logits(model), logits(wanted))
    compressed = {n for n, m in model.named_modules() if isinstance(m, dfloat11.CompressedLinear)}
    linear = {n for n, m in wanted.named_modules() if isinstance(m, nn.Linear)}
    assert compressed == linear
    generated = model.generate(IDS, max_new_tokens=6, do_sample=False)
    assert torch.equal(generated, wanted.generate(IDS, max_new_tokens=6, do_sample=False))


def test_an_uncompressed_folder_is_compressed_while_it_is_loaded(llama, packed):
    plain, before = dfloat11.load(llama), dfloat11.load(packed)
    assert same_bits(logits(plain), logits(before))
    a, b = (m.model.layers[1].mlp.up_proj.compressed for m in (plain, before))
    assert torch.equal(a, b)


def test_tied_embeddings(tied_llama, tmp_path):
    dfloat11.compress_path(tied_llama, tmp_path / "p")
    model = dfloat11.load(tmp_path / "p")
    wanted = AutoModelForCausalLM.from_pretrained(tied_llama, dtype="auto").eval()
    assert same_bits(logits(model), logits(wanted))
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.model
def test_minilm_in_bf16(tmp_path):
    AutoModel.from_pretrained(minilm.locate(), dtype=torch.bfloat16).save_pretrained(tmp_path / "m")
    dfloat11.compress_path(tmp_path / "m", tmp_path / "p")
    model = dfloat11.load(tmp_path / "p")
    wanted = AutoModel.from_pretrained(tmp_path / "m", dtype="auto").eval()
    with torch.inference_mode():
        found, expected = (m(input_ids=IDS).last_hidden_state for m in (model, wanted))
    assert same_bits(found, expected)
    query = model.encoder.layer[0].attention.self.query
    assert len(query.compressed) < 0.69 * 2 * 384 * 384


def test_weights_are_compressed_in_memory(llama, packed):
    model = dfloat11.load(packed)
    held = sum(b.nbytes for n, b in model.named_buffers() if n.endswith("compressed"))
    linear = [m for m in model.modules() if isinstance(m, dfloat11.CompressedLinear)]
    assert held < 0.71 * sum(2 * m.in_features * m.out_features for m in linear)
    assert not any(p.ndim == 2 for n, p in model.named_parameters() if "embed" not in n)
    layer = linear[0]
    assert torch.equal(layer.weight, decompress(layer.compressed))
    assert "in_features=96, out_features=96, bias=False" in repr(layer)


def test_gradients_pass_through_to_the_input(packed):
    layer = dfloat11.load(packed).model.layers[0].mlp.gate_proj
    x = torch.randn(3, 96, dtype=torch.bfloat16, requires_grad=True)
    layer(x).sum().backward()
    plain = x.detach().requires_grad_()
    nn.functional.linear(plain, layer.weight).sum().backward()
    assert torch.equal(x.grad, plain.grad)


def test_names_of_tensors_may_lack_the_prefix_model(llama, tmp_path):
    """A checkpoint of a model without its head has such names."""
    shutil.copytree(llama, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors*"))
    tensors = {}
    for path in llama.glob("*.safetensors"):
        tensors |= load_file(path)
    save_file(
        {n.removeprefix("model."): t for n, t in tensors.items()}, tmp_path / "m/model.safetensors"
    )
    assert same_bits(logits(dfloat11.load(tmp_path / "m")), logits(dfloat11.load(llama)))


class TestErrors:
    def test_damage_is_found_when_loading(self, packed, tmp_path):
        shutil.copytree(packed, tmp_path / "m")
        shard = sorted((tmp_path / "m").glob("*.safetensors"))[0]
        raw = bytearray(shard.read_bytes())
        raw[-100] ^= 1
        shard.write_bytes(raw)
        with pytest.raises(CorruptError, match="is damaged"):
            dfloat11.load(tmp_path / "m")

    def test_a_shard_is_missing(self, packed, tmp_path):
        shutil.copytree(packed, tmp_path / "m")
        sorted((tmp_path / "m").glob("*.safetensors"))[0].unlink()
        with pytest.raises(UserError, match=r"is missing, but model\.safetensors\.index"):
            dfloat11.load(tmp_path / "m")

    def test_a_missing_shard_is_found_by_file_names_if_there_is_no_index(self, packed, tmp_path):
        shutil.copytree(packed, tmp_path / "m")
        (tmp_path / "m/model.safetensors.index.json").unlink()
        sorted((tmp_path / "m").glob("*.safetensors"))[0].unlink()
        with pytest.raises(UserError, match=r"-00001-of-\d+\.df11\.safetensors is missing, but"):
            dfloat11.load(tmp_path / "m")

    def test_another_architecture(self, packed, tmp_path):
        shutil.copytree(packed, tmp_path / "m")
        config = json.loads((packed / "config.json").read_text())
        config["intermediate_size"] = 168
        (tmp_path / "m/config.json").write_text(json.dumps(config))
        with pytest.raises(
            UserError, match=r"\.weight must have the shape \((168, 96|96, 168)\), not"
        ):
            dfloat11.load(tmp_path / "m")

    def test_no_model(self, packed, tmp_path):
        with pytest.raises(UserError, match="is not a folder"):
            dfloat11.load(tmp_path / "nowhere")
        with pytest.raises(UserError, match=r"has no \*\.safetensors files"):
            dfloat11.load(tmp_path)
        for shard in packed.glob("*.safetensors"):
            shutil.copy(shard, tmp_path)
        with pytest.raises(UserError, match="cannot be created"):
            dfloat11.load(tmp_path)


class TestPublishedFolders:
    def test_give_the_same_outputs(self, llama, tmp_path):
        dfloat11.compress_published(llama, tmp_path / "p")
        model = dfloat11.load(tmp_path / "p")
        wanted = AutoModelForCausalLM.from_pretrained(llama, dtype="auto").eval()
        assert same_bits(logits(model), logits(wanted))
        compressed = {
            n for n, m in model.named_modules() if isinstance(m, dfloat11.CompressedLinear)
        }
        assert compressed == {n for n, m in wanted.named_modules() if isinstance(m, nn.Linear)}

    def test_damage_is_found(self, llama, tmp_path):
        dfloat11.compress_published(llama, tmp_path / "p")
        path = tmp_path / "p/model.safetensors"
        tensors = load_file(path)
        tensors["lm_head.gaps"] ^= 0xFF
        save_file(tensors, path)
        with pytest.raises(CorruptError, match="Module lm_head is damaged: block 0"):
            dfloat11.load(tmp_path / "p")


class TestDevices:
    def test_a_copy_decodes_its_own_weight(self, packed):
        layer = dfloat11.load(packed).model.layers[0].mlp.gate_proj
        twin = copy.deepcopy(layer)
        twin.compressed = compress(torch.zeros_like(layer.weight))
        assert not twin.weight.any()
        assert layer.weight.any()

    def test_the_decoder_of_the_device_is_called(self, packed, monkeypatch):
        """The meta device stands for a GPU here: a decoder for it is registered."""
        calls = []

        def decoder(data):
            calls.append(data.device.type)
            return lambda: torch.empty(160, 96, dtype=torch.bfloat16, device="meta")

        entry = types.SimpleNamespace(load=lambda: decoder)
        monkeypatch.setattr(devices, "entry_points", lambda group, name: [entry])
        devices._registered.cache_clear()
        layer = dfloat11.load(packed).model.layers[0].mlp.gate_proj.to("meta")
        assert layer(torch.empty(3, 96, dtype=torch.bfloat16, device="meta")).shape == (3, 160)
        assert layer.weight.device.type == "meta"
        assert calls == ["meta"]  # prepared once, for two decodings
        devices._registered.cache_clear()

    def test_the_decoder_for_cuda_is_that_of_gpu_ref(self):
        from halfbyte.gpu_ref.dfloat11.own import prepare

        devices._registered.cache_clear()
        assert devices._registered("cuda") is prepare

    def test_a_device_without_decoder_is_named(self, packed):
        layer = dfloat11.load(packed).model.layers[0].mlp.gate_proj.to("meta")
        with pytest.raises(UserError, match="No decoder of DFloat11 is installed for meta devices"):
            _ = layer.weight

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    def test_a_gpu_gives_the_same_bits_as_the_uncompressed_model_on_the_gpu(self, llama, packed):
        ids = IDS.cuda()
        wanted = AutoModelForCausalLM.from_pretrained(llama, dtype="auto").eval().cuda()
        with torch.inference_mode():
            expected = wanted(input_ids=ids).logits
            for decode_on in (None, "cpu"):
                model = dfloat11.load(packed, device="cuda", decode_on=decode_on)
                assert same_bits(model(input_ids=ids).logits, expected)


class TestWhereModelsAreUsed:
    def test_the_class_of_the_model_is_that_of_the_checkpoint(self, tmp_path):
        config = BertConfig(
            vocab_size=90, hidden_size=64, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=128, num_labels=3,
        )  # fmt: skip
        torch.manual_seed(0)
        BertForSequenceClassification(config).bfloat16().save_pretrained(tmp_path / "m")
        dfloat11.compress_path(tmp_path / "m", tmp_path / "p")
        model = dfloat11.load(tmp_path / "p")
        assert type(model) is BertForSequenceClassification
        wanted = BertForSequenceClassification.from_pretrained(tmp_path / "m", dtype="auto").eval()
        ids = IDS % 90
        with torch.inference_mode():
            assert same_bits(model(input_ids=ids).logits, wanted(input_ids=ids).logits)

    def test_generation_settings(self, llama, tmp_path):
        shutil.copytree(llama, tmp_path / "m")
        settings = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
        (tmp_path / "m/generation_config.json").write_text(json.dumps(settings))
        dfloat11.compress_path(tmp_path / "m", tmp_path / "p")
        model = dfloat11.load(tmp_path / "p")
        assert model.generation_config.max_new_tokens == 3
        assert model.generate(IDS).shape[1] == IDS.shape[1] + 3

    @pytest.mark.parametrize("embeddings", [False, True])
    def test_a_saved_model_is_an_ordinary_one_and_loads(self, llama, packed, tmp_path, embeddings):
        model = dfloat11.load(packed, embeddings=embeddings)
        model.save_pretrained(tmp_path / "saved")
        wanted = AutoModelForCausalLM.from_pretrained(llama, dtype="auto").eval()
        saved = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype="auto").eval()
        assert same_bits(logits(saved), logits(wanted))
        state = wanted.state_dict()
        assert model.state_dict().keys() == state.keys()
        state["model.layers.0.mlp.up_proj.weight"] *= 2
        model.load_state_dict(state)
        layer = model.model.layers[0].mlp.up_proj
        assert torch.equal(layer.weight.data, state["model.layers.0.mlp.up_proj.weight"])

    @pytest.mark.parametrize("tied", [False, True])
    def test_embeddings_compressed_too(self, llama, tied_llama, tied):
        folder = tied_llama if tied else llama
        model = dfloat11.load(folder, embeddings=True)
        embedding = model.model.embed_tokens
        assert type(embedding) is dfloat11.CompressedEmbedding
        assert (model.lm_head.compressed is embedding.compressed) == tied
        wanted = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
        assert same_bits(logits(model), logits(wanted))
        many = torch.arange(300).repeat(30)
        assert same_bits(embedding(many), wanted.model.embed_tokens(many))
        assert not any(p.ndim == 2 for p in model.parameters())

    def test_tied_layers_share_one_weight_in_the_layout_for_gpus_and_on_another_device(
        self, tied_llama, monkeypatch
    ):
        placing = loading._Placing
        monkeypatch.setattr(
            loading, "_Placing", lambda model, on_cpu, *rest: placing(model, False, *rest)
        )
        model = dfloat11.load(tied_llama, embeddings=True)
        embedding, data = model.model.embed_tokens, model.lm_head.compressed
        assert data is embedding.compressed
        assert layout_of(data.numpy()).title == "prefix"
        wanted = AutoModelForCausalLM.from_pretrained(tied_llama, dtype="auto").eval()
        assert same_bits(logits(model), logits(wanted))
        model.to("meta")
        assert model.lm_head.compressed is embedding.compressed
        assert embedding.compressed.device.type == "meta"
        first = model.model.layers[0].mlp
        assert first.up_proj.compressed is not first.gate_proj.compressed

    def test_rows_of_a_large_embedding(self):
        weight = (torch.randn(5000, 48) * 0.02).bfloat16()
        ids = torch.tensor([[4999, 0], [1365, 1366]])  # at the edges of chunks
        for data in (compress(weight), joint.compress(weight)):
            layer = dfloat11.CompressedEmbedding(data)
            assert same_bits(layer(ids), nn.functional.embedding(ids, weight))

    def test_compiled_layers(self, packed):
        block = dfloat11.load(packed).model.layers[0].mlp
        x = torch.randn(1, 5, 96).bfloat16()
        compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
        with torch.no_grad():
            assert torch.allclose(compiled(x).float(), block(x).float(), atol=1e-2)

    @pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
    def test_adapters(self, llama, packed):
        peft = pytest.importorskip("peft", reason="peft is an optional extra")
        models = []
        for base in (
            dfloat11.load(packed),
            AutoModelForCausalLM.from_pretrained(llama, dtype="auto"),
        ):
            torch.manual_seed(5)
            config = peft.LoraConfig(target_modules=["q_proj", "up_proj"], r=4)
            models.append(peft.get_peft_model(base, config))
            for name, each in models[-1].named_parameters():
                if "lora_B" in name:
                    nn.init.normal_(each, std=0.1)
        ours, theirs = models
        for model in models:
            model.eval()(input_ids=IDS, labels=IDS).loss.backward()
        gradients = [
            {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
            for model in models
        ]
        assert gradients[0].keys() == {n for n in gradients[1] if "lora" in n}
        assert all(torch.equal(g, gradients[1][n]) for n, g in gradients[0].items())
        merged = [model.merge_and_unload() for model in (ours, theirs)]
        assert same_bits(logits(merged[0]), logits(merged[1]))

    def test_products_while_decoding(self, packed):
        """With ``exact=False``, layers multiply while decoding, and results differ slightly."""
        exact, other = dfloat11.load(packed), dfloat11.load(packed, exact=False)
        found, wanted = logits(other).float(), logits(exact).float()
        assert torch.allclose(found, wanted, atol=0.02)
        for rows, columns in ((700, 333), (3, 70_000), (300, 96)):
            weight = (torch.randn(rows, columns) * 0.02).bfloat16()
            layer = dfloat11.CompressedLinear(joint.compress(weight), None, exact=False)
            x = torch.randn(2, columns).bfloat16()
            wanted = x.double() @ weight.double().T
            assert torch.allclose(layer(x).double(), wanted, atol=0.02 * wanted.abs().max())

    def test_layers_on_their_own(self):
        weight = (torch.randn(40, 30) * 0.02).bfloat16()
        layer = dfloat11.CompressedLinear(joint.compress(weight), None)
        again = copy.deepcopy(layer)
        layer.weight.data = weight + 1
        assert torch.equal(layer.weight.data, weight + 1)
        assert torch.equal(again.weight.data, weight)
        with pytest.raises(UserError, match="cannot be compressed"):
            noise = torch.randint(-(2**15), 2**15, (40, 30), dtype=torch.int16)
            layer.weight.data = noise.view(torch.bfloat16)
        with pytest.raises(ValueError, match=r"must have shape \(40, 30\), not \(30, 40\)"):
            layer.weight.data = weight.T

    def test_names_that_are_neither_folder_nor_on_the_hub(self, monkeypatch):
        def fail(name):
            raise OSError("no connection")

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        with pytest.raises(UserError, match="nor on the hub: no connection"):
            dfloat11.load("somebody/some-model")
