"""Loading a log into `attempt`: all of it or nothing, and the same file twice changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage import importing
from seedtest_assets.storage.importing import import_answers
from seedtest_assets_tests.conftest import execute, rows_of

GOOD = pd.DataFrame(
    {
        "student_id": ["s1", "s1", "s2"],
        "item_id": ["i1", "i2", "i1"],
        "topic_id": ["t", "t", "t"],
        "correct": [True, False, True],
        "completed_at": pd.to_datetime(["2025-03-09 10:00", "2025-03-09 10:01", "2025-03-10 10:00"], utc=True),
        "response_time_ms": [1000, 2000, 3000],
    }
)
BAD_CSV = """user_id,item_id,topic_id,is_correct,responded_at,response_time_ms
u1,i1,t,1,2025-03-09T00:00:00Z,5
,i1,t,1,2025-03-09T00:00:00Z,
u1,,t,1,2025-03-09T00:00:00Z,
u1,i2,t,maybe,2025-03-09T00:00:00Z,
u1,i3,t,0,2999-01-01T00:00:00Z,
u1,i4,t,0,yesterday,
u1,i5,t,1,2025-03-09T00:00:00Z,soon
u1,i1,t,0,2025-03-09 09:00:00+09:00,7
"""


def test_the_same_file_twice_changes_nothing(settings, platform, tmp_path):
    GOOD.to_parquet(tmp_path / "log.parquet")
    first, second = (import_answers(tmp_path / "log.parquet", settings) for _ in range(2))
    assert (first.n_new, second.n_new) == (3, 0)
    assert rows_of(platform, "SELECT count(*), count(DISTINCT id) FROM attempt") == [(3, 3)]


def test_known_answers_with_another_mark_or_score_are_counted_and_stay(settings, platform, tmp_path):
    scored = GOOD.assign(score=[2.0, 1.0, None], max_score=[2.0, 2.0, None])
    scored.to_parquet(tmp_path / "log.parquet")
    regraded = scored.assign(correct=[True, False, False], score=[2.0, 0.0, None], student_id=["s1", "s1", "s2"])
    regraded.to_parquet(tmp_path / "regraded.parquet")
    GOOD.assign(student_id=["s1", "s1", "new"]).to_parquet(tmp_path / "without_scores.parquet")
    first = import_answers(tmp_path / "log.parquet", settings)
    assert (first.n_new, first.n_known, first.n_changed) == (3, 0, 0)
    before = rows_of(platform, "SELECT * FROM attempt ORDER BY id")
    again = import_answers(tmp_path / "regraded.parquet", settings)
    assert (again.n_new, again.n_known, again.n_changed) == (0, 3, 2)
    assert rows_of(platform, "SELECT * FROM attempt ORDER BY id") == before
    # A file without scores does not say that there are none.
    marks = import_answers(tmp_path / "without_scores.parquet", settings)
    assert (marks.n_new, marks.n_known, marks.n_changed) == (1, 2, 0)


def test_the_command_says_what_was_not_changed(settings, platform, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", platform.url)
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    GOOD.to_csv(tmp_path / "log.csv", index=False)
    GOOD.assign(correct=[True, True, True]).to_csv(tmp_path / "regraded.csv", index=False)
    import_answers(tmp_path / "log.csv", settings)
    done = CliRunner().invoke(app, ["import", str(tmp_path / "regraded.csv")])
    assert "0 new, 3 already there, 0 bad" in done.output
    assert "not changed: 1 row already there with another mark or score" in " ".join(done.output.split())


def test_of_two_imports_at_once_the_second_waits_and_adds_nothing_twice(settings, platform, tmp_path):
    GOOD.to_parquet(tmp_path / "log.parquet")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with platform.session() as first, ThreadPoolExecutor(1) as pool:
        first.exec_driver_sql("SELECT pg_advisory_lock(hashtext('seedtest import'))")
        second = pool.submit(import_answers, tmp_path / "log.parquet", settings)
        while rows_of(platform, waiting) != [(1,)]:
            assert not second.done(), "the second import did not wait"
        first.exec_driver_sql(
            "INSERT INTO attempt (student_id, item_id, topic_id, correct, completed_at) "
            "VALUES ('s1', 'i1', 't', true, '2025-03-09 10:00+00')"
        )
        first.exec_driver_sql("SELECT pg_advisory_unlock(hashtext('seedtest import'))")
        assert second.result().n_new == 2


def test_an_import_that_waits_too_long_for_another_says_so(settings, platform, tmp_path):
    GOOD.to_parquet(tmp_path / "log.parquet")
    impatient = settings.model_copy(update={"seedtest_lock_timeout_secs": 1})
    with platform.session() as first:
        first.exec_driver_sql("SELECT pg_advisory_lock(hashtext('seedtest import'))")
        with pytest.raises(TransientError, match="waited too long for a lock"):
            import_answers(tmp_path / "log.parquet", impatient)
        first.exec_driver_sql("SELECT pg_advisory_unlock(hashtext('seedtest import'))")
    assert rows_of(platform, "SELECT count(*) FROM attempt") == [(0,)]


def test_a_longer_log_adds_only_what_is_new(settings, platform, tmp_path):
    GOOD.head(2).to_csv(tmp_path / "short.csv", index=False)
    GOOD.to_csv(tmp_path / "long.csv", index=False)
    import_answers(tmp_path / "short.csv", settings)
    assert import_answers(tmp_path / "long.csv", settings).n_new == 1


def test_bad_rows_stop_the_load_with_reasons_and_rows_and_change_nothing(settings, platform, tmp_path):
    (tmp_path / "bad.csv").write_text(BAD_CSV)
    with pytest.raises(InputError) as raised:
        import_answers(tmp_path / "bad.csv", settings)
    message = str(raised.value)
    assert "7 bad rows and nothing was loaded" in message
    for part in (
        "no student_id (1 row: 2)",
        "no item_id (1 row: 3)",
        "the mark maybe is neither correct nor incorrect (1 row: 4)",
        "completed_at is later than tomorrow (1 row: 5)",
        "completed_at is no time: yesterday (1 row: 6)",
        "response_time_ms is no number of milliseconds: soon (1 row: 7)",
        "the same student, item and time twice (1 row: 1)",
        "Correct them, or add --skip-bad. Row 1 is the first below the header",
    ):
        assert part in message
    assert rows_of(platform, "SELECT count(*) FROM attempt") == [(0,)]


def test_skip_bad_loads_the_rest_and_counts(settings, platform, tmp_path):
    (tmp_path / "bad.csv").write_text(BAD_CSV)
    done = import_answers(tmp_path / "bad.csv", settings, skip_bad=True)
    assert (done.n_rows, done.n_bad, done.n_new) == (8, 7, 1)
    assert rows_of(platform, "SELECT student_id, item_id, correct, response_time_ms FROM attempt") == [
        ("u1", "i1", False, 7)
    ]


def test_a_missing_column_is_named(settings, tmp_path):
    GOOD.drop(columns="topic_id").to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match=r"log\.csv has no column topic_id\. It has student_id, item_id"):
        import_answers(tmp_path / "log.csv", settings)


def test_a_file_that_is_not_there_or_no_parquet(settings, tmp_path):
    (tmp_path / "text.parquet").write_text("not parquet")
    for name in ("text.parquet", "none.csv"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            import_answers(tmp_path / name, settings)


def test_a_database_with_its_own_column_types(settings, platform, tmp_path):
    execute(platform, "ALTER TABLE attempt ALTER COLUMN item_id TYPE bigint USING item_id::bigint")
    GOOD.assign(item_id=["1", "2", "1"]).to_csv(tmp_path / "log.csv", index=False)
    assert import_answers(tmp_path / "log.csv", settings).n_new == 3
    assert import_answers(tmp_path / "log.csv", settings).n_new == 0


def test_a_load_that_the_database_refuses_leaves_nothing(settings, platform, tmp_path):
    execute(platform, "ALTER TABLE attempt ADD CHECK (item_id <> 'i2')")
    GOOD.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match="refuses the statement"):
        import_answers(tmp_path / "log.csv", settings)
    assert rows_of(platform, "SELECT count(*) FROM attempt") == [(0,)]


@pytest.fixture
def embedded(settings, platform, monkeypatch):
    """The settings of a deployment without DATABASE_URL, whose embedded server has the platform's database."""
    monkeypatch.setattr(importing, "prepared_database", lambda settings: platform)
    return settings.model_copy(update={"database_url": None})


def file_of_attempt(platform):
    """The number of the file of `attempt`, which is another one after TRUNCATE."""
    ((number,),) = rows_of(platform, "SELECT pg_relation_filenode('attempt')")
    return number


@pytest.mark.parametrize("in_order", [True, False])
def test_an_empty_embedded_table_is_truncated_so_that_its_rows_need_no_log(embedded, platform, tmp_path, in_order):
    (GOOD if in_order else GOOD[::-1]).to_csv(tmp_path / "log.csv", index=False)
    before = file_of_attempt(platform)
    assert import_answers(tmp_path / "log.csv", embedded).n_new == 3
    after = file_of_attempt(platform)
    assert after != before
    GOOD.assign(completed_at=GOOD["completed_at"] + pd.Timedelta("9D")).to_csv(tmp_path / "later.csv", index=False)
    assert import_answers(tmp_path / "later.csv", embedded).n_new == 3
    assert file_of_attempt(platform) == after
    assert rows_of(platform, "SELECT count(*) FROM attempt") == [(6,)]


def test_answers_that_come_while_an_import_waits_for_the_empty_table_stay(embedded, platform, tmp_path, monkeypatch):
    """And readers are not kept out of a table that has rows."""
    locked, stream = [], importing._stream

    def streamed(*arguments):
        locked.append(rows_of(platform, waiting.replace("NOT granted", "granted")))
        return stream(*arguments)

    monkeypatch.setattr(importing, "_stream", streamed)
    GOOD.to_csv(tmp_path / "log.csv", index=False)
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = to_regclass('attempt') AND mode = 'AccessExclusiveLock' AND NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with platform.transaction() as other:
            other.exec_driver_sql(
                "INSERT INTO attempt (student_id, item_id, correct, completed_at) VALUES ('other', 'i1', true, '2025-01-01 10:00+00')"
            )
            done = pool.submit(import_answers, tmp_path / "log.csv", embedded)
            while other.exec_driver_sql(waiting).all() != [(1,)]:
                assert not done.done(), "the import did not wait"
        assert done.result().n_new == 3
    assert locked == [[(0,)]]
    assert rows_of(platform, "SELECT count(*) FROM attempt") == [(4,)]


def test_an_empty_embedded_table_that_others_refer_to_is_filled_as_it_is(embedded, platform, tmp_path):
    execute(platform, "ALTER TABLE attempt ADD UNIQUE (id)")
    execute(platform, "CREATE TABLE remark (attempt_id bigint REFERENCES attempt (id))")
    GOOD.to_parquet(tmp_path / "log.parquet")
    before = file_of_attempt(platform)
    assert import_answers(tmp_path / "log.parquet", embedded).n_new == 3
    assert file_of_attempt(platform) == before


def test_an_empty_table_of_the_platforms_own_server_is_not_truncated(settings, platform, tmp_path):
    GOOD.to_parquet(tmp_path / "log.parquet")
    before = file_of_attempt(platform)
    assert import_answers(tmp_path / "log.parquet", settings).n_new == 3
    assert file_of_attempt(platform) == before


def test_no_attempt_table_to_load_into(settings, platform, tmp_path):
    execute(platform, "DROP TABLE attempt")
    GOOD.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match="has no table attempt to load into"):
        import_answers(tmp_path / "log.csv", settings)
