"""Agreement with R mirt 1.45.1 on published data; the results are in ../shared/reference, beside the checkout."""

import json
from pathlib import Path

import numpy as np
import pytest

from seedtest_assets import irt

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference results (../shared/reference) are not beside this checkout")


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


def responses_of(matrix):
    person, item = np.nonzero(~np.isnan(matrix))
    return irt.Responses.from_answers(person, item, matrix[person, item].astype(int), n_persons=len(matrix), n_items=matrix.shape[1])


def data_of(result):
    return responses_of(np.genfromtxt(REFERENCE / result["data_csv"], delimiter=",", skip_header=1)[:, 1:])


@pytest.mark.parametrize(("name", "limit"), [("LSAT7_2PL", 1e-5), ("SAT12_2PL", 1e-4), ("SAT12missing_2PL", 1e-4)])
def test_2pl_agrees_with_mirt(name, limit):
    result = reference(name)
    fit = irt.calibrate(data_of(result), tolerance=1e-8)
    optimum = result["independent_check"]
    assert fit.converged
    assert abs(fit.loglik - optimum["logLik_at_optimum"]) < 1e-4
    np.testing.assert_allclose(fit.items.a, optimum["a"], atol=limit)
    np.testing.assert_allclose(fit.items.b, optimum["b"], atol=limit)
    assert abs(fit.aic - result["AIC"]) < 1e-3
    assert abs(fit.bic - result["BIC"]) < 1e-3
