"""What the tests share: one embedded PostgreSQL for the whole run, a fresh database and lake for each test."""

import os

# Read when the code location loads, so before any of it is imported.
os.environ["MIRT_RETRY_DELAY_SECS"] = "0.01"
for name in ("DATABASE_URL", "SEEDTEST_LAKE", "SEEDTEST_ATTEMPT_SOURCE", "R_IRT_BASE_URL", "SEEDTEST_START_DATE"):
    os.environ.pop(name, None)

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, migrate, sql
from seedtest_assets.storage.embedded import embedded_url, stop_embedded

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
"""Reference results and a real answer log; beside the checkout on some machines only."""

_number = count()


def pytest_addoption(parser):
    parser.addoption("--screenshots", type=Path, help="folder to keep what the browser tests see in, as in docs/")


@pytest.fixture
def screenshot(request):
    """Keeps what a browser shows as NAME.png, where --screenshots says so."""
    folder = request.config.getoption("screenshots")

    def keep(driver, name: str) -> None:
        if folder:
            driver.save_screenshot(str(folder / f"{name}.png"))

    return keep


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A database on an embedded PostgreSQL that lives as long as the test run."""
    home = tmp_path_factory.mktemp("embedded")
    yield Database(embedded_url("template_platform", home))
    stop_embedded(home)


@pytest.fixture(scope="session")
def template(server):
    """A database with the platform's and the result tables, to copy from."""
    with server.transaction() as connection:
        connection.exec_driver_sql(sql("platform.sql"))
    migrate(server)
    return server


@pytest.fixture
def database(template):
    """A fresh database with all tables, empty."""
    return new_database(template)


@pytest.fixture
def empty_database(server):
    """A fresh database without any table."""
    return new_database(server, like="template0")


@pytest.fixture
def platform(database, tmp_path, monkeypatch):
    """The environment of a deployment: DATABASE_URL and SEEDTEST_LAKE; gives the database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path / "lake"))
    return database


@pytest.fixture
def settings(platform):
    """The settings of that deployment."""
    return load_settings()


def new_database(server: Database, like: str = "template_platform") -> Database:
    """A new database, a copy of another on the server of the tests; for fixtures that many tests share."""
    name = f"test_{next(_number)}"
    with _named(server, "postgres").session() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {like}")
    return _named(server, name)


def _named(server: Database, name: str) -> Database:
    return replace(server, url=server.url.replace("template_platform", name))


def rows_of(database: Database, statement: str, **parameters) -> list[tuple]:
    """What a query gives, as plain tuples."""
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]


def execute(database: Database, statement: str, **parameters) -> None:
    """Run a statement and commit."""
    with database.transaction() as connection:
        connection.execute(sa.text(statement), parameters)
