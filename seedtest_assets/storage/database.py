"""Connections to the platform's database: ADBC for bulk (Arrow over COPY), SQLAlchemy for the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as adbc
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from seedtest_assets.errors import InputError, SeedtestError, TransientError, first_line
from seedtest_assets.settings import Settings
from seedtest_assets.storage.embedded import PLATFORM, embedded_address, start_embedded

CONNECT_TIMEOUT_SECONDS = 10
USE_UTC = "SET TIME ZONE 'UTC'"
"""Set the session's zone, so that times without a zone and days are UTC on every server."""

VERSION_TABLE = "seedtest_migration"
"""Not Alembic's usual name: the platform may keep an alembic_version in this database, even in this schema."""


@dataclass(frozen=True)
class Database:
    """The platform's database: its address, and the schema of our tables."""

    url: str = field(repr=False)
    schema: str = "seedtest"

    @property
    def address(self) -> str:
        """The URL without its password, for messages."""
        return sa.make_url(_libpq(self.url)).render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a SQLAlchemy connection in one transaction, committed at the end or rolled back."""
        with _translated_errors(self), _engine(self).begin() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[sa.Connection]:
        """Open a SQLAlchemy connection that commits each statement; its session ends with the block."""
        with _translated_errors(self), _engine(self).connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def bulk_transaction(self) -> Iterator[Any]:
        """Open an ADBC cursor in one transaction, committed at the end or rolled back."""
        with _translated_errors(self), _bulk_connection(self) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(USE_UTC)
                cursor.execute(_search_path(self))
                yield cursor
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def platform_database(settings: Settings) -> Database:
    """Give the address of the platform's database: DATABASE_URL, else the embedded server. Starts nothing."""
    return Database(settings.database_url or embedded_address(PLATFORM), settings.seedtest_schema)


def prepared_database(settings: Settings) -> Database:
    """Start the embedded server where it is the platform's database, and migrate; one query when nothing is to do.

    Raises TransientError when the database is out of reach.
    """
    database = platform_database(settings)
    try:
        if _is_migrated(database):
            return database
    except SeedtestError:
        if settings.database_url is not None:
            raise
    if settings.database_url is None:
        database = replace(database, url=start_embedded(PLATFORM))
        with database.transaction() as connection:
            connection.exec_driver_sql(sql("platform.sql"))
    migrate(database, settings.seedtest_published_version, publish=settings.seedtest_publish)
    return database


def migrate(database: Database, published_version: str = "v1", *, publish: bool = True) -> None:
    """Bring our schema to the newest version, and make the platform's result tables where they do not exist.

    published_version: of the rows that are published when a database of version 0.1.0 is carried over. publish: False
    leaves the platform's own tables alone then. Raises InputError with the statement for an administrator when rights are
    missing, TransientError when the database is out of reach.
    """
    _move(database, command.upgrade, "head", published_version=published_version, publish=publish)


def downgrade(database: Database, revision: str) -> None:
    """Take our schema back to an earlier revision; "base" removes all of it. What is published stays."""
    _move(database, command.downgrade, revision)


def _move(database: Database, move: Callable[[Config, str], None], revision: str, **attributes: str | bool) -> None:
    config = _alembic()
    with database.transaction() as connection:
        # Two processes may start at once: the second waits here and finds nothing left to do.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('seedtest migrations'))")
        config.attributes.update(connection=connection, schema=database.schema, **attributes)
        try:
            move(config, revision)
        except CommandError as error:
            raise InputError(
                f"the tables in {database.address} were made by another version of seedtest: {error}. "
                "Install that version"
            ) from error


def _is_migrated(database: Database) -> bool:
    with database.transaction() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "version_table_schema": database.schema}
        )
        return context.get_current_revision() == _newest_version()


@cache
def _newest_version() -> str | None:
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "seedtest_assets:storage/migrations")
    return config


@cache
def _engine(database: Database) -> sa.Engine:
    """Make the engine of a database, once a process: it asks the server for version and settings at its first connection."""
    # Named, because a newer SQLAlchemy reads a bare postgresql:// as another driver.
    engine = sa.create_engine(
        _libpq(database.url).replace("postgresql://", "postgresql+psycopg2://", 1),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )

    def set_session(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(USE_UTC)
            cursor.execute(_search_path(database))
        connection.commit()

    sa.event.listen(engine, "connect", set_session)
    return engine


def _bulk_connection(database: Database) -> adbc.Connection:
    """Connect by ADBC, with the types of the server as the first connection of this process read them, which takes some 50 ms."""
    types = _types_of(database)
    return adbc.Connection(types, adbc_driver_manager.AdbcConnection(types.database))


@dataclass(frozen=True)
class _TypesOfServer:
    """What ADBC knows of a database without being connected to it; a connection that closes leaves it open."""

    database: adbc_driver_manager.AdbcDatabase

    def close(self) -> None:
        """Do nothing."""


@cache
def _types_of(database: Database) -> _TypesOfServer:
    return _TypesOfServer(adbc_driver_postgresql.connect(_libpq(database.url)))


def _search_path(database: Database) -> str:
    """SQL that puts our schema first: our tables are found without its name, the platform's as before."""
    name = '"' + database.schema.replace('"', '""') + '"'
    escaped = name.replace("'", "''")
    return f"SELECT set_config('search_path', concat_ws(', ', '{escaped}', nullif(current_setting('search_path'), '')), false)"


@contextmanager
def _translated_errors(database: Database) -> Iterator[None]:
    try:
        yield
    except (adbc.Error, sa.exc.DBAPIError) as error:
        raise _translated(database, error) from error


def _translated(database: Database, error: adbc.Error | sa.exc.DBAPIError) -> SeedtestError:
    """Translate an error by its SQLSTATE: transient, or a refused connection or statement."""
    cause = error.orig or error if isinstance(error, sa.exc.DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""
    text = _reason(cause)
    connects = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | adbc.OperationalError)
    if state.startswith(("08", "57P", "53300")) or (not state and connects):
        if "authentication failed" in text or "does not exist" in text:
            return InputError(f"the database {database.address} refuses the connection: {text}. Check DATABASE_URL")
        return TransientError(
            f"the database {database.address} is out of reach: {text}. Check DATABASE_URL and that the server runs"
        )
    if state.startswith(("40", "53", "55P03", "57014")):
        return TransientError(f"{database.address} cannot run the statement now: {text}")
    return InputError(f"{database.address} refuses the statement: {text}")


def _reason(error: BaseException) -> str:
    """Extract the server's message, which ADBC puts after the whole statement."""
    text = str(error)
    return text.rsplit("ERROR:", 1)[1].strip().splitlines()[0] if "ERROR:" in text else first_line(error)


def _libpq(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg2"):
        # Not repeated in the message: it may hold a password where none is looked for.
        raise InputError("DATABASE_URL is not a PostgreSQL URL. Write postgresql://user:password@host:5432/name")
    return f"postgresql://{rest}"


def sql(name: str) -> str:
    """Read an .sql file of this package."""
    return files("seedtest_assets.storage").joinpath(name).read_text(encoding="utf-8")
