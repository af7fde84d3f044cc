"""Blocks of items that share no person have linking constants of their own, wherever constants are shown, sent or judged."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.calibration import CalibrationRequest, linked_blocks
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.linking import anchors_present, linking_constants
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import calibration, fits
from seedtest_assets_tests.engines.remote.service_double import answers, answers_to, double

SHIFT, EACH, PERSONS = np.array([-0.8, 0.7]), 12, 500
LIMITS = Settings()


@pytest.fixture(scope="module")
def forms():
    """Answers to two forms that share nothing, by persons SHIFT able, and the bank of all items."""
    rng = np.random.default_rng(12)
    a, b = rng.lognormal(0, 0.25, 2 * EACH), rng.normal(0, 1, 2 * EACH)
    form = np.repeat([0, 1], PERSONS)
    theta = rng.normal(SHIFT[form], 1.0)
    right = rng.random((2 * PERSONS, 2 * EACH)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    seen = np.arange(2 * EACH) // EACH == form[:, None]
    bank = pd.DataFrame({"item_id": [f"i{item + 1}" for item in range(2 * EACH)], "a": a, "b": b, "c": 0.0})
    return answers_to(np.where(seen, right, np.nan)), bank


def anchors_of(bank, n=(6, 6)):
    return pd.concat([bank.iloc[: n[0]], bank.iloc[EACH : EACH + n[1]]])


def reply_of(result, *, linked):
    """What a service that fits the blocks on the scale of their persons answers."""
    rows = [
        {"item_id": row.item_id, "params": {"a": row.a, "b": row.b}} for row in result.items.itertuples(index=False)
    ]
    abilities = result.abilities.rename(columns={"n_responses": "n"}).to_dict("records")
    return {"item_params": rows, "abilities": abilities, "fit_meta": {"linking_constants": linked}}


def through(reply, request):
    with double(answers(200, reply)) as service:
        return IrtServiceEngine(service.settings()).calibrate(request)


@pytest.mark.slow
@pytest.mark.parametrize("linked", [None, {"A": 1.0, "B": 0.0}])
def test_the_client_links_blocks_one_by_one_where_the_service_did_not(forms, linked):
    table, bank = forms
    free = InProcessEngine().calibrate(CalibrationRequest(table))
    request = CalibrationRequest(table, anchors=anchors_of(bank))
    expected = InProcessEngine().calibrate(request)
    result = through(reply_of(free, linked=linked), request)
    assert [block["B"] for block in linked_blocks(result.model_spec)] == pytest.approx(SHIFT, abs=0.2)
    np.testing.assert_allclose(result.items[["a", "b"]], expected.items[["a", "b"]], atol=2e-3)
    np.testing.assert_allclose(result.abilities[["theta", "se"]], expected.abilities[["theta", "se"]], atol=2e-3)
    numbers = ["group_mean", "group_sd"]
    assert [result.model_spec[name] for name in numbers] == pytest.approx(
        [expected.model_spec[name] for name in numbers], abs=2e-3
    )


def of_blocks(*constants):
    """A calibration whose blocks have these A, B and first anchor."""
    result = calibration()
    blocks = [
        {
            "A": A,
            "B": B,
            "method": "stocking_lord",
            "n_anchors_used": 6,
            "screened_out": {},
            "anchors": [name, "x" + name],
        }
        for A, B, name in constants
    ]
    result.model_spec["linking_constants"] = blocks[0] | {"other_blocks": blocks[1:]}
    return result


def test_the_most_unusual_block_is_judged_against_its_own_earlier_constants():
    low, high = (1.0, -2.0, "low"), (1.1, 2.0, "high")
    before = fits(of_blocks(low, high))
    assert linking_constants(of_blocks(high, low), before, LIMITS).passed
    judgement = linking_constants(of_blocks(low, (1.1, 3.2, "high")), before, LIMITS)
    assert judgement.verdict == Verdict.WARN
    assert (judgement.numbers["B"], judgement.numbers["usual_B"]) == (3.2, 2.0)
    assert list(judgement.history.values) == [2.0] * 7 + [3.2]
    assert "most unusual of 2 blocks" in judgement.finding
    assert "high" in judgement.finding
    assert linking_constants(of_blocks(low, (1.0, 3.2, "new")), before, LIMITS).numbers["usual_B"] is None


@pytest.mark.parametrize(("n", "verdict"), [(0, Verdict.PASS), (5, Verdict.WARN), (6, Verdict.ERROR)])
def test_items_on_a_scale_of_their_own_are_not_published_where_they_are_many(n, verdict):
    result = calibration()
    if n:
        result.model_spec["n_items_not_linked"] = n
    judgement = anchors_present(result, 24, "stocking_lord", [], LIMITS)
    assert judgement.verdict == verdict
    assert (f"{n} of 100 items are not on the bank's scale" in judgement.finding) == (n > 0)
