-- depends: 0011-halted-workers

-- APIs in the usage figures: what they refused and reported, and clients that introspect and get no tokens.

-- Whether a client has a grant. One that the fold before this knew is taken for one that has, until it is folded anew.
ALTER TABLE usage_data.clients ADD COLUMN gets_tokens boolean NOT NULL DEFAULT true;

-- The minute in which each client last introspected a token, whatever the answer.
CREATE VIEW usage_data.introspectors AS
SELECT CASE s.what WHEN 'active' THEN s.via ELSE s.client END AS client, max(l.at) AS asked
FROM usage_data.latest l JOIN usage_data.series s ON s.id = l.series
WHERE l.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
  AND s.what IN ('active', 'inactive')
GROUP BY 1;

CREATE OR REPLACE VIEW usage.clients AS
SELECT c.client, c.registered, c.enabled, u.last_issued, u.last_introspected,
       coalesce(greatest(u.last_issued, i.asked), c.registered) AS unused_since,
       i.asked AS last_asked, c.gets_tokens
FROM usage_data.clients c LEFT JOIN (
    SELECT d.client,
           max(s.issued) FILTER (WHERE s.issued >= date_trunc('minute', d.registered)) AS last_issued,
           max(s.introspected) FILTER (WHERE s.introspected >= date_trunc('minute', d.registered)) AS last_introspected
    FROM usage_data.clients d JOIN usage_data.uses s ON s.client = d.client
    WHERE d.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage')
    GROUP BY 1
) u ON u.client = c.client
LEFT JOIN usage_data.introspectors i ON i.client = c.client AND i.asked >= date_trunc('minute', c.registered)
WHERE c.slot = (SELECT g.slot FROM projection.progress g WHERE g.name = 'usage');

CREATE OR REPLACE VIEW usage.unused_clients AS
SELECT client, enabled, registered AS since FROM usage.clients
WHERE gets_tokens AND last_issued IS NULL AND last_asked IS NULL;

DO $$
DECLARE
    grain text;
BEGIN
    FOREACH grain IN ARRAY ARRAY['minute', 'hour', 'day'] LOOP
        EXECUTE format($view$
            CREATE OR REPLACE VIEW usage.%I AS
            SELECT t.at, s.client, s.via AS endpoint, s.error, s.reason, s.what = 'throttled' AS throttled, t.times,
                   nullif(s.resource, '') AS resource, nullif(s.scope, '') AS scope
            FROM usage_data.%I t JOIN usage_data.series s ON s.id = t.series
            WHERE t.slot = (SELECT p.slot FROM projection.progress p WHERE p.name = 'usage')
              AND s.slot = (SELECT p.slot FROM projection.progress p WHERE p.name = 'usage')
              AND s.what IN ('rejected', 'throttled', 'inactive')$view$, 'rejections_by_' || grain, 'per_' || grain);
        EXECUTE format($view$
            CREATE OR REPLACE VIEW usage.%I AS
            SELECT t.at, t.client, t.resource, one.scope, t.grant_type,
                   sum(t.issued)::bigint AS issued, sum(t.refreshed)::bigint AS refreshed, sum(t.retried)::bigint AS retried,
                   sum(t.tokens_revoked)::bigint AS tokens_revoked, sum(t.grants_revoked)::bigint AS grants_revoked,
                   sum(t.introspected_active)::bigint AS introspected_active, sum(t.rejected)::bigint AS rejected
            FROM usage.%I t CROSS JOIN unnest(string_to_array(t.scope, ' ')) AS one(scope)
            GROUP BY 1, 2, 3, 4, 5$view$, 'scopes_by_' || grain, 'by_' || grain);

        EXECUTE format($comments$
            COMMENT ON COLUMN usage.%1$I.client IS 'The client: of a token, the one that it was issued to; of a refusal, the one that was named, or whose token an API refused; of an introspection that found no active token, the API that asked; `_` where there is none of ours.';
            COMMENT ON COLUMN usage.%1$I.resource IS 'The API that the token is for, by its audience URI; of a refusal, the API that reported it; null where the event does not tell.';
            COMMENT ON COLUMN usage.%1$I.rejected IS 'Requests that were refused, `throttled` ones among them: by this server, and those that an API reported.';
            COMMENT ON COLUMN usage.%2$I.client IS 'The client that was named, proven or not: at `introspect`, the API that asked; at `api`, the one whose token was refused; `_` where none of ours was.';
            COMMENT ON COLUMN usage.%2$I.endpoint IS 'Where the request came in; `api` for what an API refused and reported.';
            COMMENT ON COLUMN usage.%2$I.resource IS 'The API that refused and reported it, by its audience URI; null for what this server refused.';
            COMMENT ON COLUMN usage.%2$I.scope IS 'All scopes of the token that an API refused, sorted; null where it had none or is not told, and for what this server refused. The scope that was asked for is nowhere here.';
            COMMENT ON COLUMN usage.%3$I.rejected IS 'Requests with such a token that an API refused and reported.';
            $comments$, 'by_' || grain, 'rejections_by_' || grain, 'scopes_by_' || grain);
    END LOOP;
    FOREACH grain IN ARRAY ARRAY['hour', 'day'] LOOP
        EXECUTE format($comments$
            COMMENT ON COLUMN usage.%1$I.resource IS 'The API, by its audience URI; of refusals, the API that reported them, null for those by this server.';
            $comments$, 'distinct_by_' || grain);
    END LOOP;
END
$$;

COMMENT ON VIEW usage.sources IS 'From where tokens were asked for, by hour; refusals count, under the API that reported them or else under no resource. `count(DISTINCT source)` is exact over any period.';
COMMENT ON COLUMN usage.sources.client IS 'The client that the token was issued to; of a refusal, the one that was named, or whose token an API refused; `_` where none of ours was.';
COMMENT ON COLUMN usage.sources.resource IS 'The API that the token is for, by its audience URI; of a refusal, the API that reported it, null for one by this server.';
COMMENT ON COLUMN usage.clients.unused_since IS 'Since when it neither got a token nor introspected one: since the later of `last_issued` and `last_asked`, or else since it was registered.';
COMMENT ON COLUMN usage.clients.last_asked IS 'The minute in which it last introspected a token, as an API does; null where it never did.';
COMMENT ON COLUMN usage.clients.gets_tokens IS 'Whether it has a grant to get tokens by; an API that only introspects has none.';
COMMENT ON VIEW usage.unused_clients IS 'Registered clients that may get tokens, never got one, and never introspected one. An API that had nothing to introspect or to report yet is here too, where it has a grant for its reports.';
