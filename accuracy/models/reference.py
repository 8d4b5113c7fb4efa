"""Find a model: a built-in one, a directory in Hugging Face layout, or one on the Hugging Face hub.

The built-in models are minilm, a sentence encoder, and bytelm, a language model that reads bytes.
This module does not import PyTorch: digests of the files are enough to find a stored result.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from halfbyte.accuracy import minilm
from halfbyte.accuracy.bytelm import CHECKPOINT, held_out_text
from halfbyte.accuracy.texts import digest, docstrings, read_text
from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import (
    check_not_quantized,
    kind_of,
    read_config,
)
from halfbyte.checkpoints.index import INDEX, check_shards, read_index

__all__ = ["BUILT_IN", "DEFAULT_CONTEXT", "ModelReference", "check_source", "find_model"]

BUILT_IN = ("minilm", "bytelm")
DEFAULT_CONTEXT = 512  # tokens
BYTES_CONTEXT = 256  # bytes
_HUB_NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")  # OWNER/NAME, but not ./NAME
_TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model",
    "sentencepiece.bpe.model", "tekken.json", "tokenizer_config.json",
)  # fmt: skip
BOS = ("text", "window", "none")
TEXTS = ("docstrings", "wikitext2")
# Files that do not affect results: weights in file types that are not read, texts, pictures.
_IGNORED = (
    ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".md", ".png",
    ".jpg", ".svg", ".gitattributes", ".lock",
)  # fmt: skip


class Fingerprint(TypedDict):
    """Digests of a model's files and of its text, and how the text is read."""

    model_sha256: str
    files_sha256: str
    text: str
    text_sha256: str
    context: int | None
    bos: str | None


@dataclass(frozen=True)
class ModelReference:
    """A model that was found, and the text to evaluate it on.

    Parameters
    ----------
    name : str
        The name in records: a built-in name, the directory's name, or the name on the hub.
    folder : Path
        Directory in Hugging Face layout.
    kind : str
        ``causal``, ``bytes`` (a causal model whose tokens are bytes) or ``encoder``.
    text : str
        The text for causal models: ``docstrings``, ``wikitext2``, a file, or ``held-out`` for
        models on bytes (the source files that bytelm was not trained on).
    context : int
        Tokens that a causal model reads at a time.
    context_asked : bool
        Whether the user gave ``context``. The default is reduced if the model reads fewer tokens at
        a time, but a number from the user is not.
    bos : str
        Where the beginning-of-text token is: once before the ``text`` (as in lm-eval), before every
        ``window``, or ``none``.
    tasks, task_folder, task_limit
        Zero-shot tasks of lm-eval instead of a text: their names, a folder with more tasks, and the
        largest number of documents per task.
    """

    name: str
    folder: Path
    kind: str
    text: str
    context: int = DEFAULT_CONTEXT
    context_asked: bool = False
    bos: str = "text"
    tasks: tuple[str, ...] = ()
    task_folder: Path | None = None
    task_limit: int | None = None

    def fingerprint(self) -> Fingerprint:
        """Digests of files and text, for the keys of stored results and for records."""
        if self.tasks:
            return self._task_fingerprint()
        return {
            "model_sha256": _digest_of(_model_files(self.folder), self.folder),
            "files_sha256": _digest_of(_other_files(self.folder), self.folder),
            "text": "docstrings" if self.kind == "encoder" else self.text,
            "text_sha256": self._text_digest(),
            "context": None if self.kind == "encoder" else self.context,
            "bos": self.bos if self.kind == "causal" else None,
        }

    def _task_fingerprint(self) -> Fingerprint:
        """The fingerprint if the model is evaluated on tasks instead of a text."""
        own = sorted(self.task_folder.rglob("*")) if self.task_folder else []
        texts = [path.read_text("utf-8", "replace") for path in own if path.is_file()]
        return {
            "model_sha256": _digest_of(_model_files(self.folder), self.folder),
            "files_sha256": _digest_of(_other_files(self.folder), self.folder),
            "text": ",".join(self.tasks),
            "text_sha256": digest([*self.tasks, str(self.task_limit), *texts]),
            "context": None,
            "bos": None,
        }

    def _text_digest(self) -> str:
        if self.kind == "bytes":
            return held_out_text().sha256
        return digest(docstrings() if self.kind == "encoder" else [read_text(self.text)])


def find_model(
    reference: str,
    *,
    text: str | None = None,
    context: int | None = None,
    bos: str | None = None,
    tasks: tuple[str, ...] = (),
    task_folder: Path | None = None,
    task_limit: int | None = None,
) -> ModelReference:
    """The model that ``reference`` names: ``minilm``, ``bytelm``, a directory or a hub name.

    All arguments but ``reference`` are for causal models with a tokenizer.

    Parameters
    ----------
    reference : str
        A built-in name, a directory, or a name on the hub.
    text : str, optional
        ``docstrings`` (the default), ``wikitext2``, or a file.
    context : int, optional
        Tokens that the model reads at a time, 2 to 131072; 512 if not given.
    bos : str, optional
        Where the beginning-of-text token stands: ``text`` (the default), ``window`` or ``none``.
    tasks : tuple of str
        Names of zero-shot tasks of lm-eval, instead of a text.
    task_folder : Path, optional
        A folder with more tasks.
    task_limit : int, optional
        The largest number of documents per task.

    Raises
    ------
    UserError
        There is no such model, a file of the model is missing, or an argument does not suit it.
    """
    if context is not None and not 2 <= context <= 131072:
        raise UserError(f"Context must be 2 to 131072 tokens, not {context}")
    if bos is not None and bos not in BOS:
        raise UserError(f"--bos must be one of {', '.join(BOS)}, not {bos[:60]!r}")
    if reference in BUILT_IN:
        if text is not None or context is not None or bos is not None or tasks:
            raise UserError(
                f"{reference} has its own text and context: leave out text, context, bos and tasks"
            )
        if reference == "minilm":
            folder = minilm.verify(minilm.locate())
            return ModelReference(minilm.NAME, folder, "encoder", "docstrings")
        return ModelReference("bytelm", CHECKPOINT, "bytes", "held-out", BYTES_CONTEXT)
    folder = _folder_of(reference)
    kind = _kind_of(folder)
    if kind == "bytes":
        if text is not None or context is not None or bos is not None or tasks:
            raise UserError(
                f"{reference} reads bytes, so its text and context are those of bytelm: leave out "
                "text, context, bos and tasks"
            )
        return ModelReference(folder.name, folder, kind, "held-out", BYTES_CONTEXT)
    if kind == "encoder" and (text is not None or context is not None or bos or tasks):
        raise UserError(
            f"{reference} is an encoder; text, context, bos and tasks are for causal models: leave "
            "them out"
        )
    if text is not None and text not in TEXTS:
        read_text(text)  # raises an error before anything is computed
    if task_folder is not None and not task_folder.is_dir():
        raise UserError(f"The tasks must be in a folder, but {task_folder} is not a folder")
    name = (
        reference
        if _HUB_NAME.fullmatch(reference) and not Path(reference).exists()
        else (folder.name)
    )
    return ModelReference(
        name,
        folder,
        kind,
        text or "docstrings",
        context or DEFAULT_CONTEXT,
        context is not None,
        bos or "text",
        tasks,
        task_folder,
        task_limit,
    )


def check_source(reference: str) -> None:
    """Raise UserError if there is no model or ``.safetensors`` file of this name.

    PyTorch is not imported, so the check of a local model or file is quick.
    """
    if not reference.endswith(".safetensors"):
        find_model(reference)
    elif not (path := Path(reference).expanduser()).is_file():
        reason = "it is not a file" if path.exists() else "No such file"
        raise UserError(f"{path} cannot be read: {reason}")


def _folder_of(reference: str) -> Path:
    """The directory of a model, downloaded from the hub if it does not exist here."""
    # os.path returns False for a name that is too long. Path may raise an error.
    if os.path.isdir(reference):  # noqa: PTH112
        return Path(reference).resolve()
    if os.path.exists(reference) or not _HUB_NAME.fullmatch(reference):  # noqa: PTH110
        raise UserError(
            f"{reference[:200]!r} is not a model: give {', '.join(BUILT_IN)}, a directory with "
            "config.json and model.safetensors, or a hub name such as facebook/opt-125m"
        )
    return _from_hub(reference)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.tiktoken", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # many kinds: network, access, no such repository
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{name} is neither a directory here nor available on the hub: {reason[:200]}"
        ) from error


def _kind_of(folder: Path) -> str:
    """The kind of the model. Raises UserError if a file is missing, or the kind is not supported.

    A causal model with a vocabulary of 256 and without a tokenizer reads bytes, as bytelm does.
    """
    config = read_config(folder / "config.json")
    files = list(folder.glob("*.safetensors"))
    if not (folder / "model.safetensors").is_file():  # if it is there, transformers reads no shards
        if (folder / INDEX).is_file():
            read_index(folder)  # raises an error for a missing shard
        check_shards(files)
    if not files:
        raise UserError(
            f"{folder} has no *.safetensors weights; other kinds are not read because pickled "
            "weights can run code: convert them with transformers' save_pretrained"
        )
    check_not_quantized(config, folder, own=True)
    kind = kind_of(config, folder)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        if kind == "causal" and config.get("vocab_size") == 256:
            return "bytes"
        raise UserError(f"{folder} has no tokenizer: {', '.join(_TOKENIZERS)} are all missing")
    return kind


def _model_files(folder: Path) -> list[Path]:
    """The weights, and the JSON files beside them."""
    return sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")])


def _other_files(folder: Path) -> list[Path]:
    """Other files that may affect results, such as vocabularies, merges and code."""
    known = set(_model_files(folder))
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path not in known
        and path.suffix.lower() not in _IGNORED
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _digest_of(files: Sequence[Path], folder: Path) -> str:
    """SHA-256 (hex) of the files' contents, and of their names relative to the folder."""
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(folder)}\0".encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
