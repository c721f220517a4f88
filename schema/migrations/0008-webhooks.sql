-- depends: 0006-projection-progress

-- What is under way to webhooks. How far each has read the journal is its row in projection.progress, `webhook:<name>`;
-- what it was sent up to there, but did not take yet, is `pending`: both move in one transaction, so no event is lost.
CREATE SCHEMA webhook;

-- `since` is the position of its registration: what is here of one of that name that was removed before is not its own.
CREATE TABLE webhook.endpoints (
    name         text        PRIMARY KEY,
    since        bigint      NOT NULL,
    delivered    bigint      NOT NULL DEFAULT 0,
    last_success timestamptz
);

-- `attempts` are those that failed so far; the next is at `next_at`. The event itself stays in the journal.
CREATE TABLE webhook.pending (
    name       text        NOT NULL,
    position   bigint      NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts   integer     NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error text        NOT NULL DEFAULT '',
    PRIMARY KEY (name, position)
);

-- What was given up; `tallystick webhook redeliver` makes it pending again.
CREATE TABLE webhook.dead_letters (
    name     text        NOT NULL,
    position bigint      NOT NULL,
    attempts integer     NOT NULL,
    reason   text        NOT NULL,
    died_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, position)
);

-- The last event whose change of the webhooks is acted upon: a command that makes one waits for it.
CREATE TABLE webhook.dispatcher (
    one_row  boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
    position bigint      NOT NULL DEFAULT 0,
    seen_at  timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO webhook.dispatcher DEFAULT VALUES;

GRANT USAGE ON SCHEMA webhook TO tallystick_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook.endpoints, webhook.pending, webhook.dead_letters TO tallystick_app;
GRANT SELECT, UPDATE ON webhook.dispatcher TO tallystick_app;

-- Secrets that sign what is sent, encrypted by the service under its master key; the one before also signs for a while.
CREATE TABLE vault.webhooks (
    name               text   PRIMARY KEY,
    wrapped            bytea  NOT NULL,
    previous           bytea,
    previous_expire_at bigint
);
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.webhooks TO tallystick_app;
