-- depends: 0010-what-logins-may-not

-- A worker that cannot fold an event holds no lease any more. It says why, so that it is not taken for one that left.
ALTER TABLE journal.readers ADD COLUMN halted text, ADD COLUMN halted_at timestamptz;

-- What it had a lease for is left as it was: it may have answered until then.
CREATE FUNCTION journal.halt(reader uuid, folded bigint, seconds real, why text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO journal.readers VALUES (reader, folded, seconds, '-infinity', why, clock_timestamp())
    ON CONFLICT (id) DO UPDATE
        SET position = excluded.position, halted = excluded.halted, halted_at = excluded.halted_at
$$;

CREATE OR REPLACE FUNCTION journal.release(reader uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM journal.readers
    WHERE id = reader
       OR greatest(leased_at, halted_at) < clock_timestamp() - make_interval(secs => 60 + 10 * lease_seconds)
$$;

REVOKE EXECUTE ON FUNCTION journal.halt FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal.halt TO tallystick_app;
