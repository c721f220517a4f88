-- The journal: one append-only table of events, the only way to append to it, and who may read it.
-- depends:

-- The service acts as tallystick_app whatever it logs in as; analysts get their views from later migrations.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tallystick_app') THEN
        CREATE ROLE tallystick_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tallystick_analyst') THEN
        CREATE ROLE tallystick_analyst NOLOGIN;
    END IF;
END
$$;

CREATE SCHEMA journal;

-- `position` is 1, 2, 3 … in commit order; `(stream, version)` is unique, which makes each stream a line.
-- Partitioned by stream id: a grant's id begins with its time, so a partition is a month of grants.
CREATE TABLE journal.events (
    position    bigint      NOT NULL,
    stream      uuid        NOT NULL,
    version     integer     NOT NULL CHECK (version > 0),
    type        text        NOT NULL,
    client      text        NOT NULL,
    data        jsonb       NOT NULL,
    actor       text        NOT NULL,
    source      text,
    trace       text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (stream, version)
) PARTITION BY RANGE (stream);

CREATE INDEX events_position ON journal.events (position);

-- What lives long (resources, roles, clients, keys) has stream ids from ff… on and is never dropped.
CREATE TABLE journal.events_entities PARTITION OF journal.events
    FOR VALUES FROM ('ff000000-0000-0000-0000-000000000000') TO (MAXVALUE);

-- The grant partitions that exist, in order; each begins where the one before it ends.
CREATE TABLE journal.partitions (
    name  text PRIMARY KEY,
    upper uuid NOT NULL
);

-- The last position given out. Its row lock is what puts commits in line: it is held until the commit, so
-- position order is commit order and a rolled back append leaves no gap.
CREATE TABLE journal.head (
    one_row  boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    position bigint  NOT NULL DEFAULT 0
);
INSERT INTO journal.head DEFAULT VALUES;

-- Keys that may be used once (the `jti` of a client assertion, RFC 7523 section 3), as keyed digests.
CREATE TABLE journal.once (
    key   bytea       PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE INDEX once_until ON journal.once (until);
