"""Say what the flags of an item are: version 0.2.0 left them empty."""

from alembic import op

revision = "0005"
down_revision = "0004"

COMMENT = "COMMENT ON COLUMN item_history.flags IS '{}'"


def upgrade() -> None:
    op.execute(COMMENT.format("why the item is to be reviewed, in the words of the calibration. NULL for most"))


def downgrade() -> None:
    op.execute(COMMENT.format("what reviewers noted about the item on this day"))
