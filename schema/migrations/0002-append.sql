-- depends: 0001-journal

-- The smallest UUIDv7 of a moment: 48 bits of milliseconds, then zeros (RFC 9562 section 5.7).
CREATE FUNCTION journal.first_stream_of(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Make the monthly grant partitions up to `months_ahead` months from now. Returns how many were made.
CREATE FUNCTION journal.ensure_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    made  integer := 0;
    month timestamptz;
    label text;
    lower_bound text;
    upper_bound uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tallystick.partitions'));
    FOR ahead IN 0 .. months_ahead LOOP
        month := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => ahead);
        label := 'events_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        CONTINUE WHEN EXISTS (SELECT FROM journal.partitions WHERE name = label);
        SELECT coalesce(quote_literal(max(p.upper::text)), 'MINVALUE') INTO lower_bound FROM journal.partitions p;
        upper_bound := journal.first_stream_of(month + interval '1 month');
        CONTINUE WHEN EXISTS (SELECT FROM journal.partitions p WHERE p.upper >= upper_bound);
        EXECUTE format('CREATE TABLE journal.%I PARTITION OF journal.events FOR VALUES FROM (%s) TO (%L)',
                       label, lower_bound, upper_bound);
        INSERT INTO journal.partitions VALUES (label, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

DO $$ BEGIN PERFORM journal.ensure_partitions(3); END $$;

-- Append a batch of requests, each with its own outcome.
--
-- The event arrays are parallel, one element an event, in request order; `request` is the number (from 1) of the
-- request it belongs to and `version` the place it takes in its stream, so expected version + 1, + 2, …
-- The once arrays give the single-use key of a request that has one.
--
-- A request is refused when its stream is not at the expected version, and replayed when its single-use key was
-- used before; neither leaves a trace. All events of the others get the positions after `head_before`, densely and in order.
--
-- The planner options are here because a plan that was made while the journal was small is kept by the
-- session: without them it would go on scanning a table that has grown.
CREATE FUNCTION journal.append(
    request integer[], stream uuid[], version integer[], type text[], client text[], data jsonb[],
    actor text[], source text[], trace text[],
    once_request integer[], once_key bytea[], once_until timestamptz[],
    OUT head_before bigint, OUT recorded_at timestamptz, OUT refused integer[], OUT replayed integer[]
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    appended integer;
BEGIN
    SELECT h.position INTO head_before FROM journal.head h FOR UPDATE;
    recorded_at := clock_timestamp();

    SELECT coalesce(array_agg(DISTINCT c.request), '{}') INTO refused
    FROM (
        SELECT e.request,
               (SELECT true FROM journal.events j WHERE j.stream = e.stream AND j.version = e.version LIMIT 1) AS taken,
               e.version = 1 OR lag(e.request) OVER (ORDER BY e.ordinal) = e.request OR
               (SELECT true FROM journal.events j WHERE j.stream = e.stream AND j.version = e.version - 1 LIMIT 1) AS follows,
               count(*) OVER (PARTITION BY e.stream, e.version ORDER BY e.ordinal) AS claims
        FROM unnest(request, stream, version) WITH ORDINALITY AS e(request, stream, version, ordinal)
    ) c
    WHERE c.taken OR c.follows IS NOT TRUE OR c.claims > 1;

    replayed := '{}';
    IF cardinality(once_request) > 0 THEN
        WITH asked AS (
            SELECT o.request, o.key, o.until, count(*) OVER (PARTITION BY o.key ORDER BY o.request) AS claims
            FROM unnest(once_request, once_key, once_until) AS o(request, key, until)
            WHERE NOT o.request = ANY (refused)
        ), used AS (
            INSERT INTO journal.once SELECT a.key, a.until FROM asked a WHERE a.claims = 1
            ON CONFLICT DO NOTHING RETURNING key
        )
        SELECT coalesce(array_agg(a.request), '{}') INTO replayed
        FROM asked a WHERE a.claims > 1 OR NOT EXISTS (SELECT FROM used u WHERE u.key = a.key);
    END IF;

    INSERT INTO journal.events
    SELECT append.head_before + row_number() OVER (ORDER BY e.ordinal),
           e.stream, e.version, e.type, e.client, e.data, e.actor, e.source, e.trace, append.recorded_at
    FROM unnest(request, stream, version, type, client, data, actor, source, trace) WITH ORDINALITY
         AS e(request, stream, version, type, client, data, actor, source, trace, ordinal)
    WHERE NOT e.request = ANY (refused) AND NOT e.request = ANY (replayed);
    GET DIAGNOSTICS appended = ROW_COUNT;

    IF appended > 0 THEN
        UPDATE journal.head h SET position = append.head_before + appended;
        PERFORM pg_notify('tallystick_journal', (append.head_before + appended)::text);
    END IF;
END
$$;

-- Forget single-use keys whose assertion has expired anyway. Returns how many.
CREATE FUNCTION journal.forget_once() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (DELETE FROM journal.once WHERE until < now() - interval '1 minute' RETURNING 1)
    SELECT count(*) FROM gone
$$;
