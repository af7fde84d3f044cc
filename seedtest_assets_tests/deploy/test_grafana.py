"""The Grafana dashboard: every query of it, against the tables of real runs, good ones and bad ones."""

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
import yaml

from seedtest_assets.alerting.incidents import Outbox
from seedtest_assets.alerting.monitor import monitor, read_state
from seedtest_assets.dagster_log.calibration_runs import calibration_runs
from seedtest_assets.report.data import CalibrationRun
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database
from seedtest_assets_tests.conftest import NIGHT, ROOT, deploy, new_database, rows_of
from seedtest_assets_tests.engines.remote.service_double import double, hangs
from seedtest_assets_tests.school import LAST, N_ITEMS, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD = json.loads((FOLDER / "dashboards" / "seedtest.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
# The small school has no partial credit. Of the first item nobody has 0, of the second nobody has 1.
STEPS = """
UPDATE item_history SET model = 'GPCM', steps = of_item.steps
FROM (VALUES ('first', '{-Infinity,-0.5,0.7}'::float8[]), ('second', '{NULL,0.2,1.3}')) AS of_item (place, steps)
WHERE item_id = CASE place WHEN 'first' THEN (SELECT min(item_id) FROM item_history) ELSE (SELECT max(item_id) FROM item_history) END
"""


@dataclass(frozen=True, kw_only=True)
class Nights:
    """A night that succeeded and two whose service did not answer or was not there, after a pass of the incident sensor."""

    database: Database
    instance: dg.DagsterInstance
    runs: list[CalibrationRun]

    def pass_of_the_sensor(self) -> None:
        """As its first of all, which reads all of a day again."""
        now = datetime.now(timezone.utc)
        outbox = Outbox(database=self.database, ui_url="http://ui.example")
        monitor(self.instance, outbox, load_settings(), read_state(None, now), now)


@pytest.fixture(scope="module")
def nights(template, night_template, tmp_path_factory):
    database, lake = new_database(template, like=NIGHT), tmp_path_factory.mktemp("grafana") / "lake"
    shutil.copytree(night_template, lake)
    shutil.rmtree(lake / f"observations/date={LAST - timedelta(days=3)}")  # so that a run fills the lake first
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        deploy(environment, database, lake)
        assert run_night(instance, LAST).failure is None
        with double(hangs) as service:
            environment.setenv("R_IRT_BASE_URL", service.url)
            environment.setenv("R_IRT_TIMEOUT_SECS", "0.2")
            assert run_night(instance, LAST).failure
        assert run_night(instance, LAST).failure
        nights = Nights(database=database, instance=instance, runs=calibration_runs(instance, 10))
        nights.pass_of_the_sensor()
        with database.transaction() as connection:
            connection.exec_driver_sql(STEPS)
        yield nights


def choices(connection) -> list[str]:
    """The values of the variable `item`, the first of which is chosen when the dashboard opens."""
    query = VARIABLES["item"]["query"].replace("${schema}", VARIABLES["schema"]["query"])
    return [row[0] for row in connection.exec_driver_sql(query)]


def as_grafana_asks(query: str, item: str, hours: int = 24) -> str:
    """The query with variables and macros filled in as Grafana's PostgreSQL data source does, for the hours until now."""
    low, high = f"now() - interval '{hours} hours'", "now() + interval '1 hour'"
    query = query.replace("${schema}", VARIABLES["schema"]["query"])
    query = query.replace("${item:sqlstring}", "'" + item.replace("'", "''") + "'")
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {low} AND {high}", query)
    assert "$" not in query, "a macro or variable that this test does not know"
    return query


def answer(nights: Nights, title: str, item: int = 0, **how: int) -> list[tuple]:
    panel = PANELS[title]
    (target,) = panel["targets"]
    assert target["datasource"] == panel["datasource"]
    with nights.database.transaction() as connection:
        query = as_grafana_asks(target["rawSql"], choices(connection)[item], **how)
        query = query.replace("%", "%%")  # the driver's own escape
        return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.mark.parametrize("title", PANELS)
def test_every_query_runs_and_gives_something(nights, title):
    rows = answer(nights, title)
    assert rows, title
    assert any(value is not None for value in rows[-1])


@pytest.mark.parametrize("title", PANELS)
def test_every_query_runs_for_a_time_without_any_run(nights, title):
    answer(nights, title, hours=0)


def test_calibrations_are_counted_as_they_ended_without_the_runs_that_fill_the_lake(nights):
    assert answer(nights, "Calibrations succeeded") == [(1,)]
    assert answer(nights, "Calibrations failed") == [(2,)]
    ((seconds,),) = answer(nights, "Mean duration")
    assert 0 < seconds < 600
    durations = answer(nights, "Run duration")
    assert [(row[1] is None, row[2] is None) for row in durations] == [(False, True), (True, False), (True, False)]


def test_time_outs_are_counted_apart_from_the_other_retries(nights):
    assert sum(row[1] for row in answer(nights, "Retries and service time-outs")) == 6
    assert sum(row[2] for row in answer(nights, "Retries and service time-outs")) == 4
    assert answer(nights, "IRT service: success rate") == [(0.0,)]


def test_the_report_counts_as_the_dashboard_does(nights):
    assert [run.status for run in nights.runs] == ["SUCCESS", "FAILURE", "FAILURE"]
    assert [(run.retries, run.service_errors, run.service_timeouts) for run in nights.runs] == [
        (0, 0, 0),
        (3, 4, 4),
        (3, 4, 0),
    ]


def test_the_calibrations_are_those_of_the_table(nights):
    answers = rows_of(
        nights.database, "SELECT (model_spec->>'n_observations')::float8 FROM fit_history ORDER BY partition_date"
    )
    assert [(row[1],) for row in answer(nights, "Answers and students")] == answers
    assert [row[1:] for row in answer(nights, "Items and anchors used")][-1][0] == N_ITEMS
    assert answer(nights, "Nights linked") == [(1.0,)]
    newest, _ = answer(nights, "Last calibrations")
    assert newest[0] == LAST
    assert newest[5] == "anchors"
    constants = [row[1:] for row in answer(nights, "Linking constants")]
    assert constants[-2:] == [("slope A", newest[6]), ("intercept B", newest[7])]
    assert [row[2] for row in answer(nights, "Items and anchors used")][-1] == newest[8]


def test_every_block_has_its_constants_and_its_anchors(nights):
    block = '{"A": 0.5, "B": 2.5, "n_anchors_used": 3, "screened_out": {"x": "drifted"}}'
    before = [row[2:] for row in answer(nights, "Items and anchors used")][-1]
    with nights.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE fit_history SET model_spec = jsonb_set(model_spec, '{linking_constants,other_blocks}', "
            f"jsonb_build_array('{block}'::jsonb))"
        )
    try:
        constants = [row[1:] for row in answer(nights, "Linking constants")]
        assert constants[-2:] == [("slope A, block 2", 0.5), ("intercept B, block 2", 2.5)]
        assert [row[2:] for row in answer(nights, "Items and anchors used")][-1] == (before[0] + 3, before[1] + 1)
    finally:
        with nights.database.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE fit_history SET model_spec = model_spec #- '{linking_constants,other_blocks}'"
            )


def test_a_run_has_one_row_however_often_the_sensor_reads_it(nights):
    outcomes = "SELECT * FROM run_outcome ORDER BY started_at, run_id"
    before = rows_of(nights.database, outcomes)
    nights.pass_of_the_sensor()
    assert rows_of(nights.database, outcomes) == before
    assert {run.run_id for run in nights.runs} < {row[0] for row in before}, "the run that filled the lake has one, too"


def test_items_are_counted_by_model(nights):
    assert [row[1:] for row in answer(nights, "Items by model")][-2:] == [("2PL", N_ITEMS - 2), ("GPCM", 2)]


def test_items_with_partial_credit_can_be_chosen_and_show_their_steps(nights):
    first, second = (answer(nights, "Steps of ${item}", item=item) for item in (0, 1))
    assert [row[1:] for row in first][-2:] == [("b_2", -0.5), ("b_3", 0.7)]
    assert [row[1:] for row in second][-2:] == [("b_2", 0.2), ("b_3", 1.3)]
    assert {row[1] for row in first + second} == {"b_2", "b_3"}


def test_a_role_that_reads_three_tables_is_enough(nights):
    """The grants of docs/report.md."""
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    (grants,) = [block for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "grafana" in block]
    with nights.database.transaction() as connection:
        for statement in grants.strip().split(";")[:-1]:
            connection.exec_driver_sql(statement.strip())
        connection.exec_driver_sql("SET LOCAL ROLE grafana")
        for panel in DASHBOARD["panels"]:
            query = as_grafana_asks(panel["targets"][0]["rawSql"], choices(connection)[0])
            connection.exec_driver_sql(query.replace("%", "%%"))
        connection.rollback()


def test_panels_do_not_overlap_and_have_their_own_ids():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_data_sources_are_those_that_provisioning_makes():
    made = yaml.safe_load((FOLDER / "provisioning/datasources/seedtest.yaml").read_text())["datasources"]
    assert {(source["type"], source["uid"]) for source in made} == {
        (panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in DASHBOARD["panels"]
    }
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/seedtest.yaml").read_text())["providers"]
    assert Path(provider["options"]["path"]).name == "seedtest"
