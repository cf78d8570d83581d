"""The calendar: events, who comes, and whose feeds are valid."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # How long an event may last is bounded so that those of a time are found by when they start.
    """
    CREATE TABLE calendar_events (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        uid          uuid NOT NULL DEFAULT gen_random_uuid(),
        owner_id     bigint NOT NULL CONSTRAINT calendar_events_owner REFERENCES users,
        title        text NOT NULL,
        description  text NOT NULL,
        location     text NOT NULL,
        starts_at    timestamptz NOT NULL,
        ends_at      timestamptz NOT NULL,
        capacity     bigint CONSTRAINT calendar_events_capacity CHECK (capacity > 0),
        visibility   text NOT NULL CONSTRAINT calendar_events_visibility
                     CHECK (visibility IN ('private', 'public')),
        sequence     bigint NOT NULL DEFAULT 0,
        cancelled_at timestamptz,
        created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        reminded_at  timestamptz,
        CONSTRAINT calendar_events_times
            CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '744 hours')
    )
    """,
    "CREATE INDEX calendar_events_by_start ON calendar_events (starts_at, id)",
    "CREATE INDEX calendar_events_of_owner ON calendar_events (owner_id, starts_at)",
    """
    CREATE INDEX calendar_events_unreminded ON calendar_events (starts_at)
     WHERE reminded_at IS NULL AND cancelled_at IS NULL
    """,
    # `place` is the order of the waiting list: taken while the event's row is locked.
    """
    CREATE TABLE participants (
        event_id    bigint NOT NULL CONSTRAINT participants_event REFERENCES calendar_events,
        user_id     bigint NOT NULL CONSTRAINT participants_user REFERENCES users,
        status      text NOT NULL DEFAULT 'needs-action' CONSTRAINT participants_status
                    CHECK (status IN ('needs-action', 'accepted', 'declined', 'tentative')),
        waitlisted  boolean NOT NULL DEFAULT false CONSTRAINT participants_waitlisted
                    CHECK (status = 'accepted' OR NOT waitlisted),
        place       bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
        invited_by  bigint CONSTRAINT participants_inviter REFERENCES users,
        answered_at timestamptz,
        CONSTRAINT participants_pkey PRIMARY KEY (event_id, user_id)
    )
    """,
    "CREATE INDEX participants_of_member ON participants (user_id, event_id)",
    """
    CREATE TABLE calendar_feeds (
        user_id bigint CONSTRAINT calendar_feeds_pkey PRIMARY KEY
                CONSTRAINT calendar_feeds_user REFERENCES users,
        version bigint NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
