"""person_fit in real nights: a row of every active student, who guesses is low, a day run again."""

from datetime import date, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from seedtest_assets import irt
from seedtest_assets.assets.person_fit import person_fit
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.history import fit_meta, item_parameters
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.person_fit import aberrant_shares, person_fit_of_day
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.school import DAY_BEFORE

pytestmark = pytest.mark.usefixtures("without_pictures")


def run_again(instance, day: date) -> dict[str, dg.MetadataValue]:
    done = dg.materialize(
        [person_fit], instance=instance, partition_key=day.isoformat(), resources=resources_from(load_settings())
    )
    (event,) = done.get_asset_materialization_events()
    return event.materialization.metadata


def test_every_active_student_has_the_engines_lz_star_of_their_window(night):
    rows = person_fit_of_day(night, DAY_BEFORE).set_index("student_id")
    lake = Lake(load_settings().seedtest_lake)
    window = lake.read_observations(lake.days(DAY_BEFORE - timedelta(days=9), DAY_BEFORE)).to_pandas()
    active = set(window.loc[window["completed_at"] >= pd.Timestamp(DAY_BEFORE, tz="UTC"), "student_id"])
    assert set(rows.index) == active
    student = rows.index[0]
    first = window[window["student_id"] == student].drop_duplicates("item_id")
    items = item_parameters(night, DAY_BEFORE).set_index("item_id").loc[first["item_id"].astype(str)]
    bank = irt.ItemParameters(np.arange(len(items)), *(items[name].to_numpy() for name in "abc"))
    spec = fit_meta(night, DAY_BEFORE)["model_spec"]
    marks = irt.Responses.from_matrix([first["correct"].astype(float).to_numpy()])
    (expected,) = irt.person_fit(marks, bank, mean=spec["group_mean"], sd=spec["group_sd"])
    assert rows.loc[student, "lz_star"] == pytest.approx(expected)
    assert rows.loc[student, "n_answers"] == len(first)


def test_a_day_run_again_is_replaced_and_its_share_counted(night, instance):
    execute(night, "UPDATE person_fit_history SET lz_star = -9 WHERE partition_date = :day", day=DAY_BEFORE)
    assert aberrant_shares(night, DAY_BEFORE, 10, -1.645)["share"].tolist() == [1.0]
    shown = run_again(instance, DAY_BEFORE)
    ((lowest, n),) = rows_of(night, "SELECT min(lz_star), count(*) FROM person_fit_history")
    assert lowest > -6
    assert shown["dagster/row_count"].value == n
    (share,) = aberrant_shares(night, DAY_BEFORE, 10, -1.645)["share"]
    assert share == pytest.approx(shown["aberrant_share"].value, abs=0.005)
    assert share < 0.15


def test_a_day_without_a_calibration_has_none(night, instance):
    assert run_again(instance, DAY_BEFORE + timedelta(days=40))["nothing_to_do"].value == "no calibration of this day"
