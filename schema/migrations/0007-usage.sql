-- depends: 0006-projection-progress

-- Usage figures: tables in `usage_data`, which the projection `usage` writes, and views in `usage`, which analysts read.
--
-- Every table has the two slots of a projection (0006) as partitions. Where a row's meaning is many words (who, for what,
-- by which error), it has the digest of the words instead, and the words are once in `series` or `places`: a digest is
-- short, no scope list is too long for an index, and the same words have the same digest in a rebuilt slot.
CREATE SCHEMA usage_data;

-- How far each slot was folded: what comes again changes nothing. `newest` is the newest minute, in seconds since 1970.
CREATE TABLE usage_data.clock (
    slot     smallint NOT NULL,
    position bigint   NOT NULL,
    newest   bigint   NOT NULL,
    PRIMARY KEY (slot)
) PARTITION BY LIST (slot);

-- What is counted. `via` is the endpoint of a refusal, the introspector of an introspection, the method of a sign-in;
-- `seconds` the lifetime of a token, or of an age or a time to revocation the upper bound, 2147483647 for what is more than
-- any.
CREATE TABLE usage_data.series (
    slot       smallint NOT NULL,
    id         uuid     NOT NULL,
    what       text     NOT NULL,
    client     text     NOT NULL,
    resource   text     NOT NULL,
    scope      text     NOT NULL,
    grant_type text     NOT NULL,
    via        text     NOT NULL,
    error      text     NOT NULL,
    reason     text     NOT NULL,
    seconds    integer  NOT NULL,
    PRIMARY KEY (slot, id)
) PARTITION BY LIST (slot);

-- The minute in which each last happened.
CREATE TABLE usage_data.latest (
    slot   smallint    NOT NULL,
    series uuid        NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (slot, series)
) PARTITION BY LIST (slot);

CREATE TABLE usage_data.per_minute (
    slot   smallint    NOT NULL,
    at     timestamptz NOT NULL,
    series uuid        NOT NULL,
    times  bigint      NOT NULL,
    PRIMARY KEY (slot, at, series)
) PARTITION BY LIST (slot);

CREATE TABLE usage_data.per_hour (LIKE usage_data.per_minute INCLUDING ALL) PARTITION BY LIST (slot);
CREATE TABLE usage_data.per_day (LIKE usage_data.per_minute INCLUDING ALL) PARTITION BY LIST (slot);

-- Where people and addresses were seen.
CREATE TABLE usage_data.places (
    slot     smallint NOT NULL,
    id       uuid     NOT NULL,
    client   text     NOT NULL,
    resource text     NOT NULL,
    PRIMARY KEY (slot, id)
) PARTITION BY LIST (slot);

-- Who was seen on a day, and in which of its hours: bit 0 is the first one (UTC).
CREATE TABLE usage_data.subjects (
    slot    smallint    NOT NULL,
    day     timestamptz NOT NULL,
    place   uuid        NOT NULL,
    subject text        NOT NULL COLLATE "C",
    hours   integer     NOT NULL,
    PRIMARY KEY (slot, day, place, subject)
) PARTITION BY LIST (slot);

CREATE TABLE usage_data.sources (
    slot    smallint    NOT NULL,
    day     timestamptz NOT NULL,
    place   uuid        NOT NULL,
    source  text        NOT NULL COLLATE "C",
    network text        NOT NULL,
    hours   integer     NOT NULL,
    PRIMARY KEY (slot, day, place, source)
) PARTITION BY LIST (slot);

-- One row for each grant that has refresh tokens.
CREATE TABLE usage_data.chains (
    slot         smallint    NOT NULL,
    grant_id     uuid        NOT NULL,
    client       text        NOT NULL,
    resource     text        NOT NULL,
    started      timestamptz NOT NULL,
    expires      timestamptz,
    rotations    integer     NOT NULL,
    refreshes    integer     NOT NULL,
    retries      integer     NOT NULL,
    reused       boolean     NOT NULL,
    revoked      text,
    PRIMARY KEY (slot, grant_id)
) PARTITION BY LIST (slot);

-- What is registered. The maps tell of each name since when (seconds since 1970) it is there.
CREATE TABLE usage_data.clients (
    slot       smallint    NOT NULL,
    client     text        NOT NULL COLLATE "C",
    registered timestamptz NOT NULL,
    enabled    boolean     NOT NULL,
    scopes     jsonb       NOT NULL,
    roles      jsonb       NOT NULL,
    PRIMARY KEY (slot, client)
) PARTITION BY LIST (slot);

CREATE TABLE usage_data.roles (
    slot   smallint NOT NULL,
    role   text     NOT NULL COLLATE "C",
    scopes jsonb    NOT NULL,
    PRIMARY KEY (slot, role)
) PARTITION BY LIST (slot);

CREATE TABLE usage_data.resources (
    slot     smallint NOT NULL,
    resource text     NOT NULL COLLATE "C",
    scopes   jsonb    NOT NULL,
    PRIMARY KEY (slot, resource)
) PARTITION BY LIST (slot);

-- Rows that are often updated: room beside them keeps the index out of that.
DO $$
DECLARE
    named text;
BEGIN
    FOR named IN SELECT relname FROM pg_class WHERE relnamespace = 'usage_data'::regnamespace AND relkind = 'p' LOOP
        FOR slot IN 0 .. 1 LOOP
            EXECUTE format('CREATE TABLE usage_data.%I PARTITION OF usage_data.%I FOR VALUES IN (%s)%s',
                           named || '_' || slot, named, slot,
                           CASE WHEN named IN ('latest', 'chains', 'per_minute', 'per_hour', 'per_day')
                                THEN ' WITH (fillfactor = 80)' ELSE '' END);
        END LOOP;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA usage_data TO tallystick_app;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA usage_data TO tallystick_app;

-- The views. Each reads the slot that is current; the planner leaves the other partition alone. They hide nothing of the
-- rows but the other slot, which has the same figures, so that none needs to be a security barrier.
CREATE SCHEMA usage;

-- A view's and its columns' meanings, as docs/usage.md has them: `columns` is name, meaning, name, meaning, …
CREATE FUNCTION pg_temp.describe(view_name text, meaning text, VARIADIC columns text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('COMMENT ON VIEW usage.%I IS %L', view_name, meaning);
    FOR place IN 1 .. cardinality(columns) BY 2 LOOP
        EXECUTE format('COMMENT ON COLUMN usage.%I.%I IS %L', view_name, columns[place], columns[place + 1]);
    END LOOP;
END
$$;

DO $$
DECLARE
    grain      text;
    counted    text;
    at_meaning text;
BEGIN
    FOREACH grain IN ARRAY ARRAY['minute', 'hour', 'day'] LOOP
        at_meaning := 'The first moment of the minute, hour or day (UTC).';
        counted := format(
            'FROM usage_data.%I t JOIN usage_data.series s ON s.id = t.series'
            ' WHERE t.slot = (SELECT p.slot FROM projection.progress p WHERE p.name = ''usage'')'
            ' AND s.slot = (SELECT p.slot FROM projection.progress p WHERE p.name = ''usage'')', 'per_' || grain);

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, s.client,
                   nullif(s.resource, '') AS resource, nullif(s.scope, '') AS scope, nullif(s.grant_type, '') AS grant_type,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'issued'), 0)::bigint AS issued,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'refreshed'), 0)::bigint AS refreshed,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'retried'), 0)::bigint AS retried,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'token_revoked'), 0)::bigint AS tokens_revoked,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'grant_revoked'), 0)::bigint AS grants_revoked,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'reused'), 0)::bigint AS reused,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'active'), 0)::bigint AS introspected_active,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'inactive'), 0)::bigint AS introspected_inactive,
                   coalesce(sum(t.times) FILTER (WHERE s.what IN ('rejected', 'throttled')), 0)::bigint AS rejected,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'throttled'), 0)::bigint AS throttled,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'signed_in'), 0)::bigint AS signed_in,
                   coalesce(sum(t.times) FILTER (WHERE s.what = 'sign_in_failed'), 0)::bigint AS sign_ins_failed
            %s GROUP BY 1, 2, 3, 4, 5$view$, 'by_' || grain, counted);
        PERFORM pg_temp.describe('by_' || grain,
            'How often each thing happened, by client, resource, scope and grant type. All columns after `grant_type` add up, over any rows.',
            'at', at_meaning,
            'client', 'The client: of a token, the one that it was issued to; of a refusal, the one that was named; of an introspection that found no active token, the API that asked; `_` where there is none of ours.',
            'resource', 'The API that the token is for, by its audience URI; null where the event does not tell.',
            'scope', 'All scopes of the token, sorted, separated by spaces; null where it has none or the event does not tell.',
            'grant_type', 'How the token was got; `refresh_token` for one that came of a refresh; null where the event does not tell.',
            'issued', 'Access tokens that were issued without a refresh.',
            'refreshed', 'Access tokens that came of a refresh, `retried` ones aside.',
            'retried', 'Access tokens that came of the same refresh once more, within its grace window.',
            'tokens_revoked', 'Access tokens that were revoked one by one.',
            'grants_revoked', 'Grants that were revoked with all their tokens; resource, scope and grant type are those of the first token, or of what was asked for.',
            'reused', 'Codes and refresh tokens that came a second time: a copy is about.',
            'introspected_active', 'Introspections that found an active token.',
            'introspected_inactive', 'Introspections that found none. Not among `rejected`.',
            'rejected', 'Requests that were refused, `throttled` ones among them.',
            'throttled', 'Requests that were refused because there were too many.',
            'signed_in', 'Sign-ins of people, to the client that sent them.',
            'sign_ins_failed', 'Attempts to sign in that failed.');

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, t.client, t.resource, one.scope, t.grant_type,
                   sum(t.issued)::bigint AS issued, sum(t.refreshed)::bigint AS refreshed, sum(t.retried)::bigint AS retried,
                   sum(t.tokens_revoked)::bigint AS tokens_revoked, sum(t.grants_revoked)::bigint AS grants_revoked,
                   sum(t.introspected_active)::bigint AS introspected_active
            FROM usage.%I t CROSS JOIN unnest(string_to_array(t.scope, ' ')) AS one(scope)
            GROUP BY 1, 2, 3, 4, 5$view$, 'scopes_by_' || grain, 'by_' || grain);
        PERFORM pg_temp.describe('scopes_by_' || grain,
            'The same for each single scope. A token of two scopes is counted under both: never add up over scopes.',
            'at', at_meaning,
            'client', 'The client that the token was issued to.',
            'resource', 'The API that the token is for, by its audience URI.',
            'scope', 'One scope of the token.',
            'grant_type', 'How the token was got; `refresh_token` for one that came of a refresh.',
            'issued', 'Access tokens with this scope that were issued without a refresh.',
            'refreshed', 'Access tokens with it that came of a refresh, `retried` ones aside.',
            'retried', 'Access tokens with it that came of the same refresh once more.',
            'tokens_revoked', 'Access tokens with it that were revoked one by one.',
            'grants_revoked', 'Grants with it that were revoked with all their tokens.',
            'introspected_active', 'Introspections that found an active token with it.');

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, s.client,
                   nullif(s.resource, '') AS resource, nullif(s.scope, '') AS scope, nullif(s.grant_type, '') AS grant_type,
                   CASE s.what WHEN 'token_revoked' THEN 'token' ELSE 'grant' END AS revoked, s.reason,
                   sum(t.times)::bigint AS times
            %s AND s.what IN ('token_revoked', 'grant_revoked')
            GROUP BY 1, 2, 3, 4, 5, 6, 7$view$, 'revocations_by_' || grain, counted);
        PERFORM pg_temp.describe('revocations_by_' || grain,
            'Revocations by reason.',
            'at', at_meaning,
            'client', 'The client that the token or grant was given to.',
            'resource', 'The API that the token, or the grant''s first one, is for; null where there was none.',
            'scope', 'All scopes of the token, or of the grant''s first one, sorted.',
            'grant_type', 'How the token, or the grant''s first one, was got.',
            'revoked', '`token`, or `grant` with all its tokens.',
            'reason', 'Why: the event''s `reason`.',
            'times', 'How many.');

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, s.client, s.via AS endpoint, s.error, s.reason, s.what = 'throttled' AS throttled, t.times
            %s AND s.what IN ('rejected', 'throttled', 'inactive')$view$, 'rejections_by_' || grain, counted);
        PERFORM pg_temp.describe('rejections_by_' || grain,
            'Refusals by endpoint, error and reason (docs/rejections.md), with introspections that found no active token.',
            'at', at_meaning,
            'client', 'The client that was named, proven or not: at `introspect`, the API that asked; `_` where none of ours was.',
            'endpoint', 'Where the request came in.',
            'error', 'What the caller was told; `inactive_token` where the answer was that a token is not active.',
            'reason', 'Why: the event''s `reason`.',
            'throttled', 'Whether there were too many requests or attempts.',
            'times', 'How many.');

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, CASE s.what WHEN 'active' THEN s.via ELSE s.client END AS introspector,
                   s.what = 'active' AS active, CASE s.what WHEN 'active' THEN s.client END AS client,
                   nullif(s.resource, '') AS resource, nullif(s.scope, '') AS scope, nullif(s.grant_type, '') AS grant_type,
                   nullif(s.reason, '') AS reason, t.times
            %s AND s.what IN ('active', 'inactive')$view$, 'introspections_by_' || grain, counted);
        PERFORM pg_temp.describe('introspections_by_' || grain,
            'Introspections, by the API that asked and what it was told.',
            'at', at_meaning,
            'introspector', 'The client, an API, that asked.',
            'active', 'Whether the token was active.',
            'client', 'The client that the token was issued to; null where it was not active.',
            'resource', 'The API that the token is for; null where it was not active.',
            'scope', 'All scopes of the token, sorted; null where it was not active.',
            'grant_type', 'How the token was got; null where it was not active.',
            'reason', 'Why the token was not active; null where it was.',
            'times', 'How many.');

        EXECUTE format($view$
            CREATE VIEW usage.%I AS
            SELECT t.at, s.client, s.what = 'signed_in' AS succeeded, nullif(s.via, '') AS method,
                   nullif(s.reason, '') AS reason, t.times
            %s AND s.what IN ('signed_in', 'sign_in_failed')$view$, 'sign_ins_by_' || grain, counted);
        PERFORM pg_temp.describe('sign_ins_by_' || grain,
            'Sign-ins of people, by how they went.',
            'at', at_meaning,
            'client', 'The client that sent the person; `_` where none did.',
            'succeeded', 'Whether the person was signed in.',
            'method', 'How (RFC 8176): all methods of a sign-in, sorted; the one that failed.',
            'reason', 'Why it failed; null where it did not.',
            'times', 'How many.');
    END LOOP;
END
$$;

CREATE VIEW usage.subjects AS
SELECT s.day + make_interval(hours => h.hour) AS at, s.day, p.client, nullif(p.resource, '') AS resource,
       s.subject, s.subject <> p.client AS person
FROM usage_data.subjects s JOIN usage_data.places p ON p.id = s.place
    CROSS JOIN generate_series(0, 23) AS h(hour)
WHERE s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND p.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.hours & (1 << h.hour) <> 0;

CREATE VIEW usage.sources AS
SELECT s.day + make_interval(hours => h.hour) AS at, s.day, p.client, nullif(p.resource, '') AS resource,
       s.source, s.network
FROM usage_data.sources s JOIN usage_data.places p ON p.id = s.place
    CROSS JOIN generate_series(0, 23) AS h(hour)
WHERE s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND p.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.hours & (1 << h.hour) <> 0;

CREATE VIEW usage.distinct_by_hour AS
SELECT at, client, resource,
       count(subject) AS subjects, count(subject) FILTER (WHERE person) AS people,
       count(source) AS sources, count(DISTINCT network) AS networks
FROM (
    SELECT at, client, resource, subject, person, NULL AS source, NULL AS network FROM usage.subjects
    UNION ALL
    SELECT at, client, resource, NULL, NULL, source, network FROM usage.sources
) seen
GROUP BY 1, 2, 3;

CREATE VIEW usage.distinct_by_day AS
SELECT at, client, resource,
       count(subject) AS subjects, count(subject) FILTER (WHERE person) AS people,
       count(source) AS sources, count(DISTINCT network) AS networks
FROM (
    SELECT s.day AS at, p.client, nullif(p.resource, '') AS resource,
           s.subject, s.subject <> p.client AS person, NULL AS source, NULL AS network
    FROM usage_data.subjects s JOIN usage_data.places p ON p.id = s.place
    WHERE s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
      AND p.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
    UNION ALL
    SELECT s.day, p.client, nullif(p.resource, ''), NULL, NULL, s.source, s.network
    FROM usage_data.sources s JOIN usage_data.places p ON p.id = s.place
    WHERE s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
      AND p.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
) seen
GROUP BY 1, 2, 3;

CREATE VIEW usage.lifetimes_given AS
SELECT t.at, s.client, s.resource, s.grant_type, s.seconds AS lifetime, sum(t.times)::bigint AS times
FROM usage_data.per_day t JOIN usage_data.series s ON s.id = t.series
WHERE t.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.what IN ('issued', 'refreshed', 'retried')
GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW usage.ages_used AS
SELECT t.at, s.client, s.resource, s.grant_type, nullif(s.seconds, 2147483647) AS up_to, t.times
FROM usage_data.per_day t JOIN usage_data.series s ON s.id = t.series
WHERE t.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.what = 'age';

CREATE VIEW usage.revoked_after AS
SELECT t.at, s.client, nullif(s.resource, '') AS resource, nullif(s.grant_type, '') AS grant_type,
       CASE s.what WHEN 'token_revoked' THEN 'token' ELSE 'grant' END AS revoked,
       nullif(s.seconds, 2147483647) AS up_to, sum(t.times)::bigint AS times
FROM usage_data.per_day t JOIN usage_data.series s ON s.id = t.series
WHERE t.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.what IN ('token_revoked', 'grant_revoked')
GROUP BY 1, 2, 3, 4, 5, 6;

CREATE VIEW usage.refresh_chains AS
SELECT date_trunc('day', started, 'UTC') AS at, client, resource, rotations,
       CASE WHEN reused THEN 'reuse' WHEN revoked IS NOT NULL THEN 'revoked' WHEN expires < now() THEN 'expired' END AS ended,
       revoked AS reason,
       count(*) AS grants, sum(refreshes)::bigint AS refreshes, sum(retries)::bigint AS retries
FROM usage_data.chains
WHERE slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
GROUP BY 1, 2, 3, 4, 5, 6;

-- What a client was last issued or last used, by whole scope strings; uses are known to the minute, so that one within the
-- minute in which a client was registered is that client's.
CREATE VIEW usage_data.uses AS
SELECT s.client, s.resource, s.scope,
       max(l.at) FILTER (WHERE s.what IN ('issued', 'refreshed', 'retried')) AS issued,
       max(l.at) FILTER (WHERE s.what = 'active') AS introspected
FROM usage_data.latest l JOIN usage_data.series s ON s.id = l.series
WHERE l.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.what IN ('issued', 'refreshed', 'retried', 'active')
GROUP BY 1, 2, 3;

CREATE VIEW usage.clients AS
SELECT c.client, c.registered, c.enabled, u.last_issued, u.last_introspected,
       coalesce(u.last_issued, c.registered) AS unused_since
FROM usage_data.clients c LEFT JOIN (
    SELECT d.client,
           max(s.issued) FILTER (WHERE s.issued >= date_trunc('minute', d.registered)) AS last_issued,
           max(s.introspected) FILTER (WHERE s.introspected >= date_trunc('minute', d.registered)) AS last_introspected
    FROM usage_data.clients d JOIN usage_data.uses s ON s.client = d.client
    WHERE d.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
    GROUP BY 1
) u ON u.client = c.client
WHERE c.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage');

-- A client holds a scope by itself or by a role, since the first of the ways in which it has it now.
CREATE VIEW usage.client_scopes AS
SELECT h.client, h.scope, to_timestamp(h.since) AS held_since, u.last_issued, u.last_introspected,
       greatest(u.last_issued, to_timestamp(h.since)) AS unused_since
FROM (
    SELECT client, scope, min(since) AS since
    FROM (
        SELECT c.client, own.key AS scope, own.value::bigint AS since
        FROM usage_data.clients c CROSS JOIN jsonb_each_text(c.scopes) own
        WHERE c.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
        UNION ALL
        SELECT c.client, by_role.key, greatest(by_role.value::bigint, has.value::bigint)
        FROM usage_data.clients c CROSS JOIN jsonb_each_text(c.roles) has
            JOIN usage_data.roles r ON r.slot = c.slot AND r.role = has.key
            CROSS JOIN jsonb_each_text(r.scopes) by_role
        WHERE c.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
    ) ways
    GROUP BY 1, 2
) h LEFT JOIN (
    SELECT d.client, one.scope,
           max(s.issued) FILTER (WHERE s.issued >= date_trunc('minute', d.registered)) AS last_issued,
           max(s.introspected) FILTER (WHERE s.introspected >= date_trunc('minute', d.registered)) AS last_introspected
    FROM usage_data.clients d JOIN usage_data.uses s ON s.client = d.client
        CROSS JOIN unnest(string_to_array(s.scope, ' ')) AS one(scope)
    WHERE d.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
    GROUP BY 1, 2
) u ON u.client = h.client AND u.scope = h.scope;

CREATE VIEW usage.resource_scopes AS
SELECT r.resource, own.key AS scope, to_timestamp(own.value::bigint) AS registered, u.last_issued, u.last_introspected,
       greatest(u.last_issued, to_timestamp(own.value::bigint)) AS unused_since
FROM usage_data.resources r CROSS JOIN jsonb_each_text(r.scopes) own
    LEFT JOIN (
        SELECT s.resource, one.scope, max(s.issued) AS last_issued, max(s.introspected) AS last_introspected
        FROM usage_data.uses s CROSS JOIN unnest(string_to_array(s.scope, ' ')) AS one(scope)
        GROUP BY 1, 2
    ) u ON u.resource = r.resource AND u.scope = own.key
WHERE r.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage');

CREATE VIEW usage.unused_clients AS
SELECT client, enabled, registered AS since FROM usage.clients WHERE last_issued IS NULL;

CREATE VIEW usage.unused_scopes AS
SELECT client, scope, held_since AS since FROM usage.client_scopes
WHERE last_issued IS NULL OR last_issued < date_trunc('minute', held_since);

DO $$
BEGIN
    PERFORM pg_temp.describe('subjects',
        'Who was issued a token, by hour; a refreshed one counts. `count(DISTINCT subject)` is exact over any period, clients and resources.',
        'at', 'The first moment of the hour (UTC).',
        'day', 'The first moment of its day (UTC); a condition on it is the quick one.',
        'client', 'The client that the token was issued to.',
        'resource', 'The API that the token is for, by its audience URI.',
        'subject', 'The subject: a person''s generated id, or a client that acts by itself.',
        'person', 'Whether it is a person.');
    PERFORM pg_temp.describe('sources',
        'From where tokens were asked for, by hour; refusals count, under no resource. `count(DISTINCT source)` is exact over any period.',
        'at', 'The first moment of the hour (UTC).',
        'day', 'The first moment of its day (UTC); a condition on it is the quick one.',
        'client', 'The client that the token was issued to; of a refusal, the one that was named; `_` where none of ours was.',
        'resource', 'The API that the token is for, by its audience URI; null for refusals.',
        'source', 'The address, at most 64 characters of it.',
        'network', 'Its network: an IPv4 /24 or an IPv6 /48.');
    FOR grain IN 0 .. 1 LOOP
        PERFORM pg_temp.describe(CASE grain WHEN 0 THEN 'distinct_by_hour' ELSE 'distinct_by_day' END,
            'How many distinct subjects and sources there were within each hour or day. They overlap: never add them up; count over `subjects` and `sources` instead.',
            'at', 'The first moment of the hour or day (UTC).',
            'client', 'The client; `_` for refusals that named none of ours.',
            'resource', 'The API, by its audience URI; null for refusals.',
            'subjects', 'Distinct subjects that were issued a token.',
            'people', 'Those of them that are people.',
            'sources', 'Distinct addresses that asked.',
            'networks', 'Distinct networks that they are in.');
    END LOOP;
    PERFORM pg_temp.describe('lifetimes_given',
        'For how long access tokens were issued, by day.',
        'at', 'The first moment of the day (UTC).',
        'client', 'The client.',
        'resource', 'The API, by its audience URI.',
        'grant_type', 'How the tokens were got; `refresh_token` for those that came of a refresh.',
        'lifetime', 'From issuance to expiry, in seconds.',
        'times', 'How many tokens.');
    PERFORM pg_temp.describe('ages_used',
        'How old access tokens were when they were introspected and active, by day.',
        'at', 'The first moment of the day (UTC).',
        'client', 'The client that the tokens were issued to.',
        'resource', 'The API, by its audience URI.',
        'grant_type', 'How the tokens were got; `refresh_token` for those that came of a refresh.',
        'up_to', 'The age in seconds: at most this, and more than the next smaller of 60, 300, 600, 1800, 3600, 14400; null for more than the last.',
        'times', 'How many introspections.');
    PERFORM pg_temp.describe('revoked_after',
        'How long after their issuance tokens and grants were revoked, by day of the revocation.',
        'at', 'The first moment of the day (UTC).',
        'client', 'The client that the token or grant was given to.',
        'resource', 'The API that the token, or the grant''s first one, is for; null where there was none.',
        'grant_type', 'How the token, or the grant''s first one, was got.',
        'revoked', '`token`, or `grant` with all its tokens.',
        'up_to', 'The time in seconds: at most this, and more than the next smaller of 60, 600, 3600, 21600, 86400, 604800, 2592000; null for more than the last.',
        'times', 'How many.');
    PERFORM pg_temp.describe('refresh_chains',
        'Grants with refresh tokens, by how often those were rotated and how they ended.',
        'at', 'The first moment of the day on which they began (UTC).',
        'client', 'The client.',
        'resource', 'The API of the first token, by its audience URI.',
        'rotations', 'How often the refresh token was replaced by a new one: the length of the chain.',
        'ended', '`reuse` where a used refresh token came again, `revoked`, `expired` after the refresh token''s whole lifetime; null where it may go on. One that nobody used for too long is not told from one that may go on.',
        'reason', 'Why it was revoked; null where it was not.',
        'grants', 'How many grants.',
        'refreshes', 'Their access tokens that came of a refresh, without those that a refresh made once more.',
        'retries', 'Their access tokens that the same refresh made once more, within its grace window.');
    PERFORM pg_temp.describe('clients',
        'Registered clients, and when each was last used. A client that was removed is not here; one of the same name is a new one.',
        'client', 'The client.',
        'registered', 'When it was registered.',
        'enabled', 'Whether it may act.',
        'last_issued', 'The minute in which it last got a token; null where it never did.',
        'last_introspected', 'The minute in which one of its tokens was last introspected and active; null where none was.',
        'unused_since', 'Since when it got no token: since `last_issued`, or else since it was registered.');
    PERFORM pg_temp.describe('client_scopes',
        'The scopes that each registered client may ask for, its own and those of its roles, and when each was last used.',
        'client', 'The client.',
        'scope', 'The scope.',
        'held_since', 'Since when the client has it.',
        'last_issued', 'The minute in which it last got a token with it; null where it never did.',
        'last_introspected', 'The minute in which a token with it was last introspected and active; null where none was.',
        'unused_since', 'Since when it got no token with it: since `last_issued`, but not before `held_since`.');
    PERFORM pg_temp.describe('resource_scopes',
        'The scopes of each registered API, and when any client last used each.',
        'resource', 'The API, by its audience URI.',
        'scope', 'The scope.',
        'registered', 'Since when the API has it.',
        'last_issued', 'The minute in which a token for the API was last issued with it; null where none was.',
        'last_introspected', 'The minute in which such a token was last introspected and active; null where none was.',
        'unused_since', 'Since when no token was issued with it: since `last_issued`, but not before `registered`.');
    PERFORM pg_temp.describe('unused_clients',
        'Registered clients that never got a token.',
        'client', 'The client.',
        'enabled', 'Whether it may act.',
        'since', 'When it was registered.');
    PERFORM pg_temp.describe('unused_scopes',
        'Scopes that a client may ask for, and that it got no token with since it may.',
        'client', 'The client.',
        'scope', 'The scope.',
        'since', 'Since when the client has it.');
END
$$;

-- Analysts read the views and nothing else. The service reads them for `tallystick usage` and GET /usage.
GRANT USAGE ON SCHEMA usage TO tallystick_analyst, tallystick_app;
GRANT SELECT ON ALL TABLES IN SCHEMA usage TO tallystick_analyst, tallystick_app;
