"""The workers that serve now."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    # Not logged: after a crash of the database each worker says anew that it is there.
    """
    CREATE UNLOGGED TABLE workers (
        id      text PRIMARY KEY,
        name    text NOT NULL,
        url     text NOT NULL,
        counts  jsonb NOT NULL,
        seen_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
