"""Dialogs, the club's chat, and the events of dialogs for those who hear all of them."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    # --- dialogs -----------------------------------------------------------------------------
    # Counts and last messages stand in the dialog's row, which is locked for whatever changes in
    # the dialog: so a list needs no counting, and what is unread is a difference. Those of what
    # players may see are kept apart from those of everything.
    """
    CREATE TABLE dialogs (
        id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        subject                text NOT NULL,
        status                 text NOT NULL DEFAULT 'open' CONSTRAINT dialogs_status
                               CHECK (status IN ('open', 'pending', 'resolved')),
        assignee_id            bigint CONSTRAINT dialogs_assignee REFERENCES users,
        created_by             bigint NOT NULL CONSTRAINT dialogs_creator REFERENCES users,
        created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
        message_count          bigint NOT NULL,
        public_count           bigint NOT NULL,
        last_message_id        bigint NOT NULL,
        last_public_message_id bigint NOT NULL,
        -- How many of all messages the staff have read, whoever of them.
        staff_read             bigint NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX dialogs_by_last_message ON dialogs (last_message_id DESC)",
    "CREATE INDEX dialogs_by_status ON dialogs (status, last_message_id DESC)",
    """
    CREATE TABLE dialog_members (
        dialog_id  bigint NOT NULL CONSTRAINT dialog_members_dialog REFERENCES dialogs,
        user_id    bigint NOT NULL CONSTRAINT dialog_members_user REFERENCES users,
        joined_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        -- How many of the messages that players may see this member has read.
        read_count bigint NOT NULL DEFAULT 0,
        CONSTRAINT dialog_members_pkey PRIMARY KEY (dialog_id, user_id)
    )
    """,
    "CREATE INDEX dialogs_of_member ON dialog_members (user_id, dialog_id)",
    """
    CREATE TABLE messages (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dialog_id     bigint NOT NULL CONSTRAINT messages_dialog REFERENCES dialogs,
        sender_id     bigint NOT NULL CONSTRAINT messages_sender REFERENCES users,
        text          text NOT NULL,
        internal      boolean NOT NULL,
        local_id      text,
        at            timestamptz NOT NULL DEFAULT clock_timestamp(),
        -- How many messages the dialog has up to this one; how many that players may see.
        number        bigint NOT NULL,
        public_number bigint NOT NULL,
        CONSTRAINT messages_local_id UNIQUE (dialog_id, sender_id, local_id)
    )
    """,
    "CREATE INDEX messages_of_dialog ON messages (dialog_id, id DESC)",
    """
    CREATE INDEX public_messages_of_dialog ON messages (dialog_id, id DESC) WHERE NOT internal
    """,
    # --- the chat ----------------------------------------------------------------------------
    """
    CREATE TABLE chat_messages (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id    bigint NOT NULL CONSTRAINT chat_messages_user REFERENCES users,
        text       text NOT NULL,
        at         timestamptz NOT NULL DEFAULT clock_timestamp(),
        removed_at timestamptz,
        removed_by bigint CONSTRAINT chat_messages_removed_by REFERENCES users
    )
    """,
    "CREATE INDEX chat_messages_shown ON chat_messages (id DESC) WHERE removed_at IS NULL",
    """
    CREATE TABLE chat_mutes (
        user_id bigint CONSTRAINT chat_mutes_pkey PRIMARY KEY
                CONSTRAINT chat_mutes_user REFERENCES users,
        until   timestamptz NOT NULL,
        by      bigint NOT NULL CONSTRAINT chat_mutes_by REFERENCES users
    )
    """,
    # --- the event log -----------------------------------------------------------------------
    # Staff read the events of all dialogs, in their order.
    """
    CREATE INDEX event_log_of_dialogs ON event_log (pos)
        WHERE pos IS NOT NULL AND audience LIKE 'dialog:%'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
