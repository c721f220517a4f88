"""What the dispatcher asks of Postgres."""

from __future__ import annotations

from schema.envelope import RECORDED_COLUMNS

TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('tallystick.webhooks'))"
HEAD = "SELECT position FROM journal.head"
# On it a command tells that it changed the secret or the dead letters of a webhook: the payload.
CHANNEL = "SELECT channel FROM webhook.dispatcher"

# Long-lived streams lie in a partition of their own, so this looks through few events.
REGISTRATIONS = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events
    WHERE position > $1 AND position <= $2 AND type LIKE 'webhook.%'
        AND stream >= 'ff000000-0000-0000-0000-000000000000'
    ORDER BY position
"""  # noqa: S608 constant

# What a webhook does not want never leaves the database: a busy journal costs it an index scan.
READ = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events
    WHERE position > $1 AND position <= $2
        AND ($3::text[] IS NULL OR type LIKE ANY ($3::text[]))
        AND ($4::text[] IS NULL OR client = ANY ($4::text[]))
    ORDER BY position LIMIT $5
"""  # noqa: S608 constant

SINCE = "SELECT since FROM webhook.endpoints WHERE name = $1"
REMEMBER = "INSERT INTO webhook.endpoints (name, since) VALUES ($1, $2)"

FORGET = """
    WITH pending AS (DELETE FROM webhook.pending WHERE name = $1),
        dead AS (DELETE FROM webhook.dead_letters WHERE name = $1),
        progress AS (DELETE FROM projection.progress WHERE name = $2)
    DELETE FROM webhook.endpoints WHERE name = $1
"""

FORGET_OTHERS = """
    WITH pending AS (DELETE FROM webhook.pending WHERE NOT name = ANY ($1::text[])),
        dead AS (DELETE FROM webhook.dead_letters WHERE NOT name = ANY ($1::text[])),
        endpoints AS (DELETE FROM webhook.endpoints WHERE NOT name = ANY ($1::text[]))
    DELETE FROM projection.progress WHERE name LIKE 'webhook:%' AND NOT substr(name, 9) = ANY ($1::text[])
"""

# The command that registers makes the row too, at any moment: a place that is not this one's is not heeded.
BEGIN = """
    INSERT INTO projection.progress AS p (name, position) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, seen_at = clock_timestamp()
"""

CURSOR = """
    INSERT INTO projection.progress AS p (name, position) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp() RETURNING p.position
"""

# An event that retention has taken from the journal cannot be sent any more.
BURY_LOST = """
    WITH lost AS (
        DELETE FROM webhook.pending p
        WHERE p.name = $1 AND NOT EXISTS (SELECT FROM journal.events e WHERE e.position = p.position)
        RETURNING p.*
    )
    INSERT INTO webhook.dead_letters (name, position, attempts, reason)
    SELECT name, position, attempts, 'the event is no longer in the journal' FROM lost
"""

WAITING = """
    SELECT e.position, e.stream, e.version, e.type, e.client, e.data::text AS data, e.actor, e.source, e.trace,
        e.recorded_at, p.attempts, p.last_error AS error,
        extract(epoch FROM p.since)::float8 AS since, extract(epoch FROM p.next_at)::float8 AS due
    FROM (SELECT * FROM webhook.pending WHERE name = $1 ORDER BY position LIMIT $2) p
    JOIN journal.events e USING (position) ORDER BY p.position
"""

SECRETS = "SELECT wrapped, previous, previous_expire_at FROM vault.webhooks WHERE name = $1"

TAKE = """
    WITH moved AS (UPDATE projection.progress SET position = $3, seen_at = clock_timestamp() WHERE name = $1)
    INSERT INTO webhook.pending (name, position, since, next_at)
    SELECT $2, position, to_timestamp($5), to_timestamp($5) FROM unnest($4::bigint[]) AS taken(position)
"""

TAKEN = """
    WITH gone AS (DELETE FROM webhook.pending WHERE name = $1 AND position = ANY ($2::bigint[]))
    UPDATE webhook.endpoints
    SET delivered = delivered + cardinality($2::bigint[]), last_success = to_timestamp($3) WHERE name = $1
"""

FAILED = """
    UPDATE webhook.pending p SET attempts = f.attempts, next_at = to_timestamp(f.due), last_error = f.error
    FROM unnest($2::bigint[], $3::integer[], $4::float8[], $5::text[]) AS f(position, attempts, due, error)
    WHERE p.name = $1 AND p.position = f.position
"""

DEAD = """
    WITH gone AS (DELETE FROM webhook.pending WHERE name = $1 AND position = ANY ($2::bigint[]))
    INSERT INTO webhook.dead_letters (name, position, attempts, reason)
    SELECT $1, d.position, d.attempts, d.reason
    FROM unnest($2::bigint[], $3::integer[], $4::text[]) AS d(position, attempts, reason)
    ON CONFLICT (name, position) DO UPDATE
        SET attempts = excluded.attempts, reason = excluded.reason, died_at = excluded.died_at
"""

# What is told may be older than what was taken in since: a position never goes back.
REPORT = """
    WITH told AS (
        UPDATE projection.progress p
        SET state = r.state, reason = r.reason, position = greatest(r.position, p.position), seen_at = clock_timestamp()
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS r(name, state, reason, position)
        WHERE p.name = r.name
    )
    UPDATE webhook.dispatcher SET position = $5, seen_at = clock_timestamp()
"""


def session(milliseconds: int) -> str:
    """How the session is set up.

    A leader whose machine has gone is found out within seconds, and a statement that outlives its caller is ended. A
    plan that was made while the journal was small would go on scanning a table that has grown. What a crash of Postgres
    takes of the last moments is sent again, so no commit need be waited for.
    """
    return f"""
        SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
        SET enable_seqscan = off; SET enable_bitmapscan = off; SET statement_timeout = {milliseconds};
        SET synchronous_commit = off
    """
