"""What the tests share: one embedded PostgreSQL for all workers, a fresh database and lake for each test."""

import os
import shutil
import sys
import tempfile

# Where the environment forbids bytecode, every interpreter that tests start would compile the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Read when NumPy loads: threads of its linear algebra busy the cores that other workers need, by waiting for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when the code location loads, so before any of it is imported.
os.environ["MIRT_RETRY_DELAY_SECS"] = "0.01"
for name in ("DATABASE_URL", "SEEDTEST_LAKE", "SEEDTEST_ATTEMPT_SOURCE", "R_IRT_BASE_URL", "SEEDTEST_START_DATE"):
    os.environ.pop(name, None)

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster._core.storage.defs_state.base import DefsStateStorage
from filelock import FileLock

from seedtest_assets import env_file
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, migrate, sql
from seedtest_assets.storage.embedded import start_embedded, stop_embedded
from seedtest_assets.storage.postgres_server import socket_folder
from seedtest_assets_tests import no_pictures

env_file.NAME = ".env of no developer"  # so that a file in the checkout does not change what is tested

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
"""Where a real answer log is, on some machines only."""
NO_REAL_LOG = "a log of real answers, which cannot be published, is not beside this checkout"

_SERVER_FOLDER = "SEEDTEST_TESTS_SERVER"
"""Environment variable: the folder of the embedded PostgreSQL, set by the process that starts the workers."""
TEMPLATE, SCHOOL, NIGHT = "template_platform", "template_school", "template_night"

# Fixtures that start a server, a service, Dagster's commands or a browser. Tests that come to use one of them, however indirectly, are marked slow,
# as are those that say so themselves, because they start an interpreter or take seconds; `make test-fast` leaves both out.
STARTING_FIXTURES = frozenset(
    {"template", "home", "postgres", "project", "service", "run_service", "opened", "dask_cluster"}
)

DEAREST = (
    # Where `make warm` did not, the first compiles the kernels; the two after it need none.
    "test_ui_in_browser.py",
    "test_end_to_end.py",
    "test_run_days.py",
    "test_chaos.py",
    "test_commands.py",
    "test_demo.py",
    "test_takeover.py",
    "test_network.py",
    "test_in_the_graph.py",
    "test_daemon.py",
    "test_service_operation.py",
    "test_page.py",
    "test_calibration_report.py",
    "test_sign_of_life.py",
    "test_linking_partial_credit.py",
    "test_narrow_posteriors.py",
    "test_graph.py",
    "test_private_server.py",
    "test_recovery.py",
    "test_migrations.py",
    "test_one_transaction.py",
    "test_backfill.py",
    "test_newest_day_wins.py",
    "test_edges.py",
    "test_warm_up.py",
    "test_dif.py",
    "test_partial_credit.py",
    "test_grafana.py",
    "test_publish_and_compare.py",
    "test_run_events.py",
    "test_from_version_0_1_0.py",
    "test_daily_log.py",
    "test_service_fuzz.py",
    "test_guessing_of_the_bank.py",
    "test_doctor.py",
    "test_embedded.py",
    "test_sources.py",
)
"""Names of the test files that take most of the time, the longest first."""

ONE_WORKER = (("/engines/cluster/", "/test_night_on_a_cluster.py"), ("/service/",), ("/report/",))
"""Folders and files that run on one worker, because they share what takes seconds to start or to calibrate."""

_number = count()


@pytest.fixture(autouse=True, scope="session")
def no_closed_instance():
    """Load definitions without state storage: ours keep no state there.

    Dagster keeps that of the instance opened last. Instances of fixtures that many tests share end in another order than
    they began, some only when the garbage collector finds them, and would leave one behind that is gone.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DefsStateStorage, "get", classmethod(lambda _: None))
        yield


def pytest_addoption(parser):
    parser.addoption("--screenshots", type=Path, help="folder to keep what the browser tests see in, as in docs/")


def pytest_collection_modifyitems(items):
    """Mark the tests that start something, and order the files by DEAREST, so that the workers end at about the same time."""
    for item in items:
        if STARTING_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: DEAREST.index(item.path.name) if item.path.name in DEAREST else len(DEAREST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the files of each line of ONE_WORKER to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            own = super()._split_scope(nodeid)
            return next((places[0] for places in ONE_WORKER if any(place in nodeid for place in places)), own)

    return Scheduling(config, log)


@pytest.fixture
def screenshot(request):
    """Keeps what a browser shows as NAME.png, where --screenshots says so."""
    folder = request.config.getoption("screenshots")

    def keep(driver, name: str) -> None:
        if folder:
            driver.save_screenshot(str(folder / f"{name}.png"))

    return keep


def pytest_configure(config):
    """Give all workers one folder for the server that they share."""
    if not hasattr(config, "workerinput"):
        os.environ[_SERVER_FOLDER] = tempfile.mkdtemp(prefix="seedtest-tests-")


def pytest_unconfigure(config):
    """Stop the server when the last worker has ended."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(_SERVER_FOLDER))
        stop_embedded(folder)
        shutil.rmtree(socket_folder(folder), ignore_errors=True)  # no test may have started the server
        shutil.rmtree(folder)


def python_path() -> str:
    """PYTHONPATH of processes that tests start: this checkout, before what it is in this process."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def server_folder() -> Path:
    """The folder of the embedded PostgreSQL that all workers share."""
    return Path(os.environ[_SERVER_FOLDER])


@pytest.fixture(scope="session")
def template():
    """A database with the platform's and the result tables, to copy from; nobody stays connected to it."""
    database = Database(start_embedded(TEMPLATE, server_folder()))
    with once_for_all_workers("template") as first:
        if first:
            _prepare_template(database)
    return database


@pytest.fixture(scope="session")
def school_template(template):
    """The template with the answers of the small school."""
    # Imported here, as Dagster is below, so that tests that need neither start at once.
    from seedtest_assets.cli.simulated_school import load_school
    from seedtest_assets_tests.school import small_school

    with once_for_all_workers(SCHOOL) as first:
        if first:
            load_school(new_database(template, name=SCHOOL), small_school())
    return template


@pytest.fixture(scope="session")
def night_template(school_template):
    """The same after the night of DAY_BEFORE; gives the night's lake."""
    import dagster as dg

    from seedtest_assets_tests.school import DAY_BEFORE, run_night

    lake = server_folder() / "lake"
    with once_for_all_workers(NIGHT) as first:
        if first:
            database = new_database(school_template, like=SCHOOL, name=NIGHT)
            with (
                pytest.MonkeyPatch.context() as environment,
                dg.DagsterInstance.ephemeral() as instance,
                replaced(no_pictures.REPORT | no_pictures.PICTURES),
            ):
                deploy(environment, database, lake)
                assert run_night(instance, DAY_BEFORE).failure is None
    return lake


@pytest.fixture
def database(template):
    """A fresh database with all tables, empty."""
    return new_database(template)


@pytest.fixture
def empty_database(template):
    """A fresh database without any table."""
    return new_database(template, like="template0")


@pytest.fixture
def platform(database, tmp_path, monkeypatch):
    """The environment of a deployment: DATABASE_URL and SEEDTEST_LAKE; gives the database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path / "lake"))
    return database


@pytest.fixture
def school(school_template, tmp_path, monkeypatch):
    """A deployment with the answers of the small school and no night yet; gives its database."""
    database = new_database(school_template, like=SCHOOL)
    deploy(monkeypatch, database, tmp_path / "lake")
    return database


@pytest.fixture
def night(template, night_template, tmp_path, monkeypatch):
    """The same after the night of DAY_BEFORE, with its lake."""
    database = new_database(template, like=NIGHT)
    shutil.copytree(night_template, tmp_path / "lake")
    deploy(monkeypatch, database, tmp_path / "lake")
    return database


@pytest.fixture
def instance():
    """A Dagster instance that ends with the test."""
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def undrawn():
    """Pictures of nights are laid out, but not drawn, which is half of a small night: for files that look at reports, but not at pictures.

    Like the next fixtures it lasts as long as the file, so that nights which its tests share are as fast.
    """
    with drawing_nothing():
        yield


@pytest.fixture
def words_only():
    """The same for one test, which looks at the words of a report."""
    with drawing_nothing():
        yield


@contextmanager
def drawing_nothing():
    """A block in which pictures are empty files."""
    from matplotlib.figure import Figure

    empty = {"png": b"\x89PNG", "svg": "<svg ></svg>"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, file, *, format, **how: file.write(empty[format]))
        yield


@pytest.fixture(scope="module")
def without_report():
    """Nights make an empty report: for files that do not look at it."""
    with replaced(no_pictures.REPORT):
        yield


@pytest.fixture(scope="module")
def without_small_pictures():
    """Nights make empty pictures for the UI: for files that do not look at them."""
    with replaced(no_pictures.PICTURES):
        yield


@contextmanager
def replaced(functions: Mapping[str, Mapping[str, Callable]]):
    """A block in which modules have other functions."""
    with pytest.MonkeyPatch.context() as patch:
        for module, changes in functions.items():
            for name, function in changes.items():
                patch.setattr(import_module(module), name, function)
        yield


@pytest.fixture(scope="module")
def without_pictures(without_report, without_small_pictures):
    """Neither, which saves two thirds of a small night."""


@pytest.fixture
def started_without_pictures(monkeypatch):
    """Neither in nights of the processes that a test starts."""
    monkeypatch.setenv("PYTHONPATH", str(no_pictures.FOLDER))


@pytest.fixture
def settings(platform):
    """The settings of that deployment."""
    return load_settings()


@contextmanager
def once_for_all_workers(name: str):
    """A block that one worker enters at a time; gives True to the first that gets to its end."""
    folder = server_folder()
    with FileLock(folder / f"{name}.lock"):
        yield not (folder / f"{name}.ready").exists()
        (folder / f"{name}.ready").touch()


def new_database(server: Database, like: str = TEMPLATE, name: str | None = None) -> Database:
    """Copy a database to a new one on the same server; for fixtures that many tests share."""
    name = name or f"test_{os.getpid()}_{next(_number)}"
    with _named(server, "postgres").session() as connection:
        # Files are copied for less than the log of a copy takes; no crash needs that log.
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY FILE_COPY")
    return _named(server, name)


def _named(server: Database, name: str) -> Database:
    return replace(server, url=server.url.replace(sa.make_url(server.url).database, name))


@pytest.fixture(scope="session")
def dask_cluster():
    """A Dask cluster of two worker processes, for all tests."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


def deploy(environment: pytest.MonkeyPatch, database: Database, lake: Path) -> None:
    """Set the environment of a deployment of the small school."""
    environment.setenv("DATABASE_URL", database.url)
    environment.setenv("SEEDTEST_LAKE", str(lake))
    environment.setenv("MIRT_LOOKBACK_DAYS", "10")


def _prepare_template(database: Database) -> None:
    with database.session() as connection:
        # The data need not survive a crash, and what the planner knows must not depend on when a vacuum came by.
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    with database.transaction() as connection:
        connection.exec_driver_sql(sql("platform.sql"))
    migrate(database)


def rows_of(database: Database, statement: str, **parameters) -> list[tuple]:
    """What a query gives, as plain tuples."""
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]


def rows_of_each(database: Database, statements: Mapping[str, str]) -> dict[str, list[tuple]]:
    """What several queries give, by name, over one connection: a new one takes the server longer than a small query."""
    with database.transaction() as connection:
        return {name: [tuple(row) for row in connection.execute(sa.text(each))] for name, each in statements.items()}


def execute(database: Database, statement: str, **parameters) -> None:
    """Run a statement and commit."""
    with database.transaction() as connection:
        connection.execute(sa.text(statement), parameters)
