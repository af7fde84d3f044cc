"""The Grafana dashboard: every query of it, against the tables of real runs, good ones and bad ones."""

import json
import re
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
import yaml

from seedtest_assets.cli.demo import load_school, simulate_school
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.dagster_log.calibration_runs import calibration_runs
from seedtest_assets_tests.conftest import ROOT, new_database, rows_of
from seedtest_assets_tests.engines.remote.service_double import double, hangs

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD = json.loads((FOLDER / "dashboards" / "seedtest.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
LAST = date(2025, 3, 10)


@pytest.fixture(scope="module")
def databases(template, tmp_path_factory):
    """The platform's database and Dagster's, after a night that succeeded and two runs whose service did not answer or was not there."""
    platform = new_database(template)
    urls = {"seedtest-platform": platform, "seedtest-dagster": new_database(template, like="template0")}
    load_school(platform, simulate_school(LAST, n_days=11, n_students=150, n_items=20, n_topics=4, n_anchors=8))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", platform.url)
        environment.setenv("SEEDTEST_LAKE", str(tmp_path_factory.mktemp("lake")))
        environment.setenv("MIRT_LOOKBACK_DAYS", "10")
        with dg.instance_for_test(overrides=postgres_storage(urls["seedtest-dagster"])) as instance:
            assert run_day(instance, LAST, lambda line: None).failure is None
            with double(hangs) as service:
                environment.setenv("R_IRT_BASE_URL", service.url)
                environment.setenv("R_IRT_TIMEOUT_SECS", "0.2")
                assert "did not answer in full" in run_day(instance, LAST, lambda line: None).failure
            assert "is not reached" in run_day(instance, LAST, lambda line: None).failure
            urls["runs"] = calibration_runs(instance, 10)
    return urls


def postgres_storage(url: str) -> dict:
    url = url.replace("postgresql://", "postgresql+psycopg2://")
    return {"storage": {"postgres": {"postgres_url": url}}}


def as_grafana_asks(query: str, hours: int = 24) -> str:
    """The query with Grafana's macros filled in as its PostgreSQL data source does, for the hours until now."""
    low, high = f"now() - interval '{hours} hours'", "now() + interval '1 hour'"
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {low} AND {high}", query)
    query = re.sub(
        r"\$__unixEpochFilter\((\w+)\)", rf"\1 >= extract(epoch FROM {low}) AND \1 <= extract(epoch FROM {high})", query
    )
    assert "$" not in query, "a macro that this test does not know"
    return query


def answer(databases, title: str, **how) -> list[tuple]:
    panel = PANELS[title]
    (target,) = panel["targets"]
    assert target["datasource"] == panel["datasource"]
    with databases[target["datasource"]["uid"]].transaction() as connection:
        query = as_grafana_asks(target["rawSql"], **how).replace("%", "%%")  # the driver's own escape
        return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.mark.parametrize("title", PANELS)
def test_every_query_runs_and_gives_something(databases, title):
    rows = answer(databases, title)
    assert rows, title
    assert any(value is not None for value in rows[-1])


@pytest.mark.parametrize("title", PANELS)
def test_every_query_runs_for_a_time_without_any_run(databases, title):
    answer(databases, title, hours=0)


def test_calibrations_are_counted_as_they_ended_without_the_runs_that_fill_the_lake(databases):
    assert answer(databases, "Calibrations succeeded") == [(1,)]
    assert answer(databases, "Calibrations failed") == [(2,)]
    ((seconds,),) = answer(databases, "Mean duration")
    assert 0 < seconds < 600
    durations = answer(databases, "Run duration")
    assert [(row[1] is None, row[2] is None) for row in durations] == [(False, True), (True, False), (True, False)]


def test_time_outs_are_told_from_the_other_retries(databases):
    assert sum(row[1] for row in answer(databases, "Retries and service time-outs")) == 6
    assert sum(row[2] for row in answer(databases, "Retries and service time-outs")) == 4
    assert answer(databases, "IRT service: success rate") == [(0.0,)]


def test_the_report_counts_as_the_dashboard_does(databases):
    runs = databases["runs"]
    assert [run.status for run in runs] == ["SUCCESS", "FAILURE", "FAILURE"]
    assert [(run.retries, run.service_errors, run.service_timeouts) for run in runs] == [
        (0, 0, 0),
        (3, 4, 4),
        (3, 4, 0),
    ]


def test_the_calibrations_are_those_of_the_table(databases):
    answers = rows_of(
        databases["seedtest-platform"],
        "SELECT (model_spec->>'n_observations')::float8 FROM fit_history ORDER BY partition_date",
    )
    assert [(row[1],) for row in answer(databases, "Answers and students")] == answers
    assert [row[1:] for row in answer(databases, "Items and anchors used")][-1][0] == 20
    assert answer(databases, "Nights linked") == [(1.0,)]
    (newest,) = answer(databases, "Last calibrations")
    assert newest[0] == LAST
    assert newest[5] == "anchors"
    assert [row[1:] for row in answer(databases, "Linking constants")] == [newest[6:8]]


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
