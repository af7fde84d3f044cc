"""Drift: large moves beyond their sampling error are found, everything else is left alone."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest
from seedtest_assets.checks.drift import anchor_drift, item_drift
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.predicted_answers import residuals_of
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import DAY, item_table

LIMITS = Settings()
NO_ANSWERS = pd.DataFrame({"item_id": [], "z": []})
PASS, WARN, ERROR = Verdict.PASS, Verdict.WARN, Verdict.ERROR


def published(items: pd.DataFrame, n: int = 7) -> pd.DataFrame:
    """The same values in the n partitions before."""
    return pd.concat([items.assign(partition_date=DAY - timedelta(days=k)) for k in range(n, 0, -1)])


def moved(parameter: str, by: float, **columns) -> pd.DataFrame:
    items = item_table(**columns)
    items.loc[3, parameter] += by
    return items


def drift_of(items: pd.DataFrame, **columns):
    return item_drift(DAY, items, published(item_table(**columns)), 60, LIMITS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameter", "by", "level"),
    [("b", 0.24, PASS), ("b", 0.26, WARN), ("b", -0.26, WARN), ("b", 0.49, WARN), ("b", 0.51, ERROR), ("b", -0.51, ERROR),
     ("a", 0.19, PASS), ("a", 0.21, WARN), ("a", -0.21, WARN), ("a", 0.39, WARN), ("a", 0.41, ERROR)],
)  # fmt: skip
def test_one_item_that_moves(parameter, by, level):
    judgement = drift_of(moved(parameter, by))
    assert judgement.verdict == level
    if level > PASS:
        assert judgement.worst["item_id"].tolist() == ["i3"]
        assert "1 of 100 items moved" in judgement.finding
    assert len(judgement.history.values) == 8


def test_a_large_move_within_its_sampling_error_is_left_alone():
    assert drift_of(moved("b", 0.6, se_b=0.1), se_b=0.1).verdict == ERROR
    assert drift_of(moved("b", 0.6, se_b=0.4), se_b=0.4).passed


def test_the_shared_answers_of_two_nights_are_known_to_move_less():
    items = moved("b", 0.6, se_b=0.2)
    assert drift_of(items, se_b=0.2).verdict == ERROR
    months_ago = published(item_table(se_b=0.2)).assign(partition_date=DAY - timedelta(days=90))
    assert item_drift(DAY, items, months_ago, 60, LIMITS).passed


def test_items_with_few_answers_are_not_judged():
    for n_responses, n_judged in ((49, 0), (50, 100)):
        judgement = drift_of(moved("b", 3.0, n_responses=n_responses), n_responses=n_responses)
        assert judgement.numbers["judged"] == n_judged
        assert judgement.passed is (n_judged == 0)


def test_one_item_without_a_standard_error_is_not_judged():
    unknown = item_table()["se_b"].mask(item_table().index == 3)
    judgement = drift_of(moved("b", 3.0, se_b=unknown))
    assert judgement.passed
    assert judgement.numbers["judged"] == 99


def test_without_standard_errors_items_are_judged_by_what_their_answers_could_tell():
    """Healthy moves go with 1 / sqrt(n), and are larger at the ends of the scale: such items are not accused for it."""
    random = np.random.default_rng(3)
    n = np.round(400 * random.lognormal(0, 1, 100)).clip(60)
    b = random.normal(0, 1.3, 100)
    noise = 0.6 * random.normal(0, 1, 100) * np.exp(0.25 * b**2) / np.sqrt(n)
    none = {"se_a": np.nan, "se_b": np.nan, "n_responses": n}
    usual = published(item_table(b=b, **none))
    healthy = item_table(b=b + noise, **none)
    assert item_drift(DAY, healthy, usual, 60, LIMITS).passed
    known = int(np.argmax(n * np.exp(-(b**2))))
    healthy.loc[known, "b"] += 0.6
    judgement = item_drift(DAY, healthy, usual, 60, LIMITS)
    assert (judgement.verdict, judgement.worst["item_id"].tolist()) == (ERROR, [f"i{known}"])


def test_a_noisy_night_does_not_accuse_its_items():
    noise = np.random.default_rng(3).normal(0, 0.3, 100)
    quiet = drift_of(item_table(b=item_table()["b"] + noise * 0.1))
    noisy = drift_of(item_table(b=item_table()["b"] + noise))
    assert quiet.passed
    assert noisy.passed
    assert noisy.numbers["largest_change_b"] > 0.5


@pytest.mark.parametrize(("shift", "level"), [(0.24, PASS), (0.26, WARN), (-0.51, ERROR)])
def test_a_scale_that_moves_as_a_whole_is_told_as_such(shift, level):
    judgement = drift_of(item_table(b=item_table()["b"] + shift))
    assert judgement.verdict == level
    assert ("the whole scale moved" in judgement.finding) is (level > PASS)


def test_items_without_history_pass():
    judgement = item_drift(DAY, item_table(), published(item_table(0)), 60, LIMITS)
    assert judgement.passed
    assert "no earlier partition" in judgement.finding
    new = item_table(item_id=[f"new{n}" for n in range(100)])
    assert item_drift(DAY, new, published(item_table()), 60, LIMITS).passed


@pytest.mark.parametrize(("by", "level"), [(0.24, PASS), (0.45, WARN), (0.55, ERROR)])
def test_an_anchor_against_its_bank_value(by, level):
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    judgement = anchor_drift(moved("b", by), anchors, NO_ANSWERS, published(item_table()), LIMITS)
    assert judgement.verdict == level
    assert judgement.numbers["judged"] == 20


def test_an_anchor_off_its_bank_value_by_chance_is_left_alone():
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    assert anchor_drift(
        moved("b", 0.39), anchors, NO_ANSWERS, published(item_table()), LIMITS
    ).passed  # 3.9 standard errors


def test_a_bank_without_anchors_has_none_that_drift():
    none = item_table(0)[["item_id", "a", "b", "c"]]
    judgement = anchor_drift(item_table(), none, NO_ANSWERS, published(item_table()), LIMITS)
    assert judgement.passed
    assert "no anchors" in judgement.finding


@pytest.mark.parametrize(("parameter", "usual"), [("b", "difficulty"), ("a", "discrimination")])
def test_the_history_is_that_of_the_parameter_that_moved(parameter, usual):
    items = moved(parameter, 0.6)
    was, now = item_table()[parameter][3], items[parameter][3]
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    for judgement in (drift_of(items), anchor_drift(items, anchors, NO_ANSWERS, published(item_table()), LIMITS)):
        assert judgement.history.label == f"{usual} of i3"
        assert list(judgement.history.values) == [was] * 7 + [now]
        assert list(judgement.history.limits) == [was]


@pytest.mark.parametrize(
    ("z", "by", "level"), [(4.4, 0.6, PASS), (4.6, 0.6, ERROR), (-4.6, 0.3, WARN), (9.0, 0.2, PASS)]
)
def test_answers_that_contradict_the_bank_tell_of_an_anchor_whose_errors_are_wide_or_unknown(z, by, level):
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    residuals = anchors[["item_id"]].assign(z=np.where(anchors["item_id"] == "i3", z, 0.0))
    for error in (0.5, np.nan):
        items = moved("b", by, se_a=error, se_b=error)
        judgement = anchor_drift(items, anchors, residuals, published(item_table()), LIMITS)
        assert (judgement.verdict, judgement.numbers["judged"]) == (level, 20)


def test_answers_that_contradict_a_difficulty_say_nothing_of_a_noisy_discrimination():
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    residuals = anchors[["item_id"]].assign(z=np.where(anchors["item_id"] == "i3", 9.0, 0.0))
    assert anchor_drift(moved("a", 0.5, se_a=0.35), anchors, residuals, published(item_table()), LIMITS).passed


def test_a_night_whose_answers_fit_the_bank_worse_does_not_accuse_its_anchors():
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    noise = np.random.default_rng(5).normal(0, 3, 20)
    noise[3] = 6.0
    items = moved("b", 0.6, se_b=0.5)
    assert anchor_drift(items, anchors, anchors[["item_id"]].assign(z=noise), published(item_table()), LIMITS).passed
    quiet = anchors[["item_id"]].assign(z=noise / 3)
    quiet.loc[3, "z"] = 6.0
    assert anchor_drift(items, anchors, quiet, published(item_table()), LIMITS).verdict == ERROR


def test_an_anchor_without_earlier_partitions_is_judged_and_shown_alone():
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    judgement = anchor_drift(moved("b", 0.6), anchors, NO_ANSWERS, published(item_table(0)), LIMITS)
    assert judgement.verdict == ERROR
    assert len(judgement.history.values) == 1


@pytest.mark.parametrize(("off", "level"), [(0.0, PASS), (1.0, ERROR)])
def test_fixed_anchors_do_not_drift_but_for_those_that_were_screened_out(off, level):
    """Held at the bank's values anchors cannot move; one whose answers contradict its value is freed, and does."""
    random = np.random.default_rng(11)
    anchors = item_table(20)[["item_id", "a", "b", "c"]]
    theta = random.normal(0, 1, 800)
    chance = 1 / (1 + np.exp(-anchors["a"].to_numpy() * (theta[:, None] - anchors["b"].to_numpy())))
    correct = random.random(chance.shape) < chance
    anchors.loc[3, "b"] += off

    person, item = (code.ravel() for code in np.indices(correct.shape))
    when = [datetime(2025, 3, 20, tzinfo=timezone.utc)] * len(item)
    answers = pa.table(
        [[f"u{n}" for n in person], [f"i{n}" for n in item], correct.ravel(), when], schema=ANSWER_SCHEMA
    )
    result = InProcessEngine().calibrate(CalibrationRequest(answers, anchors=anchors, linking_method="fixed"))
    in_the_lake = answers.rename_columns({"answered_at": "completed_at"})
    residuals = residuals_of([in_the_lake], anchors, result.abilities)
    judged = anchor_drift(result.items, anchors, residuals, published(item_table(0)), LIMITS)
    moves = result.items.set_index("item_id")["b"] - anchors.set_index("item_id")["b"]
    screened_out = set(result.model_spec["linking_constants"]["screened_out"])
    assert set(moves.index[moves.abs() > 1e-9]) == screened_out
    assert judged.verdict == level
    if off:
        assert "i3" in screened_out
        assert list(judged.worst["item_id"]) == ["i3"]


def partial_table(steps=(-0.8, 0.1, 0.9), model="GRM", scored=range(20), **columns) -> pd.DataFrame:
    """The items of item_table, of which some have partial credit: the steps are relative to b."""
    items = item_table(**columns)
    of_item = [[float(b + step) for step in steps] if n in scored else None for n, b in enumerate(items["b"])]
    errors = [[0.12] * len(steps) if n in scored else None for n in range(len(items))]
    return items.assign(
        b=[b if steps is None else float(np.mean(steps)) for b, steps in zip(items["b"], of_item, strict=True)],
        model=[model if n in scored else "2PL" for n in range(len(items))],
        steps=pd.Series(of_item, dtype=object),
        se_steps=pd.Series(errors, dtype=object),
    )


def with_steps(items: pd.DataFrame, row: int, by) -> pd.DataFrame:
    """Move the steps of an item, and b, their mean."""
    steps = list(items["steps"])
    steps[row] = [None if step is None else step + move for step, move in zip(steps[row], by, strict=True)]
    b = items["b"].copy()
    b[row] = np.mean([step for step in steps[row] if step is not None])
    return items.assign(b=b, steps=pd.Series(steps, dtype=object))


@pytest.mark.parametrize(
    ("by", "level"),
    [
        ([-0.24, 0.0, 0.24], PASS),
        ([-0.45, 0.55, -0.1], WARN),
        ([0.0, 0.0, 0.0], PASS),
    ],
)
def test_a_step_that_moves_unlike_its_items_difficulty(by, level):
    usual = published(partial_table(se_b=0.1))
    judgement = item_drift(DAY, with_steps(partial_table(se_b=0.1), 3, by), usual, 60, LIMITS)
    assert judgement.verdict == level
    if level > PASS:
        assert "i3 (b +0.00, a +0.00, b_2 +0.55 against b)" in judgement.finding
        assert judgement.worst["step"].tolist() == [2]
        assert 0.01 < judgement.worst["score_change"].iloc[0] < 0.05
        assert judgement.history.label == "b_2 of i3"
        assert judgement.history.values[-1] - judgement.history.values[0] == pytest.approx(0.55)
        assert list(judgement.history.limits) == [judgement.history.values[0]]


def test_a_step_known_badly_is_left_alone():
    errors = pd.Series([[0.5] * 3 if n < 20 else None for n in range(100)], dtype=object)
    moved_steps = with_steps(partial_table(), 3, [-0.5, 0.6, -0.1]).assign(se_steps=errors)
    assert item_drift(DAY, moved_steps, published(partial_table()), 60, LIMITS).passed


def test_an_item_with_partial_credit_whose_steps_all_move_is_harder():
    judgement = item_drift(DAY, with_steps(partial_table(), 3, [0.6] * 3), published(partial_table()), 60, LIMITS)
    assert judgement.verdict == ERROR
    assert "i3 (b +0.60, a +0.00)" in judgement.finding
    assert judgement.history.label == "difficulty of i3"


@pytest.mark.parametrize("change", [{"steps": (-0.8, None, 0.9)}, {"model": "GPCM"}])
def test_items_with_other_scores_or_another_model_are_named_and_not_compared(change):
    """b is the mean of other steps: it may be anywhere."""
    usual = (
        partial_table(scored=[3], **change) if "model" in change else with_missing_step(partial_table(scored=[3]), 3)
    )
    judgement = item_drift(DAY, partial_table(scored=[3]), published(usual), 60, LIMITS)
    assert judgement.passed
    assert judgement.numbers["judged"] == 99
    assert "items with other scores or another model than before (1) are not compared: i3" in judgement.finding
    anchors = usual[["item_id", "model", "a", "b", "c", "steps"]].head(20)
    of_anchors = anchor_drift(partial_table(scored=[3]), anchors, NO_ANSWERS, published(usual), LIMITS)
    assert (of_anchors.numbers["judged"], of_anchors.numbers["other_scores"]) == (19, 1)


def with_missing_step(items: pd.DataFrame, row: int) -> pd.DataFrame:
    steps = list(items["steps"])
    steps[row] = [steps[row][0], None, steps[row][2]]
    return items.assign(steps=pd.Series(steps, dtype=object))


def test_only_the_nights_with_the_scores_of_today_are_compared():
    other = with_missing_step(partial_table(), 3)
    other.loc[3, "b"] += 2.0
    mixed = pd.concat([published(other, 6), published(partial_table(), 1)])
    assert item_drift(DAY, partial_table(), mixed, 60, LIMITS).numbers["judged"] == 100


def test_steps_of_anchors_against_their_bank_values():
    anchors = partial_table()[["item_id", "model", "a", "b", "c", "steps"]].head(20)
    moved_steps = with_steps(partial_table(), 3, [-0.8, 0.55, 0.25])
    judgement = anchor_drift(moved_steps, anchors, NO_ANSWERS, published(partial_table()), LIMITS)
    assert judgement.verdict == WARN
    assert judgement.worst["item_id"].tolist() == ["i3"]


def test_without_standard_errors_items_with_partial_credit_are_judged_by_their_information():
    none = {"se_a": np.nan, "se_b": np.nan}
    items = partial_table(**none).assign(se_steps=None)
    usual = published(items)
    noise = np.random.default_rng(3).normal(0, 0.08, 100)
    for row in range(20):
        items = with_steps(items, row, [noise[row]] * 3)
    items["b"] = np.where(np.arange(100) < 20, items["b"], items["b"] + noise)
    assert item_drift(DAY, items, usual, 60, LIMITS).passed
    easy_to_see = int(np.argmin(np.abs(items["b"].head(20))))
    assert item_drift(DAY, with_steps(items, easy_to_see, [0.9] * 3), usual, 60, LIMITS).verdict == ERROR
