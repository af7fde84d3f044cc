"""The abilities against those of the last partitions."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.checks.ability_distribution import ability_distribution
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import calibration, fits

LIMITS = Settings()
PASS, WARN, ERROR = Verdict.PASS, Verdict.WARN, Verdict.ERROR


def distribution(theta, **before):
    known = {"mean": 0.0, "sd": 1.0, "share_at_ends": 0.0} | before
    return ability_distribution(calibration(theta=theta), fits(calibration(), ability_distribution=known), LIMITS)


def standard(n=2000):
    theta = np.random.default_rng(9).normal(size=n)
    return (theta - theta.mean()) / theta.std()


@pytest.mark.parametrize(
    ("theta", "level"),
    [(standard(), PASS), (standard() + 0.19, PASS), (standard() + 0.21, WARN), (standard() - 0.21, WARN),
     (standard() * 1.19, PASS), (standard() * 1.21, WARN), (standard() * 0.79, WARN)],
)  # fmt: skip
def test_mean_and_sd_of_the_abilities(theta, level):
    assert distribution(theta).verdict == level


@pytest.mark.parametrize(("n_far", "level"), [(0, PASS), (2, PASS), (3, WARN)])
def test_abilities_at_the_grids_ends(n_far, level):
    theta = standard()
    theta[:n_far] = 6.0
    judgement = distribution(theta)
    assert judgement.verdict == level
    assert judgement.numbers["share_at_ends"] == pytest.approx(n_far / 2000)


def test_few_students_may_differ_by_their_sampling_error():
    assert distribution(standard(40) + 0.5).passed
    assert distribution(standard(40) + 0.8).verdict == WARN


def test_abilities_without_history_pass_unless_they_stick_at_the_ends():
    assert ability_distribution(calibration(theta=standard() + 1), [], LIMITS).passed
    assert (
        ability_distribution(calibration(theta=pd.Series(standard()).where(standard() < 2, 6.0)), [], LIMITS).verdict
        == WARN
    )


def test_the_picture_shows_the_number_that_failed_beyond_its_limit():
    of_sd = distribution(standard() * 1.3)
    assert of_sd.history.label == "SD of the abilities"
    theta = standard()
    theta[:9] = 6.0
    of_ends = distribution(theta, mean=theta.mean(), sd=theta.std())
    assert of_ends.history.label == "share at the grid's ends"
    for judgement in (of_sd, of_ends):
        assert judgement.verdict == WARN
    assert not of_sd.history.limits[0] <= of_sd.history.values[-1] <= of_sd.history.limits[1]
    assert of_ends.history.values[-1] > of_ends.history.limits[0]
