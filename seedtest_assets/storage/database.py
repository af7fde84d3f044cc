"""Connections to the platform's database: ADBC for bulk (Arrow over COPY), SQLAlchemy for the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from seedtest_assets.errors import InputError, SeedtestError, TransientError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.embedded import PLATFORM, embedded_url, first_line

CONNECT_TIMEOUT_SECONDS = 10
USE_UTC = "SET TIME ZONE 'UTC'"
"""Whatever the server's zone is: a time without one is read and written as UTC, and days are UTC days."""


def platform_url(settings: Settings) -> str:
    """The platform's database: DATABASE_URL, else the embedded server with its source tables, migrated."""
    if settings.database_url is None:
        url = embedded_url(PLATFORM)
        with transaction(url) as connection:
            connection.exec_driver_sql(sql("platform.sql"))
    else:
        url = settings.database_url
    migrate(url)
    return url


def migrate(url: str) -> None:
    """Bring the result tables to the newest version.

    Raises InputError where a table of another make stands in the way, TransientError when the database is out of reach.
    """
    config = Config()
    config.set_main_option("script_location", "seedtest_assets:storage/migrations")
    with transaction(url) as connection:
        # Two processes may start at once: the second waits here and finds nothing left to do.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('seedtest migrations'))")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise InputError(
                f"the tables in {redacted(url)} were made by another version of seedtest: {error}; install that version"
            ) from error


@contextmanager
def transaction(url: str) -> Iterator[sa.Connection]:
    """A SQLAlchemy connection in one transaction, committed at the end or rolled back."""
    with _one_clear_line(url), _engine(url).begin() as connection:
        yield connection


@contextmanager
def session(url: str) -> Iterator[sa.Connection]:
    """A SQLAlchemy connection that commits each statement; its session ends with the block."""
    with _one_clear_line(url), _engine(url).connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def bulk_transaction(url: str) -> Iterator[Any]:
    """An ADBC cursor in one transaction, committed at the end or rolled back."""
    with _one_clear_line(url), adbc.connect(_libpq(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(USE_UTC)
            yield cursor
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def redacted(url: str) -> str:
    """The URL without its password, for messages."""
    return sa.make_url(_libpq(url)).render_as_string(hide_password=True)


def _engine(url: str) -> sa.Engine:
    # Named, because a newer SQLAlchemy reads a bare postgresql:// as another driver.
    engine = sa.create_engine(
        _libpq(url).replace("postgresql://", "postgresql+psycopg2://", 1),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )
    sa.event.listen(engine, "connect", _use_utc)
    return engine


def _use_utc(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(USE_UTC)
    connection.commit()


@contextmanager
def _one_clear_line(url: str) -> Iterator[None]:
    try:
        yield
    except (adbc.Error, sa.exc.DBAPIError) as error:
        raise _sorted(url, error) from error


def _sorted(url: str, error: adbc.Error | sa.exc.DBAPIError) -> SeedtestError:
    """What PostgreSQL's SQLSTATE says of an error: out of reach, passing, or refused."""
    cause = error.orig or error if isinstance(error, sa.exc.DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""
    text = _reason(cause)
    connects = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | adbc.OperationalError)
    if state.startswith(("08", "57P", "53300")) or (not state and connects):
        if "authentication failed" in text or "does not exist" in text:
            return InputError(f"the database {redacted(url)} refuses the connection: {text}; check DATABASE_URL")
        return TransientError(
            f"the database {redacted(url)} is out of reach: {text}; check DATABASE_URL and that the server runs"
        )
    if state.startswith(("40", "53", "55P03", "57014")):
        return TransientError(f"{redacted(url)} could not do it now: {text}")
    return InputError(f"{redacted(url)} refuses the statement: {text}")


def _reason(error: BaseException) -> str:
    """The server's own words: ADBC puts the whole statement before them."""
    text = str(error)
    return text.rsplit("ERROR:", 1)[1].strip().splitlines()[0] if "ERROR:" in text else first_line(error)


def _libpq(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg2"):
        # Not repeated in the message: it may hold a password where none is looked for.
        raise InputError("DATABASE_URL is no PostgreSQL URL; write postgresql://user:password@host:5432/name")
    return f"postgresql://{rest}"


def sql(name: str) -> str:
    """The text of an .sql file of this package."""
    return files("seedtest_assets.storage").joinpath(name).read_text(encoding="utf-8")
