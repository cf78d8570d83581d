"""Less to read and to write for an opening."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Another one with every edit of the lines, in this database and in any restored from it:
    # what was read under one revision need not be read again.
    "ALTER TABLE cases ADD COLUMN lines_revision uuid NOT NULL DEFAULT gen_random_uuid()",
    # An event that waits for its position need not stand in the index of positions.
    "ALTER TABLE event_log DROP CONSTRAINT event_log_pos",
    "CREATE UNIQUE INDEX event_log_pos ON event_log (pos) WHERE pos IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
