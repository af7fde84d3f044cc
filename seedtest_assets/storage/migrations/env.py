"""Alembic's entry: run the migrations on the connection that storage.database hands over, in a schema of our own."""

import sqlalchemy as sa
from alembic import context

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import VERSION_TABLE
from seedtest_assets.storage.published_tables import make_missing_tables
from seedtest_assets.storage.statements import on_connection

_RIGHTS = """
SELECT current_user::text AS role, to_regnamespace(quote_ident(:schema)) IS NOT NULL AS present,
       has_database_privilege(current_database(), 'CREATE') AS may_create
"""
_RIGHTS_IN_SCHEMA = "SELECT has_schema_privilege(:schema, 'USAGE') AND has_schema_privilege(:schema, 'CREATE')"


def prepare_schema(connection: sa.Connection, schema: str) -> None:
    """Create the schema where it does not exist.

    Raises InputError with the statement for an administrator when this role may not create it, or not use it:
    PostgreSQL would skip such a schema without a word and put our tables into the next one.
    """
    role, present, may_create = connection.execute(sa.text(_RIGHTS), {"schema": schema}).one()
    if present:
        if not connection.execute(sa.text(_RIGHTS_IN_SCHEMA), {"schema": schema}).scalar():
            raise InputError(
                f"the role {role} may not use the schema {schema}. "
                f'As an administrator: GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}"'
            )
    elif may_create:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    else:
        raise InputError(
            f"the schema {schema} does not exist, and the role {role} may not create it. "
            f'As an administrator: CREATE SCHEMA "{schema}" AUTHORIZATION "{role}". Or choose another with SEEDTEST_SCHEMA'
        )


attributes = context.config.attributes
prepare_schema(attributes["connection"], attributes["schema"])
context.configure(
    connection=attributes["connection"],
    target_metadata=None,
    version_table=VERSION_TABLE,
    version_table_schema=attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
make_missing_tables(on_connection(attributes["connection"]))
