"""Finds the event of a line in the chat, so that what staff removed can be blanked there, too."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    """
    CREATE INDEX event_log_chat ON event_log ((payload ->> 'id')) WHERE name = 'chat:message'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
