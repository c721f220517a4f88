-- depends: 0005-people

-- The session that looked at a device's request first: no other may decide about it (RFC 8628 section 5.4).
CREATE TABLE runtime.device_looks (
    grant_id   uuid        PRIMARY KEY,
    session_id uuid        NOT NULL,
    looked_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.device_looks TO tallystick_app;
