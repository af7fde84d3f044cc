"""A run's connections to Dagster's database: few, and not for longer than the run."""

import dagster as dg
import psycopg2
import pytest

from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.step.executor import in_process_executor
from seedtest_assets_tests.conftest import execute, rows_of

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def instance(empty_database, tmp_path):
    (tmp_path / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{empty_database.url}'}}}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def connections(monkeypatch) -> list:
    """Every connection that this process opens from now on."""
    opened, connect = [], psycopg2.connect

    def counted(*arguments, **named):
        opened.append(connect(*arguments, **named))
        return opened[-1]

    monkeypatch.setattr(psycopg2, "connect", counted)
    return opened


def ask_each_storage(instance) -> None:
    assert instance.get_runs() == []
    assert instance.fetch_materializations(dg.AssetKey("numbers"), limit=1).records == []
    assert instance.all_instigator_state() == []


def test_many_questions_are_asked_over_one_connection_of_each_storage_that_is_closed_at_the_end(instance, connections):
    with kept_connections(instance):
        for _ in range(4):
            ask_each_storage(instance)
        assert len(connections) == 3
    assert all(connection.closed for connection in connections)
    ask_each_storage(instance)
    assert all(connection.closed for connection in connections), "after the block it is as before"


def test_a_question_after_the_server_ended_the_session_is_answered(instance, empty_database):
    with kept_connections(instance):
        ask_each_storage(instance)
        kept = rows_of(empty_database, SESSIONS)
        assert len(kept) == 3
        execute(empty_database, f"SELECT pg_terminate_backend(pid, 5000) FROM ({SESSIONS}) AS kept")
        ask_each_storage(instance)
        assert not set(kept) & set(rows_of(empty_database, SESSIONS))


def test_a_block_within_another_leaves_the_connections_of_the_other(instance, connections):
    with kept_connections(instance):
        ask_each_storage(instance)
        with kept_connections(instance):
            ask_each_storage(instance)
        ask_each_storage(instance)
        assert len(connections) == 6
        assert [connection.closed for connection in connections] == [0, 0, 0, 1, 1, 1]


def test_a_run_needs_few_connections_and_leaves_none_and_no_lock(instance, empty_database, connections):
    @dg.asset
    def numbers() -> None:
        pass

    job = dg.Definitions([numbers], executor=in_process_executor).resolve_implicit_global_asset_job_def()
    with kept_connections(instance):
        assert job.execute_in_process(instance=instance).success
    assert len(connections) < 10
    assert rows_of(empty_database, SESSIONS) == []
    locks = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    assert rows_of(empty_database, locks) == []


def test_storage_that_is_not_on_postgresql_stays_as_it_is():
    with dg.DagsterInstance.ephemeral() as instance, kept_connections(instance):
        assert instance.get_runs() == []
