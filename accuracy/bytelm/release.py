"""Write the checkpoint of bytelm: BF16 weights in Hugging Face layout, with a model card."""

import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from halfbyte.accuracy.bytelm.corpus import HELD_OUT, Corpus
from halfbyte.accuracy.bytelm.training import CONTEXT, Plan, bits_per_byte
from halfbyte.base import Record, versions_of, write_atomically
from halfbyte.base.tables import write_json

__all__ = ["save_release"]

_CARD = """# bytelm

A causal language model that reads bytes. It was trained by `halfbyte train-bytelm` to compare 4-bit
formats. It is not meant for writing text.

| | |
|---|---|
| layout | Llama: RMSNorm, rotary positions, SwiGLU; {layers} layers, {width} wide |
| parameters | {parameters:,}, BF16 |
| tokens | the 256 byte values; byte 0 stands before every file |
| data | {files:,} source files of the CPython {python} standard library, {bytes:,} bytes |
| SHA-256 of the data | {sha256} |
| held out | {held_out}, with their tests |
| training | {steps:,} steps of {batch} windows of {context} bytes ({seen:,} bytes), seed {seed} |
| trained on | {threads} threads, {device} |
| held-out text | beginnings of {held_files} held-out modules, {held_bytes:,} bytes |
| SHA-256 of that text | {held_sha256} |
| bits per byte, held out | {bits:.4f} (windows of {context} bytes; BF16 weights; FP32 arithmetic) |
| versions | Python {python}, torch {torch}, transformers {transformers} |

The data is CPython's own source (Python Software Foundation License). The weights are under this
project's licence. On one machine, the same data, training steps, seed, PyTorch version and number
of threads give the same weights.
"""


@dataclass(frozen=True, kw_only=True)
class TrainingRecord(Record):
    """How bytelm was trained, and how well it predicts."""

    layers: int
    """Number of layers in the network."""
    width: int
    """Hidden size of the network."""
    parameters: int
    """Number of parameters in the network."""
    files: int
    """Number of files in the training text (the corpus)."""
    bytes: int
    """Number of bytes in the corpus."""
    sha256: str
    """Digest of the corpus."""
    held_out: str
    """Modules that were held out of the corpus, separated by commas."""
    steps: int
    """Number of training steps."""
    batch: int
    """Number of windows of text in each training step."""
    context: int
    """Number of bytes in a window."""
    seen: int
    """Number of bytes that the network saw in training."""
    seed: int
    """Seed of the initial weights and of the choice of windows."""
    threads: int
    """Number of PyTorch's threads."""
    device: str
    """Device and number type of the training."""
    held_files: int
    """Number of modules in the held-out text."""
    held_bytes: int
    """Number of bytes in the held-out text."""
    held_sha256: str
    """Digest of the held-out text."""
    bits: float
    """Bits per byte on the held-out text, computed in FP32 with the saved weights."""
    python: str
    """Version of Python."""
    torch: str | None
    """Version of PyTorch."""
    transformers: str | None
    """Version of transformers."""


def save_release(
    model: LlamaForCausalLM, corpus: Corpus, held_out: Corpus, plan: Plan, folder: Path
) -> TrainingRecord:
    """Write the checkpoint, its model card and ``training.json`` to ``folder``; return the record.

    The bits per byte are computed in FP32 with the saved weights, which are rounded to BF16.
    """
    rounded = model.to(torch.bfloat16)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        rounded.save_pretrained(scratch)
        for name in ("config.json", "model.safetensors"):
            write_atomically(folder / name, (Path(scratch) / name).read_bytes())
    facts = TrainingRecord(
        layers=model.config.num_hidden_layers,
        width=model.config.hidden_size,
        parameters=sum(each.numel() for each in model.parameters()),
        files=corpus.files,
        bytes=len(corpus.data),
        sha256=corpus.sha256,
        held_out=", ".join(HELD_OUT),
        steps=plan.steps,
        batch=plan.batch,
        context=CONTEXT,
        seen=plan.steps * plan.batch * CONTEXT,
        seed=plan.seed,
        threads=torch.get_num_threads(),
        device="CPU, BF16 autocast",
        held_files=held_out.files,
        held_bytes=len(held_out.data),
        held_sha256=held_out.sha256,
        bits=round(bits_per_byte(rounded.float().eval(), held_out), 4),
        python=platform.python_version(),
        **versions_of("torch", "transformers"),
    )
    write_atomically(folder / "README.md", _CARD.format(**vars(facts)))
    write_json(folder / "training.json", facts.as_json())
    return facts
