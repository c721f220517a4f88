-- depends: 0013-rate-limits

-- As in 0002-append, which says what it takes and gives; two things are done in a cheaper way where that is plain to
-- see: requests that each begin a stream that nobody has (tokens of clients) need no look at the version before, and
-- where no request is refused or replayed, the positions are those of the arrays.
CREATE OR REPLACE FUNCTION journal.append(
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

    refused := '{}';
    IF 1 <> ANY (version)
       OR (SELECT count(DISTINCT s) FROM unnest(stream) AS s) < cardinality(stream)
       OR EXISTS (SELECT FROM journal.events j WHERE j.stream = ANY (append.stream))
    THEN
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
    END IF;

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

    IF cardinality(refused) + cardinality(replayed) = 0 THEN
        INSERT INTO journal.events
        SELECT append.head_before + e.ordinal,
               e.stream, e.version, e.type, e.client, e.data, e.actor, e.source, e.trace, append.recorded_at
        FROM unnest(stream, version, type, client, data, actor, source, trace) WITH ORDINALITY
             AS e(stream, version, type, client, data, actor, source, trace, ordinal);
    ELSE
        INSERT INTO journal.events
        SELECT append.head_before + row_number() OVER (ORDER BY e.ordinal),
               e.stream, e.version, e.type, e.client, e.data, e.actor, e.source, e.trace, append.recorded_at
        FROM unnest(request, stream, version, type, client, data, actor, source, trace) WITH ORDINALITY
             AS e(request, stream, version, type, client, data, actor, source, trace, ordinal)
        WHERE NOT e.request = ANY (refused) AND NOT e.request = ANY (replayed);
    END IF;
    GET DIAGNOSTICS appended = ROW_COUNT;

    IF appended > 0 THEN
        UPDATE journal.head h SET position = append.head_before + appended;
        PERFORM pg_notify('tallystick_journal', (append.head_before + appended)::text);
    END IF;
END
$$;
