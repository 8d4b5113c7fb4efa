"""From a folder in Hugging Face layout to a subject in memory."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from halfbyte.accuracy import minilm
from halfbyte.accuracy.bytelm import calibration_text, held_out_text
from halfbyte.accuracy.models.causal import CausalSubject, sliding_windows
from halfbyte.accuracy.models.encoder import EncoderSubject
from halfbyte.accuracy.models.reference import ModelReference, find_model
from halfbyte.accuracy.models.subject import Subject
from halfbyte.accuracy.texts import longer_docstrings, read_text
from halfbyte.base import UserError

__all__ = ["open_model", "open_subject"]


def open_subject(reference: ModelReference) -> Subject:
    """The model in FP32 with its texts.

    Raises UserError if the files are damaged, of an unknown architecture, or too large for the
    memory that is left.
    """
    transformers_logging.disable_progress_bar()  # callers have their own
    transformers_logging.set_verbosity_error()
    if reference.kind == "encoder":
        return _open_encoder(reference)
    module = _load(AutoModelForCausalLM, reference.folder)
    if reference.kind == "bytes":
        return _on_bytes(reference, module)
    tokenizer = _tokenizer(reference.folder)
    context = min(reference.context, _longest(module))
    other = _tokens(tokenizer, "\n\n".join(longer_docstrings()))
    calibration, _ = sliding_windows(other, min(context, 256), min(context, 256))
    if reference.tasks:
        return _on_tasks(reference, module, tokenizer, calibration)
    tokens = _tokens(tokenizer, read_text(reference.text))
    windows, first = sliding_windows(tokens, context, max(1, context // 2))
    return CausalSubject(reference.name, module, windows, first, calibration)


def open_model(reference: str) -> Subject:
    """The model that :func:`~halfbyte.accuracy.models.find_model` finds, in memory."""
    return open_subject(find_model(reference))


def _open_encoder(reference: ModelReference) -> Subject:
    module = _load(AutoModel, reference.folder)
    if reference.name == minilm.NAME:  # the release's own settings of the tokenizer, no others
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
            tokenizer_file=str(reference.folder / "tokenizer.json"),
            pad_token="[PAD]",  # noqa: S106
        )
    else:
        tokenizer = _tokenizer(reference.folder)
        if tokenizer.pad_token is None:
            raise UserError(f"The tokenizer in {reference.folder} has no padding token")
    return EncoderSubject(reference.name, module, tokenizer)


def _on_bytes(reference: ModelReference, module: Any) -> Subject:
    evaluation, calibration = (
        sliding_windows(_bytes(text), reference.context, reference.context)
        for text in (held_out_text().data, calibration_text().data)
    )
    return CausalSubject(reference.name, module, *evaluation, calibration[0], bytes_as_tokens=True)


def _on_tasks(
    reference: ModelReference, module: Any, tokenizer: PreTrainedTokenizerBase, calibration: Tensor
) -> Subject:
    from halfbyte.accuracy.models.tasks import TaskSubject

    return TaskSubject(
        reference.name,
        module,
        tokenizer,
        reference.tasks,
        calibration,
        folder=reference.task_folder,
        limit=reference.task_limit,
    )


def _bytes(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).long()


def _load(kind: Any, folder: Path) -> Any:
    _check_memory(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        return kind.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The model in {folder} cannot be loaded: {reason[:300]}") from error


def _check_memory(folder: Path) -> None:
    """A model is held in FP32 once, with one quantized copy of its weights."""
    from halfbyte.checkpoints.checkpoint import Checkpoint
    from halfbyte.checkpoints.memory import check_memory

    needed = sum(4 * tensor.elements for tensor in Checkpoint(folder).tensors.values())
    check_memory(2 * needed, f"Evaluating the model in {folder}")


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The tokenizer in {folder} cannot be loaded: {reason[:300]}") from error
    return tokenizer


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> Tensor:
    """(T,) int64, without special tokens but the first that the tokenizer puts before texts."""
    ids = tokenizer(text, truncation=False, verbose=False)["input_ids"]
    return torch.tensor(ids, dtype=torch.int64)


def _longest(module: Any) -> int:
    """Tokens that the model can see at a time, as far as its configuration says."""
    longest = getattr(module.config, "max_position_embeddings", None)
    return longest if isinstance(longest, int) and longest > 1 else 131072
