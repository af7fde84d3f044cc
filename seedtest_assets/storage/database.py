"""Connections to the platform's database: ADBC for bulk (Arrow over COPY), SQLAlchemy for the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import adbc_driver_manager as adbc
import psycopg2
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from seedtest_assets.errors import InputError, SeedtestError
from seedtest_assets.settings import Settings, revealed
from seedtest_assets.storage.addresses import connection_string, shown_address
from seedtest_assets.storage.database_errors import translated
from seedtest_assets.storage.embedded import PLATFORM, embedded_address, start_embedded

if TYPE_CHECKING:
    from adbc_driver_postgresql.dbapi import Connection

VERSION_TABLE = "seedtest_migration"
"""Not Alembic's usual name: the platform may keep an alembic_version in this database, even in this schema."""


@dataclass(frozen=True)
class Database:
    """The platform's database: its address, and the schema of our tables."""

    url: str = field(repr=False)
    schema: str = "seedtest"
    statement_timeout_secs: int = 1800
    lock_timeout_secs: int = 60

    @property
    def address(self) -> str:
        """What of the URL may be shown."""
        return shown_address(self.url)

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
                cursor.execute(_session_settings(self))
                yield cursor
            except BaseException:
                with suppress(adbc.Error):  # of a lost connection, which would hide why it was lost
                    connection.rollback()
                raise
            connection.commit()


def platform_database(settings: Settings) -> Database:
    """Give the address of the platform's database: DATABASE_URL, else the embedded server. Starts nothing."""
    return Database(
        revealed(settings.database_url) or embedded_address(PLATFORM),
        settings.seedtest_schema,
        settings.seedtest_statement_timeout_secs,
        settings.seedtest_lock_timeout_secs,
    )


def prepared_database(settings: Settings) -> Database:
    """Start the embedded server where it is the platform's database, and migrate; one query when nothing is to do.

    Raises TransientError when the database is out of reach.
    """
    database = platform_database(settings)
    try:
        if revision_of(database) == known_revisions()[0]:
            return database
    except SeedtestError:
        if settings.database_url is not None:
            raise
    if settings.database_url is None:
        database = replace(database, url=start_embedded(PLATFORM))
        _make_platform_tables(database)
    migrate(database, settings.seedtest_published_version, publish=settings.seedtest_publish)
    return database


def _make_platform_tables(database: Database) -> None:
    """Make the platform's own tables on the embedded server, in `public`, where they do not exist.

    With our schema first in the path they would be made there, empty, once it exists, and would hide those in `public`.
    Versions up to 0.2.0 did that: rows of such tables are moved to `public`, unless they are there already.
    """
    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL search_path TO public")
        connection.exec_driver_sql(sql("platform.sql"))
        if database.schema == "public":
            return
        inspector, quoted = sa.inspect(connection), connection.dialect.identifier_preparer.quote
        for table in ("question", "attempt", "responses", "exam_results"):
            if not inspector.has_table(table, database.schema):
                continue
            columns = [c["name"] for c in inspector.get_columns(table, database.schema) if "identity" not in c]
            hidden, names = f"{quoted(database.schema)}.{table}", ", ".join(map(quoted, columns))
            connection.exec_driver_sql(
                f"INSERT INTO public.{table} ({names}) SELECT {names} FROM {hidden} ON CONFLICT DO NOTHING"
            )
            connection.exec_driver_sql(f"DROP TABLE {hidden}")


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


def revision_of(database: Database) -> str | None:
    """Read the revision of our schema; None where it was never made."""
    with database.transaction() as connection:
        # Alembic asks with a new table each time: the cache of statements would keep some hundreds of them, 20 kB each.
        context = MigrationContext.configure(
            connection.execution_options(compiled_cache=None),
            opts={"version_table": VERSION_TABLE, "version_table_schema": database.schema},
        )
        return context.get_current_revision()


@cache
def known_revisions() -> tuple[str, ...]:
    """List the revisions that this version knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "seedtest_assets:storage/migrations")
    return config


@cache
def _engine(database: Database) -> sa.Engine:
    """Make the engine of a database, once a process: it asks the server for version and settings at its first connection."""
    # libpq reads the address, as it does for ADBC: SQLAlchemy would read some of them another way.
    dsn = connection_string(database.url)
    engine = sa.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=sa.NullPool)

    def set_session(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_session_settings(database))
        connection.commit()

    sa.event.listen(engine, "connect", set_session)
    return engine


def _bulk_connection(database: Database) -> "Connection":
    """Connect by ADBC, with the types of the server as the first connection of this process read them, which takes some 50 ms."""
    # Here: it loads pandas and half of Arrow, which a command that reads some rows has no use for.
    from adbc_driver_postgresql.dbapi import Connection

    types = _types_of(database)
    return Connection(types, adbc.AdbcConnection(types.database))


@dataclass(frozen=True)
class _TypesOfServer:
    """What ADBC knows of a database without being connected to it; a connection that closes leaves it open."""

    database: adbc.AdbcDatabase

    def close(self) -> None:
        """Do nothing."""


@cache
def _types_of(database: Database) -> _TypesOfServer:
    import adbc_driver_postgresql

    return _TypesOfServer(adbc_driver_postgresql.connect(connection_string(database.url)))


def _session_settings(database: Database) -> str:
    """Give the SQL that sets a session up.

    Times without a zone and days are UTC on every server. Our schema is the first: our tables are found without its name,
    the platform's as before. No statement, and no wait for a lock, is without end.
    """
    name = '"' + database.schema.replace('"', '""') + '"'
    escaped = name.replace("'", "''")
    return f"""
        SELECT set_config('TimeZone', 'UTC', false),
            set_config('search_path', concat_ws(', ', '{escaped}', nullif(current_setting('search_path'), '')), false),
            set_config('statement_timeout', '{database.statement_timeout_secs}s', false),
            set_config('lock_timeout', '{database.lock_timeout_secs}s', false)
        """


@contextmanager
def _translated_errors(database: Database) -> Iterator[None]:
    try:
        yield
    except (adbc.Error, sa.exc.DBAPIError) as error:
        raise translated(error, f"the database {database.address}") from error


def sql(name: str) -> str:
    """Read an .sql file of this package."""
    return files("seedtest_assets.storage").joinpath(name).read_text(encoding="utf-8")
