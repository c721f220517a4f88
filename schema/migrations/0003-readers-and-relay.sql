-- depends: 0002-append

-- The workers that answer from memory, and how far each has folded the journal (docs/adr/0003-leases.md).
-- A worker may answer from memory only within `lease_seconds` of the moment it asked for the head and had folded up to it.
CREATE TABLE journal.readers (
    id            uuid        PRIMARY KEY,
    position      bigint      NOT NULL,
    lease_seconds real        NOT NULL,
    leased_at     timestamptz NOT NULL
);

-- A reader says how far it is. It MUST be committed before the reader asks for the head.
CREATE FUNCTION journal.lease(reader uuid, folded bigint, seconds real) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO journal.readers AS r VALUES (reader, folded, seconds, clock_timestamp())
    ON CONFLICT (id) DO UPDATE
        SET position = excluded.position, lease_seconds = excluded.lease_seconds, leased_at = excluded.leased_at;
    PERFORM pg_notify('tallystick_readers', '');
END
$$;

-- A reader leaves, and those that have long been silent are forgotten.
CREATE FUNCTION journal.release(reader uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM journal.readers
    WHERE id = reader OR leased_at < clock_timestamp() - make_interval(secs => 60 + 10 * lease_seconds)
$$;

-- What the relay last said of itself; read by readiness.
CREATE TABLE journal.relay (
    one_row  boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
    position bigint      NOT NULL DEFAULT 0,
    state    text        NOT NULL DEFAULT 'starting' CHECK (state IN ('starting', 'running', 'degraded', 'halted')),
    reason   text        NOT NULL DEFAULT 'no relay has reported yet',
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO journal.relay DEFAULT VALUES;

CREATE FUNCTION journal.report_relay(relayed bigint, now_state text, why text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE journal.relay SET position = relayed, state = now_state, reason = why, seen_at = clock_timestamp()
$$;

-- Private signing keys, encrypted by the service under its master key; the database never sees one in clear.
CREATE SCHEMA vault;
CREATE TABLE vault.keys (
    kid     text  PRIMARY KEY,
    wrapped bytea NOT NULL
);

-- The service reads the journal and appends by the function; it can neither update nor delete an event.
GRANT USAGE ON SCHEMA journal, vault TO tallystick_app;
GRANT SELECT ON journal.events, journal.head, journal.readers, journal.relay TO tallystick_app;
GRANT SELECT, INSERT, DELETE ON vault.keys TO tallystick_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA journal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    journal.append, journal.ensure_partitions, journal.forget_once, journal.lease, journal.release, journal.report_relay
    TO tallystick_app;
