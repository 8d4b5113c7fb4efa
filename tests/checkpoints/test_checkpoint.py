"""``Checkpoint`` describes a model's files without loading the weights, and refuses bad files."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from halfbyte.base import UserError
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.index import check_shards

TENSORS = {
    "model.embed_tokens.weight": torch.randn(8, 4),
    "model.layers.0.mlp.up_proj.weight": torch.randn(6, 4).bfloat16(),
    "model.layers.0.mlp.up_proj.bias": torch.randn(6).half(),
    "model.layers.0.input_layernorm.weight": torch.ones(4),
    "lm_head.weight": torch.randn(8, 4),
    "steps": torch.tensor(7),
}


def write_model(folder, tensors=None, shards=1, **config):
    """Write a checkpoint as one file, or with its tensors dealt out in turn to several shards."""
    tensors = TENSORS if tensors is None else tensors
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder
    places = {name: f"model-{i % shards + 1}.safetensors" for i, name in enumerate(tensors)}
    for shard in set(places.values()):
        save_file({n: t for n, t in tensors.items() if places[n] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


@pytest.mark.parametrize("shards", [1, 3])
def test_finds_every_tensor_without_loading(tmp_path, shards):
    checkpoint = Checkpoint(write_model(tmp_path / "m", shards=shards))
    assert len(checkpoint.shards) == shards
    assert checkpoint.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        stored = checkpoint.tensors[name]
        assert (stored.shape, stored.torch_dtype) == (tuple(tensor.shape), tensor.dtype)
        assert (stored.elements, stored.bytes) == (tensor.numel(), tensor.nbytes)
        assert torch.equal(stored.read(), tensor)


def test_reads_some_rows_of_a_tensor(tmp_path):
    stored = Checkpoint(write_model(tmp_path / "m")).tensors["model.layers.0.mlp.up_proj.weight"]
    assert torch.equal(stored.read(2, 5), TENSORS[stored.name][2:5])
    assert stored.read(3, 3).shape == (0, 4)


def test_opens_a_single_file(tmp_path):
    write_model(tmp_path / "m")
    assert Checkpoint(tmp_path / "m/model.safetensors").tensors.keys() == TENSORS.keys()


def test_weights_are_the_matrices_of_layers(tmp_path):
    more = {
        "transformer.wte.weight": torch.ones(4, 4),
        "shared.weight": torch.ones(4, 4),
        "block.0.layer.0.relative_attention_bias.weight": torch.ones(4, 4),
        "conv.weight": torch.ones(2, 2, 3),
        "ids.weight": torch.ones(4, 4, dtype=torch.int64),
        "none.weight": torch.ones(0, 4),
        "score.weight": torch.ones(2, 4, dtype=torch.float64),
    }
    folder = write_model(tmp_path / "m", TENSORS | more)
    assert Checkpoint(folder).plan.kept["score.weight"] == "not in the model that is evaluated"
    checkpoint = Checkpoint(folder / "model.safetensors")  # one file: the names of tensors decide
    names = {weight.name for weight in checkpoint.weights}
    assert names == {"model.layers.0.mlp.up_proj.weight", "conv.weight", "score.weight"}
    assert checkpoint.plan.told_by == "names"
    assert checkpoint.plan.kept["shared.weight"] == "embedding, head or norm by its name"


def test_knows_the_transposed_layers_of_gpt2(tmp_path):
    tensors = {"h.0.attn.c_attn.weight": torch.ones(4, 12), "score.weight": torch.ones(2, 4)}
    checkpoint = Checkpoint(write_model(tmp_path / "a", tensors, model_type="gpt2"))
    shapes = {each.name: each.matrix_shape for each in checkpoint.weights}
    assert shapes == {"h.0.attn.c_attn.weight": (12, 4)}
    assert checkpoint.plan.kept == {"score.weight": "not in the model that is evaluated"}
    other = Checkpoint(write_model(tmp_path / "b", tensors, model_type="llama"))
    assert not other.is_transposed("h.0.attn.c_attn.weight")


class TestBadDirectory:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(UserError, match="is not a model directory: it does not exist"):
            Checkpoint(tmp_path / "missing")
        with pytest.raises(UserError, match=r"missing\.safetensors cannot be read: No such file"):
            Checkpoint(tmp_path / "missing.safetensors")

    def test_no_config(self, tmp_path):
        with pytest.raises(UserError, match=r"not a model directory: config\.json is missing"):
            Checkpoint(tmp_path)

    @pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\x00"])
    def test_bad_config(self, tmp_path, text):
        write_model(tmp_path / "m")
        (tmp_path / "m/config.json").write_text(text)
        with pytest.raises(UserError, match=r"config\.json (cannot be read|must hold a mapping)"):
            Checkpoint(tmp_path / "m")

    def test_no_weights(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(UserError, match=r"neither model\.safetensors nor .*pickled"):
            Checkpoint(tmp_path)

    def test_shards_without_an_index(self, tmp_path):
        folder = write_model(tmp_path / "m")
        shard = (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
        with pytest.raises(UserError, match=r"model-00002-of-00002\.safetensors is missing, but"):
            Checkpoint(folder)
        shutil.copyfile(shard, folder / "model-00002-of-00002.safetensors")
        with pytest.raises(UserError, match=r"has model-00001-of-00002\.safetensors but no model"):
            Checkpoint(folder)

    @pytest.mark.parametrize(
        ("weight_map", "message"),
        [
            ({"a": "../secret.safetensors"}, "must name shards beside it"),
            ({"a": "/etc/passwd"}, "must name shards beside it"),
            ({"a": "..\\x.safetensors"}, "must name shards beside it"),
            ({"a": ".."}, "must name"),
            ({"a": 3}, "must name"),
            ({"a": "pytorch_model.bin"}, r"must name \*\.safetensors"),
            ({"a": "model-9.safetensors"}, r"model-9\.safetensors is missing"),
            ({}, "must hold a weight_map"),
            ([], "must hold a weight_map"),
            ({"absent": "model-1.safetensors"}, "Tensor absent is not in model-1"),
        ],
    )
    def test_hostile_index(self, tmp_path, weight_map, message):
        folder = write_model(tmp_path / "m", shards=2)
        index = json.dumps({"weight_map": weight_map})
        (folder / "model.safetensors.index.json").write_text(index)
        with pytest.raises(UserError, match=message):
            Checkpoint(folder)

    def test_one_tensor_in_two_shards(self, tmp_path):
        folder = write_model(tmp_path / "m", shards=2)
        save_file(TENSORS, folder / "model-1.safetensors")
        with pytest.raises(UserError, match=r"is in .* and in another shard"):
            Checkpoint(folder)


class TestShardsByName:
    """Without an index, the names of the files show whether shards are missing."""

    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            (["m-00001-of-00003", "m-00002-of-00003"], "m-00003-of-00003"),
            (["m-00002-of-00002"], "m-00001-of-00002"),
            (["m-00000-of-00002"], "m-00001-of-00002"),
            (["m-1-of-12", *(f"m-{k}-of-12" for k in range(3, 13))], "m-2-of-12"),
            (["a-00001-of-00001", "m.fp16-00001-of-00002"], r"m\.fp16-00002-of-00002"),
            (["m-00001-of-00002.df11"], r"m-00002-of-00002\.df11"),
            (["m-1-of-99999999999999999999"], "m-2-of-9+"),
        ],
    )
    def test_a_gap_is_named(self, names, missing, tmp_path):
        paths = [tmp_path / f"{name}.safetensors" for name in names]
        with pytest.raises(
            UserError, match=rf"/{missing}\.safetensors is missing, but {names[-1][0]}"
        ):
            check_shards(reversed(paths))

    @pytest.mark.parametrize(
        "names",
        [
            ["model", "layer-3-of", "x-1-of-2x"],
            ["m-00001-of-00002", "m-00002-of-00002", "n-00001-of-00001"],
            ["m-00000-of-00002", "m-00001-of-00002"],
        ],
    )
    def test_complete_sets_are_accepted(self, names, tmp_path):
        check_shards(tmp_path / f"{name}.safetensors" for name in names)

    def test_a_set_is_in_one_folder_and_an_index_overrules_the_names(self, tmp_path):
        shards = [tmp_path / f"{k}/m-0000{k}-of-00002.safetensors" for k in (1, 2)]
        with pytest.raises(UserError, match="is missing"):
            check_shards(shards)
        for shard in shards:
            shard.parent.mkdir()
            (shard.parent / "m.safetensors.index.json").touch()
        check_shards(shards)
