"""A calibration does not follow what is known of items into the mirror image of the scale, which fits as well."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import simulate


@pytest.mark.parametrize(
    ("known", "method"), [("previous", "stocking_lord"), ("previous", "none"), ("starts", "stocking_lord")]
)
def test_items_with_every_sign_turned_do_not_turn_abilities_around(known, method):
    truth = simulate(300, 20, 31)
    mirrored = irt.ItemParameters(truth.items.item, -truth.items.a, -truth.items.b, truth.items.c)
    options = irt.Options(linking_method=method, standard_errors=False)
    calibration = irt.calibrate(truth.responses, options=options, **{known: mirrored})
    assert (calibration.items.a > 0).all()
    assert np.corrcoef(calibration.theta, truth.theta)[0, 1] > 0.8
