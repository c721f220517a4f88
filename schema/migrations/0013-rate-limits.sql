-- depends: 0012-usage-of-apis

-- Rate limits: what callers took of their token buckets, for all workers together, and what was throttled.

-- How many requests a bucket lacks, at a moment. What it says is of seconds, so it need not survive a crash.
CREATE UNLOGGED TABLE runtime.buckets (
    key text PRIMARY KEY,
    lacking double precision NOT NULL,
    at timestamptz NOT NULL,
    rate double precision NOT NULL,
    most double precision NOT NULL
);
CREATE INDEX buckets_at ON runtime.buckets (at);

-- Requests that were throttled, by window. A window is closed by the clock of this database, so that no worker counts in
-- one that another has told of.
CREATE TABLE runtime.throttled (
    starts bigint NOT NULL,
    seconds integer NOT NULL,
    who text NOT NULL,
    "limit" text NOT NULL,
    source text,
    client text,
    account text,
    endpoint text NOT NULL,
    error text NOT NULL,
    reason text NOT NULL,
    status integer NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (starts, seconds, who, endpoint, error, reason, status)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.buckets, runtime.throttled TO tallystick_app;

-- What a gateway asks `/verify` is counted as an introspection by `_`.
DO $$
DECLARE
    grain text;
BEGIN
    FOREACH grain IN ARRAY ARRAY['minute', 'hour', 'day'] LOOP
        EXECUTE format(
            'COMMENT ON COLUMN usage.introspections_by_%s.introspector IS %L',
            grain, 'The client, an API, that asked; `_` for gateways, which ask `/verify`.');
    END LOOP;
END
$$;
