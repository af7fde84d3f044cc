"""Steps of items with partial credit, b_1, b_2, ..., and their standard errors."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    "ALTER TABLE item_history ADD steps double precision[], ADD se_steps double precision[]",
    "COMMENT ON COLUMN item_history.steps IS "
    "'b_1, b_2, ... of an item with partial credit: NULL at a score that nobody got, -Infinity for steps that everybody passes'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE item_history DROP steps, DROP se_steps")
