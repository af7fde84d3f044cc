"""An answer that reaches the platform after its night: a check warns of it, a refresh takes it in."""

from datetime import datetime, time, timezone

import dagster as dg
import pytest

from seedtest_assets.cli.run_days import days_to_refresh
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.school import DAY_BEFORE, LAST, checks_of, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")

OF_LATE_ANSWERS = "observations", "source_matches_lake"


def test_late_answers_warn_and_a_refresh_takes_them_in(instance, night):
    execute(
        night,
        "INSERT INTO attempt (student_id, item_id, correct, topic_id, completed_at)"
        " SELECT 'offline-' || n, '5', true, 'topic-02', :at FROM generate_series(1, 100) AS n",
        at=datetime.combine(DAY_BEFORE, time(23, 59, 59, 999000), timezone.utc),
    )
    done = run_night(instance, LAST)
    assert done.failure is None
    check = checks_of(instance, done.run_id)[OF_LATE_ANSWERS]
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert f"{DAY_BEFORE} (+100)" in check.description
    assert "seedtest run --refresh" in check.metadata["what_to_do"].value
    assert any(line.startswith("WARN source_matches_lake: ") for line in done.failed_checks), "shown in the terminal"
    attempts = "SELECT partition_date, sum(attempts) FROM feature_history WHERE student_id LIKE 'offline-%' GROUP BY 1"
    assert rows_of(night, attempts) == []

    days = days_to_refresh(LAST)
    assert days == [DAY_BEFORE, LAST]
    refreshed = [run_night(instance, day) for day in days]
    assert [run.failure for run in refreshed] == [None, None]
    assert checks_of(instance, refreshed[-1].run_id)[OF_LATE_ANSWERS].passed
    assert rows_of(night, attempts) == [(DAY_BEFORE, 100)]
    abilities = (
        "SELECT partition_date, count(*) FROM ability_history WHERE student_id LIKE 'offline-%' GROUP BY 1 ORDER BY 1"
    )
    assert rows_of(night, abilities) == [(DAY_BEFORE, 100), (LAST, 100)]
    assert days_to_refresh(LAST) == []
