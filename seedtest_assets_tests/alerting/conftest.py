"""What the tests of alerts share: a webhook, an outbox in a database that is emptied between tests, Dagster instances."""

from collections.abc import Iterator

import dagster as dg
import pytest

from seedtest_assets.alerting.incidents import Outbox
from seedtest_assets.storage.database import Database
from seedtest_assets_tests.alerting.night import World
from seedtest_assets_tests.alerting.receivers import Webhook
from seedtest_assets_tests.conftest import execute, new_database

UI = "http://ui.example:3000/"
CONSOLIDATED = {"module": "dagster._core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"}
"""One file for all runs: the default storage makes a database for each."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that listens as long as the test runs."""
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def second_webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture(scope="session")
def alert_database(template: Database) -> Database:
    return new_database(template)


@pytest.fixture
def database(alert_database: Database) -> Database:
    """The database of the alerts' tests, without any incident."""
    execute(alert_database, "TRUNCATE incident, alert_message, alert_delivery, run_outcome RESTART IDENTITY")
    return alert_database


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """An outbox without channels: what is queued is read from its tables."""
    return Outbox(database=database, ui_url=UI)


@pytest.fixture
def world() -> Iterator[World]:
    """What goes wrong in the graph of these tests: nothing, until a test says so."""
    world = World.current
    world.reset()
    yield world
    world.reset()


@pytest.fixture(scope="session")
def _kept_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    folder = str(tmp_path_factory.mktemp("dagster"))
    storage = {**CONSOLIDATED, "config": {"base_dir": folder}}
    with dg.DagsterInstance.local_temp(folder, overrides={"event_log_storage": storage}) as instance:
        yield instance


@pytest.fixture
def kept_instance(_kept_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance with schedules and daemons, without any run."""
    _kept_instance.wipe()
    _kept_instance.wipe_daemon_heartbeats()
    return _kept_instance
