"""Days whose answers changed in the source after they were extracted."""

from datetime import date, datetime, time, timedelta, timezone

import pytest

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import DayCount, last_days_counted
from seedtest_assets.storage.sources import find_source
from seedtest_assets_tests.conftest import execute

DAY = date(2025, 3, 9)


def answer(database, day, item, at=time(12)):
    execute(
        database,
        "INSERT INTO attempt (student_id, item_id, correct, completed_at) VALUES ('s', :item, true, :at)",
        item=item,
        at=datetime.combine(day, at, timezone.utc),
    )


@pytest.fixture
def extracted(settings, platform):
    """Ten days in the lake, of one answer each."""
    source, lake = find_source(settings, platform), Lake(settings.seedtest_lake)
    for days_ago in range(10):
        answer(platform, DAY - timedelta(days_ago), "first")
    write_days(source, lake, DAY - timedelta(9), DAY)
    return source, lake


def write_days(source, lake, first, last):
    for day, answers in source.answers_by_day(first, last):
        lake.write_observations(day, answers.table)


def late(source, lake, last) -> dict[date, int]:
    return {count.day: count.late for count in last_days_counted(source, lake, last) if count.late}


def test_nothing_differs_after_an_extraction(extracted):
    assert last_days_counted(*extracted, DAY) == [DayCount(DAY - timedelta(ago), 1, 1) for ago in range(6, -1, -1)]


def test_answers_that_came_late_are_found_on_the_last_seven_days(extracted, platform):
    answer(platform, DAY, "late", time(23, 59, 59, 999000))
    answer(platform, DAY - timedelta(6), "late", time(0))
    answer(platform, DAY - timedelta(7), "too late to be checked")
    assert late(*extracted, DAY) == {DAY - timedelta(6): 1, DAY: 1}


def test_answers_that_went_away_are_found(extracted, platform):
    execute(platform, "DELETE FROM attempt WHERE completed_at >= :day", day=DAY)
    assert late(*extracted, DAY) == {DAY: -1}


def test_a_day_that_was_never_extracted_is_not_late(extracted, platform):
    answer(platform, DAY + timedelta(1), "tomorrow")
    assert late(*extracted, DAY + timedelta(1)) == {}


def test_rows_that_an_extraction_leaves_out_do_not_count(database, settings):
    execute(database, "DROP TABLE attempt")
    execute(
        database,
        "CREATE VIEW attempt AS SELECT * FROM (VALUES ('s', 'i', true, :at), ('s', 'i', false, :at), (NULL, 'i', true, :at),"
        " ('s', 'j', NULL, :at)) AS rows (student_id, item_id, correct, completed_at)".replace(
            ":at", f"timestamptz '{DAY} 09:00+00'"
        ),
    )
    source, lake = find_source(settings, database), Lake(settings.seedtest_lake)
    write_days(source, lake, DAY, DAY)
    assert source.counts(DAY, DAY) == {DAY: 1}
    assert lake.observations_count(DAY) == 1
    assert last_days_counted(source, lake, DAY) == [DayCount(DAY, 1, 1)]


def test_a_file_is_counted_like_a_table(tmp_path, settings, platform):
    log = tmp_path / "log.csv"
    log.write_text(
        f"student_id,item_id,correct,completed_at\ns,i,1,{DAY}T09:00:00Z\ns,i,1,{DAY}T09:00:00Z\ns,,1,{DAY}T09:00:00Z\n"
    )
    source = find_source(settings.model_copy(update={"seedtest_attempt_source": str(log)}), platform)
    lake = Lake(settings.seedtest_lake)
    write_days(source, lake, DAY, DAY)
    assert last_days_counted(source, lake, DAY) == [DayCount(DAY, 1, 1)]
