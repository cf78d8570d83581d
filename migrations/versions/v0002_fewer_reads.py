"""Less to read and to write for an opening."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Another one with every change of the lines, whoever makes it, in this database and in any
    # restored from it: what was read under one revision need not be read again. A stock that
    # counts down is no such change, or openings would write to their case.
    "ALTER TABLE cases ADD COLUMN lines_revision uuid NOT NULL DEFAULT gen_random_uuid()",
    """
    CREATE FUNCTION revise_lines() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE cases SET lines_revision = gen_random_uuid()
         WHERE id IN (OLD.case_id, NEW.case_id);
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER case_items_came_or_went AFTER INSERT OR DELETE ON case_items
        FOR EACH ROW EXECUTE FUNCTION revise_lines()
    """,
    """
    CREATE TRIGGER case_items_changed AFTER UPDATE ON case_items
        FOR EACH ROW
        WHEN ((OLD.case_id, OLD.name, OLD.image, OLD.rarity, OLD.value_minor, OLD.weight,
               OLD.stock IS NULL, OLD.removed_at)
              IS DISTINCT FROM
              (NEW.case_id, NEW.name, NEW.image, NEW.rarity, NEW.value_minor, NEW.weight,
               NEW.stock IS NULL, NEW.removed_at))
        EXECUTE FUNCTION revise_lines()
    """,
    # An event that waits for its position need not stand in the index of positions.
    "ALTER TABLE event_log DROP CONSTRAINT event_log_pos",
    "CREATE UNIQUE INDEX event_log_pos ON event_log (pos) WHERE pos IS NOT NULL",
    # What server/realtime/log.py does to number events, as one way to the database and back. By
    # itself it is a transaction; what it returns is on its way once that is committed.
    """
    CREATE FUNCTION number_events(most bigint)
    RETURNS TABLE (epoch text, pos bigint, audience text, name text, payload json, at timestamptz)
    LANGUAGE plpgsql VOLATILE AS $$
    #variable_conflict use_column
    BEGIN
        -- Each statement below needs a snapshot of its own, later than the lock.
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE 'events are numbered in a READ COMMITTED transaction';
        END IF;
        -- Whoever hears of a position must find it after a crash, whatever the default is.
        PERFORM set_config('synchronous_commit', 'on', true);
        -- 'log' in ASCII; server/realtime/log.py has the same number.
        PERFORM pg_advisory_xact_lock(7106407);
        RETURN QUERY
            WITH fresh AS (
                SELECT id, row_number() OVER (ORDER BY id) AS n
                  FROM (SELECT id FROM event_log WHERE pos IS NULL ORDER BY id LIMIT most) AS oldest
            ), moved AS (
                UPDATE event_log_head
                   SET head = head + (SELECT count(*) FROM fresh)
                 WHERE EXISTS (SELECT FROM fresh)
             RETURNING epoch, head - (SELECT count(*) FROM fresh) AS base
            ), numbered AS (
                UPDATE event_log
                   SET pos = moved.base + fresh.n
                  FROM fresh, moved
                 WHERE event_log.id = fresh.id AND event_log.pos IS NULL
             RETURNING epoch, pos, audience, name, payload, at
            )
            SELECT epoch, pos, audience, name, payload, at FROM numbered ORDER BY pos;
        IF FOUND THEN
            -- The bell for the relays. Its lock of the whole database is held for this commit
            -- only, and nobody else rings: those who number do so one after the other.
            PERFORM pg_notify('event_log', '');
        END IF;
    END
    $$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
