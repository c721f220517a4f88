-- depends: 0007-usage 0008-webhooks 0009-anomalies

-- PostgreSQL lets whoever can log in take advisory locks, make temporary tables and large objects, send notifications and
-- write to the log that replicas read. An analyst's login needs none of it, and by the locks could hold the service up.
-- The functions are a superuser's, TEMPORARY is the database owner's to take away: a role that is neither is warned, and
-- docs/operations.md says what to run instead.
DO $$
DECLARE
    taken    CONSTANT text[] := ARRAY['lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message', 'pg_notify'];
    left_out text[] := '{}';
    each     record;
BEGIN
    FOR each IN
        SELECT p.oid::regprocedure::text AS signature, p.proname LIKE 'lo\_%' OR p.proname LIKE 'pg\_logical%' AS unused
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          -- To give up one's own locks is harmless, and clients' pools do it by themselves.
          AND (p.proname LIKE 'pg\_%advisory%lock%' AND p.proname NOT LIKE 'pg\_advisory\_unlock%'
               OR p.proname = ANY (taken))
    LOOP
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            left_out := left_out || each.signature;
        ELSE
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each.signature);
            IF NOT each.unused THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tallystick_app, CURRENT_USER', each.signature);
            END IF;
        END IF;
    END LOOP;
    IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO CURRENT_USER', current_database());
    ELSE
        left_out := left_out || 'TEMPORARY'::text;
    END IF;
    IF left_out <> '{}' THEN
        RAISE WARNING 'whoever can log in may still use: %', array_to_string(left_out, ', ')
            USING HINT = 'docs/operations.md says what a superuser should run.';
    END IF;
END
$$;

-- Notifications cannot be refused to anybody, so this channel's name is told to the service alone: whoever knew it could
-- have any webhook's sending begun again, and again.
ALTER TABLE webhook.dispatcher ADD COLUMN channel text NOT NULL
    DEFAULT 'tallystick_webhooks_' || replace(gen_random_uuid()::text, '-', '');

-- A part of the names of the anomaly engine's consumers on the stream. Who may only read the stream could take the
-- messages of a consumer whose name it knew (docs/audit-stream.md).
CREATE TABLE projection.anomaly_consumers (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    secret  text    NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', '')
);
INSERT INTO projection.anomaly_consumers DEFAULT VALUES;
GRANT SELECT ON projection.anomaly_consumers TO tallystick_app;
