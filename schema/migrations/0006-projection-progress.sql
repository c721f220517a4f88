-- depends: 0005-people

-- How far each fold of the journal is that lives in this database, and each consumer of it. `project` and `consume` write
-- it, with the write that it stands for in one transaction; readiness, metrics and `tallystick projections list` read it.
--
-- A projection has two slots: one is read, into the other it is rebuilt, up to `rebuilt`; then they change places.
CREATE SCHEMA projection;
CREATE TABLE projection.progress (
    name     text        PRIMARY KEY,
    position bigint      NOT NULL DEFAULT 0,
    slot     smallint    NOT NULL DEFAULT 0 CHECK (slot IN (0, 1)),
    version  integer     NOT NULL DEFAULT 1,
    rebuilt  bigint,
    state    text        NOT NULL DEFAULT 'starting' CHECK (state IN ('starting', 'running', 'degraded', 'halted')),
    reason   text        NOT NULL DEFAULT 'not started yet',
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT USAGE ON SCHEMA projection TO tallystick_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.progress TO tallystick_app;
