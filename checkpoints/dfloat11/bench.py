"""Time the compression and decompression of files, and runs of models with compressed weights."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from halfbyte.base import ToolError
from halfbyte.checkpoints.dfloat11.container import Coding, compress_file, decompress_file
from halfbyte.checkpoints.dfloat11.loading import load
from halfbyte.checkpoints.dfloat11.modules import CompressedLinear
from halfbyte.checkpoints.tensor_file import TensorFile, TensorFileWriter
from halfbyte.golden.dfloat11.bench import timed_record
from halfbyte.golden.records import CodecBenchRecord

__all__ = ["benchmark_files", "benchmark_models"]


def _decompress(packed: Path, plain: Path) -> None:
    """Restore the file ``plain`` from the compressed file ``packed``."""
    decompress_file(TensorFile.open(packed), plain)


def benchmark_files(
    *, elements: int = 1 << 25, repeats: int = 5, seed: int = 0
) -> list[CodecBenchRecord]:
    """Time compression and decompression of a file of normally distributed weights in BF16.

    Returns a record for each layout and direction, with the median time of ``repeats`` runs. The
    layouts are ``joint``, the smaller one, and ``prefix``, which halfbyte's hardware decodes. The
    time of a compression includes decoding the new file and comparing it with the original. The
    time of a decompression includes checking all checksums and the original's SHA-256. Files are
    in the system's folder for temporary files. Raises ToolError if the restored file differs from
    the original.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.randn(elements, generator=generator) * 0.02).bfloat16()
    records = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plain.safetensors"
        with TensorFileWriter(source, {"weight": ("BF16", (elements,))}, {}) as writer:
            writer.append("weight", weights)
        for layout in ("joint", "prefix"):
            packed, plain = Path(folder) / f"{layout}.safetensors", Path(folder) / "again"
            coding, opened = Coding(layout=layout), TensorFile.open(source)
            jobs: dict[str, tuple[Path, Callable[[], object]]] = {
                "compress": (packed, partial(compress_file, opened, packed, coding=coding)),
                "decompress": (plain, partial(_decompress, packed, plain)),
            }
            for what, (target, job) in jobs.items():
                title = f"{layout}, file to file, {what}"
                remove = partial(target.unlink, missing_ok=True)
                record = timed_record(title, job, elements, 0, repeats, before=remove)
                bits = 8 * packed.stat().st_size / elements
                records.append(replace(record, bits_per_weight=bits))
            if plain.read_bytes() != source.read_bytes():
                raise ToolError(
                    f"The file that the layout {layout} restores differs from the original"
                )
    return records


def _stored_bytes(model: nn.Module) -> int:
    """Bytes of memory of the weights of all linear layers, compressed or not."""
    layers = [each for each in model.modules() if isinstance(each, nn.Linear | CompressedLinear)]
    held = [e.compressed if isinstance(e, CompressedLinear) else e.weight for e in layers]
    return sum(each.nbytes for each in held)


def benchmark_models(
    *, width: int = 1024, layers: int = 4, tokens: tuple[int, ...] = (1, 128), repeats: int = 5
) -> list[CodecBenchRecord]:
    """Time a small Llama with plain weights in BF16, and with compressed weights in two ways.

    One model with compressed weights computes exactly what the plain model computes. The other is
    loaded with ``exact=False``, which :func:`.loading.load` explains. Returns a record for each of
    the three models and each number of ``tokens``. Weights are random, as before training. There is
    no cache of keys and values.
    """
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # the caller reports progress itself
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=width,
        intermediate_size=2816 * width // 1024,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        num_key_value_heads=max(1, width // 64),
    )
    plain = LlamaForCausalLM(config).bfloat16().eval()
    with tempfile.TemporaryDirectory() as folder:
        plain.save_pretrained(folder)
        models = {
            "in BF16": plain,
            "compressed": load(folder),
            "exact=False": load(folder, exact=False),
        }
    weights = _stored_bytes(plain) // 2  # a weight in BF16 has two bytes
    records = []
    for count in tokens:
        ids = torch.arange(count)[None] % config.vocab_size
        for title, model in models.items():
            what, size = f"model {title}, tokens: {count}", _stored_bytes(model)
            with torch.inference_mode():
                run = partial(model, input_ids=ids, use_cache=False)
                records.append(timed_record(what, run, weights, size, repeats))
    return records
