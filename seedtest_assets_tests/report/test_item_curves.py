"""Observed and expected shares correct: chance is not misfit, and misfit is found."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.report.item_curves import item_curves, places

N_STUDENTS, N_ITEMS = 1500, 20


@pytest.fixture(scope="module")
def curves():
    """Curves of items that follow the model, but for the last one, which the able get wrong."""
    random = np.random.default_rng(7)
    a, b = random.lognormal(0, 0.2, N_ITEMS), random.normal(0, 0.8, N_ITEMS)
    theta = random.normal(size=N_STUDENTS)
    chance = 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    chance[:, -1] = np.where(theta > 0.5, 0.2, chance[:, -1])
    answered = random.random(chance.shape) < 0.6
    student, item = np.nonzero(answered)
    correct = random.random(len(student)) < chance[student, item]
    minutes = np.arange(len(student))
    answers = pa.table(
        {
            "student_id": pa.array(student.astype(str)).dictionary_encode(),
            "item_id": pa.array(item.astype(str)).dictionary_encode(),
            "correct": correct,
            "completed_at": pa.array(minutes * 60_000_000, pa.timestamp("us", tz="UTC")),
        }
    )
    # All of them again later, and wrong: an answer that is repeated does not count.
    again = answers.set_column(2, "correct", pa.array(np.zeros(len(student), bool)))
    again = again.set_column(3, "completed_at", pa.array((minutes + 10**6) * 60_000_000, pa.timestamp("us", tz="UTC")))
    items = pd.DataFrame({"item_id": np.arange(N_ITEMS).astype(str), "a": a, "b": b, "c": 0.0})
    abilities = pd.DataFrame({"user_id": np.arange(N_STUDENTS).astype(str), "theta": theta})
    share = np.bincount(item, correct, N_ITEMS) / np.bincount(item, minlength=N_ITEMS)
    return item_curves(pa.concat_tables([answers, again]).unify_dictionaries(), items, abilities), share


def test_only_first_answers_count(curves):
    assert curves[0].share_correct == pytest.approx(curves[1])


def test_items_that_follow_the_model_deviate_no_more_than_chance(curves):
    fine = slice(0, N_ITEMS - 1)
    z = ((curves[0].observed - curves[0].expected) / curves[0].standard_error)[fine]
    assert np.nanmean(z**2) == pytest.approx(1, abs=0.35)
    assert np.median(curves[0].misfit[fine]) < 0.02


def test_an_item_that_the_able_get_wrong_stands_out(curves):
    assert np.argmax(curves[0].misfit) == N_ITEMS - 1
    assert curves[0].misfit[-1] > 0.1
    assert curves[0].observed[-1, -1] < curves[0].expected[-1, -1] - 0.2


def test_an_id_without_a_name_has_no_place():
    ids = pa.chunked_array([pa.array(["b", "x", "a", None])]).dictionary_encode()
    assert list(places(ids, pd.Series(["a", "b"]))) == [1, -1, 0, -1]
