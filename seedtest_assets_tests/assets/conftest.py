"""A day of answers in the lake, and the calibrate step on it by any engine."""

from datetime import date

import dagster as dg
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.resources import IrtEngine, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets_tests.engines.remote.service_double import answers_to, simulated

DAY = date(2025, 11, 2)


@pytest.fixture
def calibrate_by(platform):
    """Run the step by an engine, with the answers of 100 students to 4 items; a failure is in the result."""
    table = answers_to(simulated(100, 4))
    columns = {name: table[name] for name in ("student_id", "item_id", "correct")}
    columns["completed_at"] = table["answered_at"]
    table = OBSERVATION_SCHEMA.empty_table().from_pydict(
        {name: columns.get(name, [None] * len(table)) for name in OBSERVATION_SCHEMA.names}, schema=OBSERVATION_SCHEMA
    )
    Lake(load_settings().seedtest_lake).write_observations(DAY, table)

    def by(engine: IrtEngine) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [calibrate],
                partition_key=str(DAY),
                instance=instance,
                resources=resources_from(load_settings()) | {"engine": engine},
                raise_on_error=False,
            )

    return by
