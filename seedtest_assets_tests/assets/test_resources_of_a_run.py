"""What a run is handed in place of the deployment's resources: a source of answers, another model, a shadow night."""

from datetime import date, datetime, timezone

import dagster as dg
import pyarrow as pa
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.observations import observations
from seedtest_assets.resources import AnswerLake, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, UsableAnswers
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.school import LAST

pytestmark = pytest.mark.usefixtures("without_pictures")

DAY = date(2025, 3, 9)


class SimulatedSource:
    """Three answers a day."""

    name = "simulated"

    def find(self, platform):
        return self

    def answers_by_day(self, first, last):
        columns = {"student_id": ["u1", "u2", "u3"], "item_id": ["i1"] * 3, "correct": [True, False, True]}
        columns["completed_at"] = [datetime(first.year, first.month, first.day, 12, tzinfo=timezone.utc)] * 3
        rows = {name: columns.get(name, [None] * 3) for name in OBSERVATION_SCHEMA.names}
        yield first, UsableAnswers(pa.table(rows, schema=OBSERVATION_SCHEMA), {})


def test_observations_take_the_source_that_they_are_handed(platform):
    resources = resources_from(load_settings()) | {"source": SimulatedSource()}
    assert dg.materialize([observations], partition_key=str(DAY), resources=resources).success
    assert AnswerLake().storage.observations_count(DAY) == 3


def test_run_config_changes_the_model_and_what_is_published_for_one_run(night):
    resources = resources_from(load_settings())
    assert dg.materialize([observations], partition_key=str(LAST), resources=resources).success
    before = rows_of(night, "SELECT count(*), max(fitted_at) FROM mirt_item_params")
    done = dg.materialize(
        [calibrate],
        partition_key=str(LAST),
        resources=resources,
        run_config={
            "resources": {
                "engine": {"config": {"mirt_model": "Rasch"}},
                "platform": {"config": {"seedtest_publish": False}},
            }
        },
    )
    assert done.success
    fits = "SELECT model_spec->>'model', model_spec->>'linked_to' FROM fit_history WHERE partition_date = :day"
    assert rows_of(night, fits, day=LAST) == [("Rasch", "anchors")]
    assert rows_of(night, "SELECT count(*), max(fitted_at) FROM mirt_item_params") == before
    (shown,) = done.asset_materializations_for_node("calibrate")[-1:]
    assert "SEEDTEST_PUBLISH=false" in shown.metadata["published"].value
