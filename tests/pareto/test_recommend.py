"""The recommended format within a limit of loss or area, the runner-up, and their certainty."""

import numpy as np
import pytest

from halfbyte.accuracy import Evaluation
from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.base import UserError
from halfbyte.pareto.recommend import within_area, within_loss
from tests.factory import sample

AREAS = {"small": 900.0, "middle": 1000.0, "large": 2000.0}
LOSSES = {"small": 0.03, "middle": 0.012, "large": 0.005}
SPREAD = 0.004


def record(name, loss, spread):
    ends = {"loss_low": loss - spread, "loss_high": loss + spread}
    return sample(
        EvaluationRecord, format=name, measures={"m": sample(MeasureRecord, loss=loss, **ends)}
    )


def evaluations(losses=LOSSES, spread=SPREAD):
    """Evaluations whose bootstrap losses are spread evenly around the loss, in random order."""
    source = np.random.default_rng(3)
    return [
        Evaluation(
            record(name, loss, spread),
            {"m_loss": source.permutation(loss + np.linspace(-spread, spread, 2001))},
        )
        for name, loss in losses.items()
    ]


def test_smallest_within_a_loss():
    found = within_loss(AREAS, evaluations(), 0.014)
    assert (found.choice.format, found.choice.area_um2) == ("middle", 1000.0)
    # The losses of "middle" are spread from 0.008 to 0.016. Three quarters are below 0.014.
    assert found.choice.certainty == pytest.approx(0.75, abs=0.01)
    assert found.runner_up.format == "large"
    assert found.runner_up.certainty == pytest.approx(0.25, abs=0.01)
    assert "1.40%" in found.criterion


def test_most_accurate_within_an_area():
    found = within_area(AREAS, evaluations(), 1200)
    assert (found.choice.format, found.runner_up.format) == ("middle", "small")
    assert found.choice.certainty == 1
    assert found.runner_up.certainty == 0


def test_certainty_is_smaller_if_formats_are_close():
    found = within_area(AREAS, evaluations({**LOSSES, "small": 0.0121}), 1200)
    assert found.choice.format == "middle"
    assert 0.4 < found.choice.certainty < 0.6
    assert found.choice.certainty + found.runner_up.certainty == pytest.approx(1)


@pytest.mark.parametrize("names", [("small", "middle"), ("middle", "small")])
def test_the_more_accurate_of_formats_with_equal_areas_is_chosen(names):
    losses = {name: LOSSES[name] for name in names}
    found = within_loss(dict.fromkeys(names, 900.0), evaluations(losses), 1.0)
    assert (found.choice.format, found.choice.loss) == ("middle", LOSSES["middle"])
    assert (found.runner_up.format, found.choice.certainty) == ("small", 1)


def test_the_smallest_of_formats_with_equal_losses_is_chosen():
    same = [Evaluation(record(name, 0.0, 0.0), {"m_loss": np.zeros(9)}) for name in LOSSES]
    assert within_area(AREAS, same, 5000).choice.format == "small"


def test_there_is_no_runner_up_if_only_one_format_fits():
    assert within_area(AREAS, evaluations(), 950).runner_up is None


def test_an_impossible_limit_is_refused_with_the_nearest_format():
    with pytest.raises(UserError, match=r"the most accurate, large, has 0\.005"):
        within_loss(AREAS, evaluations(), 0.001)
    with pytest.raises(UserError, match="the smallest, small, has 900"):
        within_area(AREAS, evaluations(), 10)
    with pytest.raises(UserError, match="both an area and an accuracy"):
        within_area({}, evaluations(), 1000)
