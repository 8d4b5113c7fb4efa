"""Load a model from a folder in Hugging Face layout: config.json and *.safetensors files.

The result is a subject: a model with the texts or tasks on which it is evaluated.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from halfbyte.accuracy import minilm
from halfbyte.accuracy.bytelm import calibration_text, held_out_text
from halfbyte.accuracy.models.causal import CausalSubject, sliding_windows
from halfbyte.accuracy.models.encoder import MAX_TOKENS, EncoderSubject
from halfbyte.accuracy.models.reference import ModelReference, find_model
from halfbyte.accuracy.models.subject import Subject
from halfbyte.accuracy.texts import longer_docstrings, read_text
from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import (
    check_not_quantized,
    is_quantized,
    model_class,
    plain_config,
    read_config,
    reason_of,
    skeleton,
)
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.completeness import check_names, check_shapes
from halfbyte.checkpoints.foreign import check_no_codes
from halfbyte.checkpoints.memory import check_memory
from halfbyte.checkpoints.packed import StoredFormat, stored_format, stored_values

__all__ = ["open_model", "open_subject"]

CALIBRATION_CONTEXT = 256  # the most tokens in a window of calibration text
UNLIMITED = 131072  # the most tokens at a time, if a configuration gives no limit
_POSITION_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "n_ctx")
# Models whose first position embeddings are reserved for padding, so fewer are left for tokens.
_PADDED_POSITIONS = ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "xlm-roberta-xl")


def open_subject(reference: ModelReference) -> Subject:
    """Load a model in FP32, with the texts for evaluation and calibration.

    Raises UserError if the files are damaged or do not belong together, if another program
    quantized the weights, if the architecture is unknown, or if the model needs too much memory.
    """
    transformers_logging.disable_progress_bar()  # callers show progress bars of their own
    transformers_logging.set_verbosity_error()
    kind = "encoder" if reference.kind == "encoder" else "causal"
    module, stored = _load(kind, reference.folder)
    subject = _encoder(reference, module) if kind == "encoder" else _causal(reference, module)
    subject.stored = stored
    config = read_config(reference.folder / "config.json")
    is_half = str(config.get("dtype") or config.get("torch_dtype")) in ("bfloat16", "float16")
    subject.stored_bits = 16 if is_half else 32
    return subject


def open_model(reference: str) -> Subject:
    """Load the model that :func:`~halfbyte.accuracy.models.find_model` finds.

    Raises the errors of that function and of :func:`open_subject`.
    """
    return open_subject(find_model(reference))


def _encoder(reference: ModelReference, module: Any) -> Subject:
    """The subject for an encoder, with its tokenizer."""
    if reference.name == minilm.NAME:  # the tokenizer of the official release
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
            tokenizer_file=str(reference.folder / "tokenizer.json"),
            pad_token="[PAD]",  # noqa: S106
        )
    else:
        tokenizer = _tokenizer(reference.folder)
        if tokenizer.pad_token is None:
            raise UserError(f"The tokenizer in {reference.folder} has no padding token")
    longest = min(MAX_TOKENS, _longest(module))
    return EncoderSubject(reference.name, module, tokenizer, longest)


def _causal(reference: ModelReference, module: Any) -> Subject:
    """The subject for a causal model, with its windows of text or its tasks."""
    if reference.kind == "bytes":
        return _on_bytes(reference, module)
    tokenizer = _tokenizer(reference.folder)
    longest = _longest(module)
    if reference.context_asked and reference.context > longest:
        raise UserError(
            f"{reference.name} reads at most {longest} tokens at a time, not {reference.context}: "
            "give a smaller --context"
        )
    context = min(reference.context, longest)
    other = _tokens(tokenizer, "\n\n".join(longer_docstrings()))
    length = min(context, CALIBRATION_CONTEXT)
    calibration, _ = sliding_windows(other, length, length)
    calibration = calibration[:, :length]  # the last token of a window is only a target
    if reference.tasks:
        return _on_tasks(reference, module, tokenizer, calibration)
    tokens = _tokens(tokenizer, read_text(reference.text))
    windows, first = _windows(tokens, context, reference.bos, _prefix(tokenizer))
    return CausalSubject(reference.name, module, windows, first, calibration)


def _prefix(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token before a text, chosen as in lm-eval, EleutherAI's evaluation harness.

    This is the beginning-of-text token, else the end-of-text token, else None.
    """
    found = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return next((int(each) for each in found if each is not None), None)


def _windows(tokens: Tensor, context: int, bos: str, prefix: int | None) -> tuple[Tensor, Tensor]:
    """Windows as in :func:`sliding_windows`, with the token ``prefix`` where ``bos`` says.

    ``bos`` is ``text`` (once before the text), ``window`` (before every window) or ``none``.
    """
    stride = max(1, context // 2)
    if prefix is None and bos == "window":
        raise UserError("The tokenizer has no beginning-of-text token: --bos window needs one")
    if prefix is None or bos == "none":
        return sliding_windows(tokens, context, stride)
    if bos == "text":
        return sliding_windows(torch.cat([torch.tensor([prefix]), tokens]), context, stride)
    windows, first = sliding_windows(tokens, context - 1, max(1, (context - 1) // 2))
    first += 1
    first[0] = 0  # the text's first token is scored, too: the prefix stands before it
    return torch.cat([torch.full((len(windows), 1), prefix), windows], dim=1), first


def _on_bytes(reference: ModelReference, module: Any) -> Subject:
    """The subject for a model that reads bytes. Its text is the held-out source of Python."""
    evaluation, calibration = (
        sliding_windows(_bytes(text), reference.context, reference.context)
        for text in (held_out_text().data, calibration_text().data)
    )
    return CausalSubject(
        reference.name,
        module,
        *evaluation,
        calibration[0][:, : reference.context],
        bytes_as_tokens=True,
    )


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
    """The bytes as tokens; (len(data),) int64."""
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).long()


def _load(kind: str, folder: Path) -> tuple[Any, StoredFormat | None]:
    """The model in FP32, and the format of its weights if halfbyte quantized them."""
    check_not_quantized(read_config(folder / "config.json"), folder, own=True)
    checkpoint = Checkpoint(folder)
    if not is_quantized(folder):
        check_no_codes(checkpoint.tensors, folder)
    # Memory holds the model in FP32, and a quantized copy of its weights.
    needed = sum(4 * tensor.elements for tensor in checkpoint.tensors.values())
    check_memory(2 * needed, f"Evaluating the model in {folder}")
    kind_of_model: Any = model_class(kind)
    source: dict[str, Any] = {"pretrained_model_name_or_path": folder, "use_safetensors": True}
    if is_quantized(folder):
        # transformers' Auto classes cannot load from a dictionary of tensors.
        kind_of_model = type(skeleton(folder, kind))
        source = {
            "pretrained_model_name_or_path": None,
            "state_dict": dict(stored_values(folder)),
        }
    try:
        config = plain_config(folder)
        config._experts_implementation = "eager"  # so that each expert's inputs can be observed
        module, report = kind_of_model.from_pretrained(
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            **source,
        )
    except UserError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
        flaw = None if is_quantized(folder) else checkpoint.plan.flaw  # names the damaged tensor
        what = flaw or f"The model in {folder} cannot be loaded: {reason_of(error)}"
        raise UserError(what) from error
    _check_report(module, report, folder)
    if getattr(module, "main_input_name", "input_ids") != "input_ids":
        raise UserError(f"{folder} holds {type(module).__name__}, which reads no text")
    return module, stored_format(folder) if is_quantized(folder) else None


def _check_report(module: nn.Module, report: Mapping[str, Any], folder: Path) -> None:
    """Raise UserError if a needed tensor is missing, or another has no place or a wrong shape."""
    check_names(module, report["missing_keys"], (), folder)
    check_shapes(map(str, report["mismatched_keys"]), folder)
    if errors := list(report.get("error_msgs") or []):
        raise UserError(f"The model in {folder} cannot be loaded: {str(errors[0])[:300]}")
    check_names(module, (), report["unexpected_keys"], folder)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True
        )
    except Exception as error:  # the Rust library raises plain Exceptions
        raise UserError(
            f"The tokenizer in {folder} cannot be loaded: {reason_of(error)}; it may need another "
            "version: pip install -U tokenizers transformers"
        ) from error
    return tokenizer


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> Tensor:
    """The token ids of a text, without special tokens; (T,) int64."""
    ids = tokenizer(text, truncation=False, verbose=False, add_special_tokens=False)["input_ids"]
    return torch.tensor(ids, dtype=torch.int64)


def _longest(module: Any) -> int:
    """The most tokens that the model can read at a time, by its configuration."""
    config = module.config
    found = [getattr(config, key, None) for key in _POSITION_KEYS]
    sizes = [size for size in found if type(size) is int and size > 1]
    longest = min(sizes) if sizes else UNLIMITED
    if getattr(config, "model_type", "") in _PADDED_POSITIONS:
        longest -= (getattr(config, "pad_token_id", None) or 0) + 1
    return longest
