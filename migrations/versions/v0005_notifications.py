"""What members are told of one by one, and how far each has read."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    # The head's row lock gives each member's notifications one order: an id is taken while it is
    # held. `revision` changes with whatever the list shows, so that an unchanged list is known
    # without reading it, also after the database was restored.
    """
    CREATE TABLE notification_heads (
        user_id    bigint CONSTRAINT notification_heads_pkey PRIMARY KEY
                   CONSTRAINT notification_heads_user REFERENCES users,
        newest     bigint NOT NULL DEFAULT 0,
        read_up_to bigint NOT NULL DEFAULT 0,
        unread     bigint NOT NULL DEFAULT 0
                   CONSTRAINT notification_heads_unread CHECK (unread BETWEEN 0 AND total),
        total      bigint NOT NULL DEFAULT 0,
        muted      text[] NOT NULL DEFAULT '{}',
        revision   uuid NOT NULL DEFAULT gen_random_uuid()
    )
    """,
    # The data is json, not jsonb: it is passed on as it was written.
    """
    CREATE TABLE notifications (
        id      bigint GENERATED ALWAYS AS IDENTITY,
        user_id bigint NOT NULL CONSTRAINT notifications_head REFERENCES notification_heads,
        kind    text NOT NULL CONSTRAINT notifications_kind
                CHECK (kind IN ('reply', 'invitation', 'event_changed', 'event_cancelled',
                                'reminder', 'promoted', 'payment', 'prize')),
        data    json NOT NULL,
        key     text,
        at      timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT notifications_pkey PRIMARY KEY (user_id, id)
    )
    """,
    "CREATE INDEX notifications_by_key ON notifications (user_id, key) WHERE key IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
