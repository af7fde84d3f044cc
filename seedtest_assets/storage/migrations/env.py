"""Alembic's entry: run the migrations on the connection that storage.database hands over."""

from alembic import context

from seedtest_assets.storage.database import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
