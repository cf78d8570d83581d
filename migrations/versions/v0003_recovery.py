"""What is remembered of sockets that are gone."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # Hashes of what a socket was given: that it has ended, or was being told what it missed.
    """
    CREATE TABLE recovery_marks (
        id bytea CONSTRAINT recovery_marks_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX recovery_marks_age ON recovery_marks (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
