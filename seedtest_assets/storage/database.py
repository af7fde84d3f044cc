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

from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.embedded import PLATFORM, embedded_url, first_line

CONNECT_TIMEOUT_SECONDS = 10
_UNAVAILABLE = ("IO", "could not connect", "connection", "server closed", "terminating", "too many clients", "timeout")


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
    return sa.create_engine(
        _libpq(url).replace("postgresql://", "postgresql+psycopg2://", 1),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )


@contextmanager
def _one_clear_line(url: str) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise _unavailable(url, error.orig or error) from error
    except adbc.Error as error:
        text = first_line(error)
        if isinstance(error, adbc.OperationalError | adbc.InterfaceError) and text.startswith(_UNAVAILABLE):
            raise _unavailable(url, error) from error
        raise InputError(f"{redacted(url)} refuses the statement: {text}") from error
    except sa.exc.DBAPIError as error:
        raise InputError(f"{redacted(url)} refuses the statement: {first_line(error.orig or error)}") from error


def _unavailable(url: str, error: BaseException) -> TransientError:
    return TransientError(
        f"the database {redacted(url)} is out of reach: {first_line(error)}; check DATABASE_URL and that the server runs"
    )


def _libpq(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg2"):
        # Not repeated in the message: it may hold a password where none is looked for.
        raise InputError("DATABASE_URL is no PostgreSQL URL; write postgresql://user:password@host:5432/name")
    return f"postgresql://{rest}"


def sql(name: str) -> str:
    """The text of an .sql file of this package."""
    return files("seedtest_assets.storage").joinpath(name).read_text(encoding="utf-8")
