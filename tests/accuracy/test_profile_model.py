"""Profiles of a model: how the weights and inputs of each layer are distributed."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from halfbyte.accuracy.models.subject import Subject
from halfbyte.accuracy.profile import Source, open_source, profile_matrix, profile_model, typical_nu
from halfbyte.accuracy.profile.activations import RowSample, collect_activations
from halfbyte.accuracy.profile.tensors import MAX_SAMPLES
from halfbyte.base import UserError


class Small(nn.Module):
    """An embedding, a linear layer, a second one that never runs, and a convolution."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.linear = nn.Linear(16, 8)
        self.idle = nn.Linear(8, 8)
        self.convolution = nn.Conv1d(8, 4, 3, padding=1)

    def get_input_embeddings(self):
        return self.table

    def forward(self, tokens):
        hidden = self.linear(self.table(tokens)).relu()
        return self.convolution(hidden.transpose(1, 2))


class SmallSubject(Subject):
    """Runs the small model on 1000 tokens, 25 at a time."""

    def statistics(self, outputs, reference):
        raise AssertionError("a profile does not evaluate")

    def _run_evaluation(self):
        raise AssertionError("a profile does not evaluate")

    def _run_calibration(self):
        generator = torch.Generator().manual_seed(5)
        for _ in range(40):
            self.module(torch.randint(50, (5, 5), generator=generator))


@pytest.fixture
def subject():
    torch.manual_seed(0)
    return SmallSubject("small", Small())


def students_t(*shape, nu=4.0, seed=0):
    """Random values from Student's t distribution with a scale of 0.02."""
    torch.manual_seed(seed)
    return torch.distributions.StudentT(nu).sample(shape) * 0.02


def test_a_matrix_is_profiled_as_it_is_and_normalized_by_block():
    plain, normalized = (
        each.record for each in profile_matrix("a", "weight", students_t(400, 256))
    )
    assert (plain.layer, plain.what, plain.block) == ("a", "weight", 128)
    assert (plain.normalised, normalized.normalised) == (False, True)
    assert plain.nu == pytest.approx(4, rel=0.05)
    assert plain.scale == pytest.approx(0.02, rel=0.02)
    assert plain.ks_delta == plain.ks_normal - plain.ks_t > 0.03
    assert plain.count == normalized.count == plain.elements == 400 * 256
    assert normalized.scale > 0.05  # in units of the largest magnitude of a block
    assert plain.note is None


def test_normalized_values_reach_one_in_every_block_even_in_a_short_last_one():
    (_, normalized) = profile_matrix("a", "weight", students_t(100, 40), block=16)
    ends = normalized.fits.quantiles
    assert (ends.min(), ends.max()) == (-1, 1)
    assert normalized.record.count == 4000
    # A row of 40 has blocks of 16, 16 and 8, so three of its 40 values are the largest
    # of their blocks.
    assert (abs(ends) > 0.9999).mean() == pytest.approx(3 / 40, abs=2e-3)


def test_zeros_are_counted_and_left_out():
    matrix = students_t(300, 100)
    matrix[:, ::2] = 0
    (plain, _) = profile_matrix("a", "weight", matrix)
    assert plain.record.zeros == 0.5
    assert plain.record.count == 15_000
    assert plain.record.nu == pytest.approx(4, rel=0.15)


def test_a_sample_of_a_large_tensor_is_bounded_and_repeatable():
    matrix = torch.randn(MAX_SAMPLES // 256 + 700, 256)
    first, second = (profile_matrix("a", "weight", matrix, seed=3)[0].record for _ in range(2))
    assert first == second
    assert first.count == MAX_SAMPLES
    assert first.elements == matrix.numel()


@pytest.mark.parametrize(
    ("matrix", "note"),
    [
        (torch.zeros(8, 8), "fewer than 10 values that are not zero"),
        (torch.ones(8, 8), "Values to fit must differ, but all are 1"),
        (torch.tensor([[-1.0, 1.0]] * 50), "50 of 100 are equal, more than a third"),
    ],
)
def test_a_matrix_without_a_fit_gets_a_note(matrix, note):
    for each in profile_matrix("a", "weight", matrix):
        assert note in each.record.note
        assert each.record.nu is None is each.fits


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(bad):
    matrix = torch.randn(4, 4)
    matrix[2, 3] = bad
    with pytest.raises(
        UserError, match=r"The weight of layer encoder\.7 must be finite, but has NaN"
    ):
        profile_matrix("encoder.7", "weight", matrix)


def test_a_row_sample_is_uniform_and_bounded():
    totals = torch.zeros(100)
    for seed in range(200):
        sample = RowSample(20, torch.Generator().manual_seed(seed))
        for rows in torch.arange(100.0).repeat_interleave(2).reshape(100, 2).split(30):
            sample.add(rows)
        assert sample.rows.shape == (10, 2)
        assert bool((sample.rows[:, 0].diff() > 0).all())  # in order, and each row only once
        totals[sample.rows[:, 0].long()] += 1
    # A row is in a tenth of the 200 samples on average. Five standard deviations are allowed.
    assert (totals - 20).abs().max() < 5 * (200 * 0.1 * 0.9) ** 0.5


def test_activations_are_the_inputs_of_the_layers(subject):
    seen = collect_activations(subject, limit=MAX_SAMPLES)
    assert set(seen) == {"linear", "convolution"}  # the idle layer saw nothing
    assert seen["linear"].shape == (1000, 16)
    assert seen["convolution"].shape == (1000, 8)
    assert bool((seen["convolution"] >= 0).all())  # after the ReLU
    assert not subject.module.linear._forward_pre_hooks


def test_random_inputs_take_the_place_of_embeddings(subject):
    seen = collect_activations(subject, limit=MAX_SAMPLES, random_inputs=True)["linear"]
    assert len(seen.unique()) > 15_000  # not the 50 rows of the table
    assert float(seen.std()) == pytest.approx(1, abs=0.03)
    assert not subject.module.table._forward_hooks


def test_a_model_is_profiled_layer_by_layer(subject):
    weights = {name: matrix.read for name, matrix in subject.matrices().items()}
    source = Source("small", weights, subject=subject)
    steps = []
    found = profile_model(
        source, activations=True, on_progress=lambda *step: steps.append(step), block=8
    )
    records = [each.record for each in found]
    assert [each.layer for each in records if each.what == "weight"][::2] == list(weights)
    assert {each.inputs for each in records if each.what == "activation"} == {"text"}
    assert all(each.model == "small" and each.versions["torch"] for each in records)
    assert steps[-1][:2] == (6, 6)
    values = sorted(each.nu for each in records[:6:2])
    assert typical_nu(found) == values[1]


def test_a_single_safetensors_file_gives_its_weights(tmp_path):
    tensors = {
        "block.linear.weight": students_t(64, 32).to(torch.bfloat16),
        "block.convolution.weight": students_t(8, 4, 3, 3),
        "model.embed_tokens.weight": torch.randn(10, 32),
        "lm_head.weight": torch.randn(10, 32),
        "block.norm.weight": torch.ones(32),
        "block.steps.weight": torch.ones(4, 4, dtype=torch.int64),
    }
    save_file(tensors, tmp_path / "some.safetensors")
    source = open_source(str(tmp_path / "some.safetensors"))
    assert source.name == "some"
    assert list(source.weights) == ["block.convolution", "block.linear"]
    assert source.left_out == ("lm_head.weight", "model.embed_tokens.weight")
    convolution = source.weights["block.convolution"]()
    assert torch.equal(convolution[1], tensors["block.convolution.weight"][0, :, 0, 1])
    assert [each.record.elements for each in profile_model(source)] == [288, 288, 2048, 2048]
    with pytest.raises(UserError, match="some is a file of weights, so there is no model to run"):
        profile_model(source, activations=True)


def test_bad_files_are_refused(tmp_path):
    path = tmp_path / "bad.safetensors"
    with pytest.raises(UserError, match=r"bad\.safetensors cannot be read: No such file"):
        open_source(str(path))
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(UserError, match="is not a valid safetensors file"):
        open_source(str(path))
    save_file({"a.bias": torch.ones(4)}, path)
    with pytest.raises(UserError, match="has no weights to profile"):
        open_source(str(path))
    save_file({"a.weight": torch.full((4, 4), float("nan"))}, path)
    with pytest.raises(UserError, match="The weight of layer a must be finite"):
        profile_model(open_source(str(path)))


def test_a_model_without_fits_has_no_typical_nu():
    source = Source("flat", {"a": lambda: torch.ones(8, 8)})
    with pytest.raises(UserError, match="nu cannot be fitted to the weights of any layer"):
        typical_nu(profile_model(source))
