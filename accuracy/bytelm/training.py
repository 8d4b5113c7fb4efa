"""Train bytelm, a small language model that reads bytes.

Muon optimizes the matrices in the layers, and AdamW all other parameters. Muon is described in
Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks". Its updates are
scaled as in Liu et al. (2025, arXiv 2502.16982), so that both optimizers can share a learning rate.
The rate rises, stays constant, and falls over the last steps (Hu et al., 2024, arXiv 2404.06395).
Until the rate falls, the weights do not depend on the number of steps, so a run can still be
extended.
A step is one update of the weights.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from halfbyte.accuracy.bytelm.corpus import Corpus
from halfbyte.base import Progress, UserError, write_atomically

__all__ = ["CONTEXT", "Plan", "bits_per_byte", "build_model", "train"]

CONTEXT = 256  # bytes in a window, the piece of text that the model reads at a time
SAVE_EVERY = 100  # steps


@dataclass(frozen=True)
class Plan:
    """What a training run depends on besides its corpus.

    Parameters
    ----------
    steps, batch : int
        Number of steps, and number of windows of 256 bytes in each step.
    seed : int
        Seed of the initial weights and of the choice of windows.
    rate : float
        Highest learning rate.
    warm_up : int
        Number of steps, at the start, over which the rate rises linearly.
    fall : float
        Share of the steps, at the end, over which the rate falls linearly.
    """

    steps: int = 2400
    batch: int = 32
    seed: int = 1
    rate: float = 4e-3
    warm_up: int = 100
    fall: float = 0.3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise UserError(
                f"Steps and batch must be at least 1, not {self.steps} and {self.batch}"
            )

    def rate_at(self, step: int) -> float:
        """Learning rate of step number ``step``, counted from 0."""
        rise = min(1.0, (step + 1) / self.warm_up)
        fall = min(1.0, (self.steps - step) / max(1, round(self.fall * self.steps)))
        return self.rate * min(rise, fall)


def build_model(seed: int = 0) -> LlamaForCausalLM:
    """An untrained bytelm in FP32: four layers of width 256; the 256 byte values are its tokens."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=None,
        tie_word_embeddings=False,
        use_cache=False,
    )
    return LlamaForCausalLM(config)


def _optimizers(model: nn.Module, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, output head and norms."""
    inner = [(n, p) for n, p in model.named_parameters() if p.ndim == 2 and "layers." in n]
    outer = [(n, p) for n, p in model.named_parameters() if p.ndim < 2 or "layers." not in n]
    return [
        torch.optim.Muon(inner, lr=plan.rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=plan.rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _windows(data: Tensor, plan: Plan, step: int) -> Tensor:
    """The windows of one step, chosen at random; (batch, CONTEXT + 1) int64."""
    # Pairs of seed and step give different numbers as long as there are fewer than 1,000,003 steps.
    source = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
    starts = torch.randint(len(data) - CONTEXT, (plan.batch, 1), generator=source)
    return data[starts + torch.arange(CONTEXT + 1)].long()


def _loss(model: nn.Module, windows: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats over all bytes of the windows except the first byte of each window."""
    logits = model(input_ids=windows[:, :-1]).logits.float()
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), windows[:, 1:].flatten(), reduction=reduction
    )


@torch.inference_mode()
def bits_per_byte(model: nn.Module, corpus: Corpus) -> float:
    """Cross-entropy of a text, in bits per byte.

    The text after its first byte is cut into windows of CONTEXT bytes; an incomplete last window is
    left out. The model also sees the byte before each window.
    """
    data = torch.frombuffer(bytearray(corpus.data), dtype=torch.uint8)
    count = (len(data) - 1) // CONTEXT
    windows = data[torch.arange(count)[:, None] * CONTEXT + torch.arange(CONTEXT + 1)].long()
    total = math.fsum(float(_loss(model, part, "sum")) for part in torch.split(windows, 64))
    return total / (count * CONTEXT) / math.log(2)


def _states(
    model: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> Iterator[tuple[str, dict[str, Tensor], nn.Parameter]]:
    """For each parameter: its name, the optimizer's state for it, and the parameter."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield names[parameter], optimizer.state[parameter], parameter


def _save(path: Path, step: int, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    for name, state, _ in _states(model, optimizers):
        tensors |= {f"state/{name}/{key}": torch.as_tensor(each) for key, each in state.items()}
    tensors["step"] = torch.tensor(step)
    write_atomically(path, save({name: each.contiguous() for name, each in tensors.items()}))


def _load(path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> int:
    """Restore the state in ``path``; returns the number of steps done."""
    try:
        tensors = load_file(path)
        model.load_state_dict({name: tensors[f"model/{name}"] for name in model.state_dict()})
        step = int(tensors["step"])
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise UserError(f"{path} holds no training state of bytelm ({error}): delete it") from error
    for name, state, _ in _states(model, optimizers):
        prefix = f"state/{name}/"
        state.update(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    return step


def train(
    corpus: Corpus, plan: Plan, state_file: Path, on_progress: Progress | None = None
) -> LlamaForCausalLM:
    """Train a model, and return it in evaluation mode.

    The state is saved every 100 steps and after the last step, so that an interrupted run can
    continue. On one machine, the same plan, corpus, PyTorch version and number of threads give the
    same weights.

    Raises UserError if the corpus is too short, if the state file does not hold a training state,
    or if it holds one after more steps than the plan has.
    """
    if len(corpus.data) <= CONTEXT:
        raise UserError(
            f"A text to train on must be longer than {CONTEXT} bytes, not {len(corpus.data)}"
        )
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        return _train(corpus, plan, state_file, on_progress)
    finally:
        torch.use_deterministic_algorithms(was_deterministic)


def _train(
    corpus: Corpus, plan: Plan, state_file: Path, on_progress: Progress | None
) -> LlamaForCausalLM:
    """Run the steps of the plan that are not done according to the state file, if it exists."""
    data = torch.frombuffer(bytearray(corpus.data), dtype=torch.uint8)
    model = build_model(plan.seed).train()
    optimizers = _optimizers(model, plan)
    done = _load(state_file, model, optimizers) if state_file.exists() else 0
    if done > plan.steps:
        raise UserError(
            f"{state_file} holds a run of {done} steps, more than the {plan.steps} that are asked "
            "for: delete this file"
        )
    for step in range(done, plan.steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = _loss(model, _windows(data, plan, step))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = plan.rate_at(step)
            optimizer.step()
            optimizer.zero_grad()
        if on_progress:
            bits = float(loss.detach()) / math.log(2)
            on_progress(step + 1, plan.steps, f"{bits:.3f} bits per byte")
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == plan.steps:
            _save(state_file, step + 1, model, optimizers)
    return model.eval()
