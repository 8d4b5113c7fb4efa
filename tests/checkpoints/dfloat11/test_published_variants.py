"""Folders in the layouts of releases 0.2 to 0.5 of the ``dfloat11`` package can be read.

The tests make these folders with halfbyte's own encoder.

Releases up to 0.3.2 only read folders. They expect one file for each module, and no split
positions for a module of one weight. Release 0.5 also writes folders. For models of
diffusers, it leaves out the model's configuration.
"""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from halfbyte.base import UserError
from halfbyte.checkpoints import dfloat11
from halfbyte.checkpoints.dfloat11 import decompress_published
from halfbyte.golden.dfloat11 import published
from tests.checkpoints.dfloat11.test_published_folder import IDS, PATTERNS, assert_same_state, state


def parts_of(weights, *, splits, positions=torch.uint8):
    """The tensors of a compressed module. ``positions`` is the dtype of output_positions."""
    module = published.encode([weight.flatten() for weight in weights])
    found = {
        "luts": torch.from_numpy(module.luts.copy()),
        "encoded_exponent": torch.from_numpy(module.encoded_exponent.copy()),
        "sign_mantissa": torch.from_numpy(module.sign_mantissa.copy()),
        "output_positions": torch.from_numpy(module.output_positions.view("i4")).view(positions),
        "gaps": torch.from_numpy(module.gaps.copy()),
    }
    if splits:
        found["split_positions"] = torch.tensor(module.split_positions, dtype=torch.int64)
    return found


def write(tensors, modules, folder, rest, *, pattern_dict, version, config=None, **options):
    """Write a folder: a file for each module, ``rest`` for all other tensors, and config.json.

    ``modules`` maps the name of a module to the names of its weights.
    """
    folder.mkdir()
    left = dict(tensors)
    for name, weights in modules.items():
        lone = weights == [f"{name}.weight"]
        parts = parts_of([left.pop(w) for w in weights], splits=not lone or version >= "0.5",
                         **options)  # fmt: skip
        shard = folder / f"{name.replace('.', '_')}.safetensors"
        save_file({f"{name}.{part}": data for part, data in parts.items()}, shard)
    save_file(left, folder / rest)
    stated = {"version": version, "threads_per_block": [512], "bytes_per_thread": 8,
              "pattern_dict": pattern_dict}  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**(config or {}), "dfloat11_config": stated}))


@pytest.mark.parametrize("positions", [torch.uint8, torch.int32], ids=str)
@pytest.mark.parametrize("version", ["0.2.0", "0.3.0", "0.3.2", "0.5.0"])
def test_folders_of_several_releases_are_read(llama, tmp_path, version, positions):
    blocks = {f"model.layers.{i}": PATTERNS[r"model\.layers\.\d+"] for i in range(2)}
    modules = {name: [f"{name}.{path}.weight" for path in paths] for name, paths in blocks.items()}
    modules |= {name: [f"{name}.weight"] for name in ("model.embed_tokens", "lm_head")}
    config = json.loads((llama / "config.json").read_text())
    write(state(llama), modules, tmp_path / "m", "model.safetensors", pattern_dict=PATTERNS,
          version=version, config=config, positions=positions)  # fmt: skip
    decompress_published(tmp_path / "m", tmp_path / "plain")
    assert_same_state(state(tmp_path / "plain"), state(llama))
    if (version, positions) == ("0.2.0", torch.uint8):
        model = dfloat11.load(tmp_path / "m")
        plain = AutoModelForCausalLM.from_pretrained(llama, dtype="auto").eval()
        with torch.inference_mode():
            found, wanted = model(input_ids=IDS).logits, plain(input_ids=IDS).logits
        assert torch.equal(found.view(torch.int16), wanted.view(torch.int16))


def test_a_folder_that_lacks_the_file_of_a_block_is_refused(tmp_path):
    tensors = flux_state()
    (tmp_path / "plain").mkdir()
    save_file(tensors, tmp_path / "plain/diffusion_pytorch_model.safetensors")
    (tmp_path / "plain/config.json").write_text(json.dumps(FLUX))
    write_flux(tensors, tmp_path / "m")
    (tmp_path / "m/single_transformer_blocks_1.safetensors").unlink()
    with pytest.raises(UserError, match=r"lacks single_transformer_blocks\.1\.norm"):
        decompress_published(tmp_path / "m", tmp_path / "back", config=tmp_path / "plain")
    assert not (tmp_path / "back").exists()


FLUX = {
    "_class_name": "FluxTransformer2DModel",
    "patch_size": 1,
    "in_channels": 4,
    "num_layers": 1,
    "num_single_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": [4, 4, 8],
}
FLUX_PATTERNS = {
    r"transformer_blocks\.\d+": ["norm1.linear", "attn.to_q", "attn.to_out.0", "ff.net.0.proj"],
    r"single_transformer_blocks\.\d+": ["norm.linear", "proj_mlp", "proj_out"],
}


SHAPES = {
    "x_embedder": (32, 4),
    "transformer_blocks.0.norm1.linear": (192, 32),
    "transformer_blocks.0.attn.to_q": (32, 32),
    "transformer_blocks.0.attn.to_out.0": (32, 32),
    "transformer_blocks.0.ff.net.0.proj": (128, 32),
    **{f"single_transformer_blocks.{i}.norm.linear": (96, 32) for i in range(2)},
    **{f"single_transformer_blocks.{i}.proj_mlp": (128, 32) for i in range(2)},
    **{f"single_transformer_blocks.{i}.proj_out": (32, 160) for i in range(2)},
}
"""Shapes of the weights of some layers of the model ``FLUX``."""


def flux_state():
    """Random weights of the layers in ``SHAPES``, by their names."""
    torch.manual_seed(3)
    return {f"{n}.weight": (torch.randn(s) * 0.1).bfloat16() for n, s in SHAPES.items()}


def write_flux(tensors, folder):
    """Write the compressed folder of a FLUX model with these weights."""
    names = ["transformer_blocks.0", *(f"single_transformer_blocks.{i}" for i in range(2))]
    paths = [FLUX_PATTERNS[r"transformer_blocks\.\d+"]]
    paths += 2 * [FLUX_PATTERNS[r"single_transformer_blocks\.\d+"]]
    modules = {n: [f"{n}.{p}.weight" for p in ps] for n, ps in zip(names, paths, strict=True)}
    write(tensors, modules, folder, "diffusion_pytorch_model.safetensors",
          pattern_dict=FLUX_PATTERNS, version="0.5.0")  # fmt: skip


def test_a_compressed_model_of_diffusers_is_read(tmp_path):
    """Its folder states neither class nor shapes, so the folder of the original is needed."""
    tensors = flux_state()
    (tmp_path / "plain").mkdir()
    save_file(tensors, tmp_path / "plain/diffusion_pytorch_model.safetensors")
    (tmp_path / "plain/config.json").write_text(json.dumps(FLUX))
    write_flux(tensors, tmp_path / "m")
    with pytest.raises(UserError, match="give the folder of the original model"):
        decompress_published(tmp_path / "m", tmp_path / "x")
    decompress_published(tmp_path / "m", tmp_path / "back", config=tmp_path / "plain")
    assert_same_state(state(tmp_path / "back"), tensors)


def test_a_model_of_diffusers_is_loaded(tmp_path):
    diffusers = pytest.importorskip("diffusers", reason="diffusers is an optional extra")
    torch.manual_seed(0)
    plain = diffusers.FluxTransformer2DModel.from_config(FLUX).bfloat16().eval()
    plain.save_pretrained(tmp_path / "plain")
    write_flux(plain.state_dict(), tmp_path / "m")
    model = dfloat11.load(tmp_path / "m", config=tmp_path / "plain")
    layers = [each for each in model.modules() if isinstance(each, dfloat11.CompressedLinear)]
    assert len(layers) > 9
    inputs = {
        "hidden_states": torch.randn(1, 16, 4).bfloat16(),
        "encoder_hidden_states": torch.randn(1, 6, 32).bfloat16(),
        "pooled_projections": torch.randn(1, 32).bfloat16(),
        "timestep": torch.ones(1).bfloat16(),
        "img_ids": torch.zeros(16, 3),
        "txt_ids": torch.zeros(6, 3),
    }
    with torch.inference_mode():
        assert torch.equal(model(**inputs).sample, plain(**inputs).sample)


def test_the_missing_diffusers_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/config.json").write_text(json.dumps(FLUX))
    write_flux(flux_state(), tmp_path / "m")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UserError, match="a model of diffusers, which is not installed: pip"):
        dfloat11.load(tmp_path / "m", config=tmp_path / "plain")
