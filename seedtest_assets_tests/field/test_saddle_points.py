"""A stationary point of the likelihood is not called converged unless it is a maximum; from a saddle the estimation goes on."""

import itertools

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt import estimation
from seedtest_assets.irt.second_order import rising_direction


def two_against_two(n: int = 60, noise: int = 40) -> np.ndarray:
    """Answers to four items that start alike: items 1 and 2 go together, against 3 and 4. All slopes of 0 are stationary."""
    patterns = np.array([[right in chosen for right in range(4)] for chosen in itertools.combinations(range(4), 2)])
    pairs = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    everything = np.array(list(itertools.product([False, True], repeat=4)))
    return np.vstack(
        [np.repeat(pairs, n, axis=0), np.repeat(patterns, 5, axis=0), np.repeat(everything, noise, axis=0)]
    )


def calibrated(answers: np.ndarray, **options) -> irt.Calibration:
    return irt.calibrate(irt.Responses.from_matrix(answers), "2PL", options=irt.Options(**options))


@pytest.mark.parametrize("standard_errors", [True, False])
def test_the_saddle_where_all_slopes_are_0_is_left(standard_errors):
    answers = two_against_two()
    at_saddle = len(answers) * 4 * np.log(0.5)  # every item is right half of the time
    calibration = calibrated(answers, standard_errors=standard_errors)
    assert calibration.loglik > at_saddle + 5
    assert calibration.converged
    assert np.sign(calibration.items.a[0]) == np.sign(calibration.items.a[1]) == -np.sign(calibration.items.a[2])


def test_a_saddle_that_is_not_left_is_not_called_converged(monkeypatch):
    monkeypatch.setattr(estimation, "MOST_SADDLES", 0)
    calibration = calibrated(two_against_two())
    assert not calibration.converged
    assert any("not at a maximum" in warning for warning in calibration.warnings)


def test_at_a_maximum_nothing_rises():
    information = np.array([[2.0, 0.0], [0.5, 1.0]])  # the lower triangle
    assert rising_direction(information, np.array([2.0, 1.0])) is None
    assert rising_direction(np.diag([1.0, -1e-9]), np.ones(2)) is None, "of rounding"


def test_the_step_off_a_saddle_is_along_the_most_negative_curvature():
    step = rising_direction(np.array([[1.0, 0.0], [3.0, 1.0]]), np.ones(2))
    np.testing.assert_allclose(step / step[0], [1.0, -1.0])
    assert np.abs(step).max() == pytest.approx(0.5)
