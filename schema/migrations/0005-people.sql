-- depends: 0004-accounts

-- What one person, session or user code led to: looked up for pages, withdrawals and sign-outs, never for a token.
CREATE INDEX events_by_subject ON journal.events ((data->>'subject'))
    WHERE type IN ('authorization.granted', 'device.approved', 'session.started');
CREATE INDEX events_by_session ON journal.events ((data->>'session'))
    WHERE type IN ('authorization.granted', 'device.approved');
CREATE INDEX events_by_user_code ON journal.events ((data->>'user_code_digest'))
    WHERE type = 'device.requested';

-- Secrets of authenticator apps (RFC 6238), encrypted by the service under its master key.
CREATE TABLE vault.totp (
    subject uuid  PRIMARY KEY,
    wrapped bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.totp TO tallystick_app;

-- When each device last asked (RFC 8628 section 3.5): shared by the workers, worth nothing after a crash.
CREATE SCHEMA runtime;
CREATE UNLOGGED TABLE runtime.device_polls (
    grant_id  uuid        PRIMARY KEY,
    polled_at timestamptz NOT NULL,
    interval_seconds integer NOT NULL
);
GRANT USAGE ON SCHEMA runtime TO tallystick_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.device_polls TO tallystick_app;

-- The session that looked at a device's request first: no other may decide about it (RFC 8628 section 5.4).
CREATE TABLE runtime.device_looks (
    grant_id   uuid        PRIMARY KEY,
    session_id uuid        NOT NULL,
    looked_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.device_looks TO tallystick_app;

-- The failed sign-ins of the last minutes: a worker that starts reads them, so that a restart forgives nothing.
CREATE INDEX events_login_failed ON journal.events (recorded_at)
    WHERE type = 'login.failed';
