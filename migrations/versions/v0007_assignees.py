"""Dialogs by who of the staff takes care of them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX dialogs_by_assignee ON dialogs (assignee_id, last_message_id DESC)"
    )
