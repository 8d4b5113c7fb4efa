"""Figures of merit against their formulas."""

import math

import pytest
import torch

from halfbyte.accuracy.metrics import fidelity, sqnr_db
from halfbyte.accuracy.weights import quantized_weights
from halfbyte.formats import load
from halfbyte.golden import scalar


def test_sqnr_is_ten_log_ten():
    assert sqnr_db(100.0, 1.0) == pytest.approx(20)
    assert sqnr_db(1.0, 0.0) == math.inf
    with pytest.raises(ValueError, match="needs a signal"):
        sqnr_db(0.0, 1.0)


def test_fidelity_of_equal_embeddings_is_one():
    rows = torch.nn.functional.normalize(torch.randn(9, 5, generator=torch.manual_seed(1)), dim=1)
    assert fidelity(rows, rows).value == pytest.approx(1)
    turned = rows @ torch.linalg.qr(torch.randn(5, 5, generator=torch.manual_seed(2)))[0]
    assert fidelity(turned, rows).value == pytest.approx(1)  # similarities do not see a rotation
    assert fidelity(rows.flip(0), rows).value < 0.9
    with pytest.raises(ValueError, match="Embeddings must be two"):
        fidelity(rows[:3], rows[:3])


def correlation_by_definition(embeddings, reference):
    row, column = torch.triu_indices(len(reference), len(reference), offset=1)
    pairs = [(each @ each.T)[row, column] for each in (embeddings, reference)]
    return float(torch.corrcoef(torch.stack(pairs))[0, 1])


def test_fidelity_and_its_error_are_those_of_the_definitions():
    torch.manual_seed(4)
    reference = torch.nn.functional.normalize(torch.randn(12, 5, dtype=torch.float64), dim=1)
    noisy = reference + 0.2 * torch.randn(12, 5, dtype=torch.float64)
    noisy = torch.nn.functional.normalize(noisy, dim=1)
    found = fidelity(noisy, reference)
    assert found.value == pytest.approx(correlation_by_definition(noisy, reference))
    without = torch.tensor(
        [
            correlation_by_definition(noisy[rest], reference[rest])
            for left_out in range(12)
            for rest in [[index for index in range(12) if index != left_out]]
        ]
    )
    # The jackknife: (n - 1) / n times the sum of squared deviations.
    assert found.error == pytest.approx(float(without.std(correction=0)) * math.sqrt(11), rel=1e-5)


def test_layers_are_quantised_and_restored():
    torch.manual_seed(3)
    layer = torch.nn.Linear(40, 7)
    before = layer.weight.detach().clone()
    with quantized_weights({"only": layer}, load("e2m1"), 16) as found:
        inside = layer.weight.detach().clone()
        assert not torch.equal(inside, before)
        noise = (inside.double() - before.double()).square().sum()
        expected = 10 * math.log10(float(before.double().square().sum() / noise))
        assert found.sqnr_db == pytest.approx(expected)
        assert found.layers == {"only": pytest.approx(expected)}
    assert torch.equal(layer.weight, before)


def test_weights_are_those_of_the_scalar_definition():
    fmt = load("e2m1_sp")
    row = [0.7, -0.31, 0.05, 0.58]
    layer = torch.nn.Linear(4, 1)
    layer.weight.data = torch.tensor([row])
    scale = max(abs(torch.tensor(value).item()) for value in row) / 6
    with quantized_weights({"only": layer}, fmt, 4):
        for value, seen in zip(layer.weight.data[0].tolist(), row, strict=True):
            code = scalar.encode(torch.tensor(seen).item() / scale, fmt)
            assert value == pytest.approx(float(fmt.values[code]) * scale, rel=1e-6)
