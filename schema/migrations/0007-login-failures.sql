-- depends: 0006-device-looks

-- The failed sign-ins of the last minutes: a worker that starts reads them, so that a restart forgives nothing.
CREATE INDEX events_login_failed ON journal.events (recorded_at)
    WHERE type = 'login.failed';
