"""Sliding windows score every token once, except the first, which is never scored.

The perplexity follows its definition.
"""

import math

import pytest
import torch
from torch import nn

from halfbyte.accuracy.models.causal import CausalSubject, sliding_windows
from halfbyte.base import UserError


@pytest.mark.parametrize(("count", "context", "stride"), [(100, 10, 5), (101, 10, 10), (7, 10, 3)])
def test_every_token_but_the_first_is_scored_once(count, context, stride):
    windows, first = sliding_windows(torch.arange(count), context, stride)
    scored = [
        int(token)
        for window, start in zip(windows, first, strict=True)
        for token in window[1:][int(start) :]
    ]
    assert scored == list(range(1, count))
    assert windows.shape[1] == min(context + 1, count)


def test_short_texts_and_strides_beyond_the_context_are_refused():
    with pytest.raises(UserError, match="at least two tokens, not 1"):
        sliding_windows(torch.arange(1), 8, 4)
    with pytest.raises(ValueError, match="Stride must be 1 to 8, not 9"):
        sliding_windows(torch.arange(20), 8, 9)


class Uniform(nn.Module):
    """Predicts 16 tokens with equal probability, except that token 0 is slightly more likely."""

    def forward(self, input_ids):
        logits = torch.zeros(*input_ids.shape, 16)
        logits[..., 0] = 1e-6
        return type("Output", (), {"logits": logits})


def test_the_perplexity_of_uniform_predictions_is_the_size_of_the_vocabulary():
    tokens = torch.arange(200) % 16
    windows = sliding_windows(tokens, 12, 6)
    for in_bytes, name, value in ((False, "perplexity", 16), (True, "bits_per_byte", 4)):
        subject = CausalSubject("u", Uniform(), *windows, windows[0], bytes_as_tokens=in_bytes)
        outputs = subject.observe()
        assert outputs["counts"].sum() == 199
        loss, accuracy = subject.statistics(outputs, outputs).items()
        everything = torch.ones(1, len(windows[0]), dtype=torch.float64)
        assert loss[0] == name
        assert float(loss[1].at(everything)) == pytest.approx(value, rel=1e-5)
        # Token 0 is predicted everywhere, and 12 of the 199 targets are token 0.
        assert float(accuracy[1].at(everything)) == pytest.approx(12 / 199)
    assert math.log2(16) == 4
