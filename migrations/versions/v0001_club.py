"""Members, money, cases, inventory, payments, and the event log."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    # --- members -----------------------------------------------------------------------------
    """
    CREATE TABLE users (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        username      text NOT NULL,
        -- The name as it is compared: NFKC, case folded. Done by the service, because
        -- lower() depends on the locale of the database.
        username_key  text NOT NULL CONSTRAINT users_username_key UNIQUE,
        password_hash text,
        role          text NOT NULL DEFAULT 'member'
                      CONSTRAINT users_role CHECK (role IN ('member', 'staff', 'admin', 'service')),
        balance_minor bigint NOT NULL DEFAULT 0
                      CONSTRAINT users_balance CHECK (balance_minor BETWEEN 0 AND 7000000000000000),
        created_at    timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE identities (
        issuer  text NOT NULL,
        subject text NOT NULL,
        user_id bigint NOT NULL CONSTRAINT identities_user REFERENCES users,
        CONSTRAINT identities_pkey PRIMARY KEY (issuer, subject)
    )
    """,
    # --- money -------------------------------------------------------------------------------
    """
    CREATE TABLE ledger (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id       bigint NOT NULL CONSTRAINT ledger_user REFERENCES users,
        amount_minor  bigint NOT NULL CONSTRAINT ledger_amount CHECK (amount_minor <> 0),
        kind          text NOT NULL CONSTRAINT ledger_kind
                      CHECK (kind IN ('deposit', 'open', 'claim', 'admin_add', 'admin_subtract')),
        reference     text NOT NULL,
        balance_after bigint NOT NULL,
        at            timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX ledger_of_member ON ledger (user_id, id DESC)",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END
    $$
    """,
    """
    CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE idempotency (
        user_id    bigint NOT NULL CONSTRAINT idempotency_user REFERENCES users,
        method     text NOT NULL,
        path       text NOT NULL,
        key        text NOT NULL,
        body_hash  bytea NOT NULL,
        status     integer NOT NULL,
        answer     text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_pkey PRIMARY KEY (user_id, method, path, key)
    )
    """,
    "CREATE INDEX idempotency_age ON idempotency (created_at)",
    # --- cases -------------------------------------------------------------------------------
    """
    CREATE TABLE cases (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name        text NOT NULL,
        image       text NOT NULL,
        price_minor bigint NOT NULL CONSTRAINT cases_price CHECK (price_minor > 0),
        created_at  timestamptz NOT NULL DEFAULT now(),
        removed_at  timestamptz
    )
    """,
    # A line never changes but for its stock: an edit removes it and adds another. So what
    # was drawn from stays on record, and prizes won keep their name and value.
    """
    CREATE TABLE case_items (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        case_id     bigint NOT NULL CONSTRAINT case_items_case REFERENCES cases,
        name        text NOT NULL,
        image       text NOT NULL,
        rarity      text NOT NULL CONSTRAINT case_items_rarity
                    CHECK (rarity IN ('common', 'uncommon', 'rare', 'epic', 'legendary')),
        value_minor bigint NOT NULL CONSTRAINT case_items_value CHECK (value_minor >= 0),
        weight      bigint NOT NULL CONSTRAINT case_items_weight CHECK (weight > 0),
        stock       bigint CONSTRAINT case_items_stock CHECK (stock >= 0),
        removed_at  timestamptz
    )
    """,
    "CREATE INDEX case_items_of_case ON case_items (case_id, id) WHERE removed_at IS NULL",
    # --- openings ----------------------------------------------------------------------------
    """
    CREATE TABLE seeds (
        user_id     bigint CONSTRAINT seeds_pkey PRIMARY KEY
                    CONSTRAINT seeds_user REFERENCES users,
        server_seed text NOT NULL,
        nonce       bigint NOT NULL
    )
    """,
    """
    CREATE TABLE openings (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id     bigint NOT NULL CONSTRAINT openings_user REFERENCES users,
        case_id     bigint NOT NULL CONSTRAINT openings_case REFERENCES cases,
        item_id     bigint NOT NULL CONSTRAINT openings_item REFERENCES case_items,
        price_minor bigint NOT NULL,
        server_seed text NOT NULL,
        client_seed text NOT NULL,
        nonce       bigint NOT NULL,
        roll        bigint NOT NULL,
        -- The lines that were in stock, in the order they were counted through.
        line_ids    bigint[] NOT NULL,
        at          timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT openings_nonce UNIQUE (user_id, nonce)
    )
    """,
    """
    CREATE TABLE inventory (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id    bigint NOT NULL CONSTRAINT inventory_user REFERENCES users,
        opening_id bigint NOT NULL CONSTRAINT inventory_opening_key UNIQUE
                   CONSTRAINT inventory_opening REFERENCES openings,
        status     text NOT NULL DEFAULT 'won' CONSTRAINT inventory_status
                   CHECK (status IN ('won', 'claimed', 'issued', 'cancelled')),
        won_at     timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX inventory_of_member ON inventory (user_id, id DESC)",
    # --- payments ----------------------------------------------------------------------------
    # Payment ids start high: a provider's own small numbers must not name one of ours.
    """
    CREATE TABLE payments (
        id           bigint GENERATED ALWAYS AS IDENTITY (START WITH 700000000001) PRIMARY KEY,
        user_id      bigint NOT NULL CONSTRAINT payments_user REFERENCES users,
        amount_minor bigint NOT NULL CONSTRAINT payments_amount CHECK (amount_minor > 0),
        status       text NOT NULL DEFAULT 'pending'
                     CONSTRAINT payments_status CHECK (status IN ('pending', 'paid')),
        created_at   timestamptz NOT NULL DEFAULT now(),
        paid_at      timestamptz
    )
    """,
    """
    CREATE TABLE payment_credits (
        provider       text NOT NULL,
        transaction_id text NOT NULL,
        user_id        bigint NOT NULL CONSTRAINT payment_credits_user REFERENCES users,
        amount_minor   bigint NOT NULL,
        at             timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT payment_credits_pkey PRIMARY KEY (provider, transaction_id)
    )
    """,
    # --- the event log -----------------------------------------------------------------------
    # The payload is json, not jsonb: it is passed on as it was written. Every index is written
    # to twice for each event (insert, number), so there are no more than are read: ids are
    # looked up only while there is no position, audiences only when there is one.
    """
    CREATE TABLE event_log (
        id       bigint GENERATED ALWAYS AS IDENTITY,
        pos      bigint CONSTRAINT event_log_pos UNIQUE,
        audience text NOT NULL,
        name     text NOT NULL,
        payload  json,
        at       timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE UNIQUE INDEX event_log_unnumbered ON event_log (id) WHERE pos IS NULL",
    "CREATE INDEX event_log_by_audience ON event_log (audience, pos) WHERE pos IS NOT NULL",
    """
    CREATE TABLE event_log_head (
        only_row boolean CONSTRAINT event_log_head_pkey PRIMARY KEY DEFAULT true
                 CONSTRAINT event_log_head_one CHECK (only_row),
        epoch    text NOT NULL,
        head     bigint NOT NULL DEFAULT 0,
        floor    bigint NOT NULL DEFAULT 0
    )
    """,
    """
    INSERT INTO event_log_head (epoch)
    VALUES (left(replace(gen_random_uuid()::text, '-', ''), 8))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
