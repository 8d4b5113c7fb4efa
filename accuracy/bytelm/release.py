"""The released checkpoint of bytelm: BF16 weights in Hugging Face layout, with a model card."""

import json
import platform
import tempfile
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from halfbyte.accuracy.bytelm.corpus import HELD_OUT, Corpus
from halfbyte.accuracy.bytelm.training import CONTEXT, Plan, bits_per_byte
from halfbyte.base import versions_of, write_atomically

__all__ = ["save_release"]

_CARD = """# bytelm

A causal language model on bytes, trained by `halfbyte train-bytelm` to judge 4-bit formats on. Not
meant for writing text.

| | |
|---|---|
| layout | Llama: RMSNorm, rotary positions, SwiGLU; {layers} layers, {width} wide |
| parameters | {parameters:,}, BF16 |
| tokens | the 256 bytes; byte 0 leads every file |
| data | {files:,} source files of the CPython {python} standard library, {bytes:,} bytes |
| SHA-256 of the data | {sha256} |
| held out | {held_out}, with their tests |
| training | {steps:,} steps of {batch} windows of {context} bytes ({seen:,} bytes), seed {seed} |
| trained on | {threads} threads, {device} |
| held-out text | beginnings of {held_files} held-out modules, {held_bytes:,} bytes |
| SHA-256 of that text | {held_sha256} |
| bits per byte, held out | {bits:.4f} (windows of {context} bytes, BF16 weights computed in FP32) |
| versions | Python {python}, torch {torch}, transformers {transformers} |

The data is CPython's own source (Python Software Foundation License); the weights are under this
project's licence. Training is deterministic from the seed on one machine with the same PyTorch and
number of threads.
"""


def save_release(
    model: LlamaForCausalLM, corpus: Corpus, held_out: Corpus, plan: Plan, folder: Path
) -> dict[str, object]:
    """Write the checkpoint and its card to ``folder``; returns the facts of the card.

    The bits per byte are those of the weights as saved.
    """
    rounded = model.to(torch.bfloat16)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        rounded.save_pretrained(scratch)
        for name in ("config.json", "model.safetensors"):
            write_atomically(folder / name, (Path(scratch) / name).read_bytes())
    versions = versions_of("torch", "transformers")
    facts: dict[str, object] = {
        "layers": model.config.num_hidden_layers,
        "width": model.config.hidden_size,
        "parameters": sum(each.numel() for each in model.parameters()),
        "files": corpus.files,
        "bytes": len(corpus.data),
        "sha256": corpus.sha256,
        "held_out": ", ".join(HELD_OUT),
        "steps": plan.steps,
        "batch": plan.batch,
        "context": CONTEXT,
        "seen": plan.steps * plan.batch * CONTEXT,
        "seed": plan.seed,
        "threads": torch.get_num_threads(),
        "device": "CPU, BF16 autocast",
        "held_files": held_out.files,
        "held_bytes": len(held_out.data),
        "held_sha256": held_out.sha256,
        "bits": round(bits_per_byte(rounded.float().eval(), held_out), 4),
        "python": platform.python_version(),
        **versions,
    }
    write_atomically(folder / "README.md", _CARD.format(**facts))
    write_atomically(folder / "training.json", json.dumps(facts, indent=2) + "\n")
    return facts
