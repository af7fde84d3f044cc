"""Alembic's entry: run the migrations on the connection that storage.database hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table="seedtest_alembic_version",  # the platform may keep an alembic_version of its own in this database
)
with context.begin_transaction():
    context.run_migrations()
