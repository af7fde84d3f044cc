"""An answer that reaches the platform after its night: told by a check, taken in by a refresh."""

from datetime import date, datetime, time, timedelta, timezone

import dagster as dg
import pytest

from seedtest_assets.cli.demo import load_school, simulate_school
from seedtest_assets.cli.run_days import days_to_refresh, run_day
from seedtest_assets_tests.conftest import execute, rows_of

LAST = date(2025, 3, 20)
LATE_DAY = LAST - timedelta(days=1)


@pytest.fixture
def two_nights(platform, monkeypatch):
    """An instance on which LATE_DAY and LAST have run; gives `night(day)`, which runs one and gives its check."""
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "8")
    load_school(platform, simulate_school(LAST, n_days=9, n_students=300, n_items=24, n_topics=3, n_anchors=8))
    with dg.DagsterInstance.ephemeral() as instance:

        def night(day):
            done = run_day(instance, day, lambda line: None)
            assert done.failure is None
            events = instance.get_records_for_run(
                done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records
            checks = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in events]
            (check,) = [check for check in checks if check.check_name == "source_matches_lake"]
            return check

        night(LATE_DAY)
        assert night(LAST).passed
        yield night


def test_late_answers_are_told_and_a_refresh_takes_them_in(two_nights, platform):
    execute(
        platform,
        "INSERT INTO attempt (student_id, item_id, correct, topic_id, completed_at)"
        " SELECT 'offline-' || n, '5', true, 'topic-02', :at FROM generate_series(1, 100) AS n",
        at=datetime.combine(LATE_DAY, time(23, 59, 59, 999000), timezone.utc),
    )
    told = two_nights(LAST)
    assert (told.passed, told.severity, told.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert f"{LATE_DAY} (+100)" in told.description
    attempts = "SELECT date, sum(attempts) FROM features_topic_daily WHERE user_id LIKE 'offline-%' GROUP BY date"
    assert rows_of(platform, attempts) == []

    days = days_to_refresh(LAST)
    assert days == [LATE_DAY, LAST]
    checks = [two_nights(day) for day in days]
    assert checks[-1].passed
    assert rows_of(platform, attempts) == [(LATE_DAY, 100)]
    abilities = "SELECT partition_date, count(*) FROM mirt_ability WHERE user_id LIKE 'offline-%' GROUP BY 1 ORDER BY 1"
    assert rows_of(platform, abilities) == [(LATE_DAY, 100), (LAST, 100)]
    assert days_to_refresh(LAST) == []
