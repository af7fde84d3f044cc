"""A calibration does not follow the one before into the mirror image of the scale."""

import numpy as np

from seedtest_assets import irt


def test_a_previous_calibration_with_every_sign_turned_does_not_turn_abilities_around():
    random = np.random.default_rng(31)
    theta, a, b = random.normal(size=300), random.lognormal(0, 0.3, 20), random.normal(size=20)
    chance = 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    person, item = np.divmod(np.arange(300 * 20), 20)
    responses = irt.Responses.from_answers(person, item, random.random(300 * 20) < chance.ravel())
    mirrored = irt.ItemParameters(np.arange(20), -a, -b, np.zeros(20))
    calibration = irt.calibrate(responses, previous=mirrored, standard_errors=False)
    assert (calibration.items.a > 0).all()
    assert np.corrcoef(calibration.theta, theta)[0, 1] > 0.8
