-- depends: 0006-projection-progress

-- What the anomaly rules have learned and which findings go on, as of a position: one row for each of `parts` partitions.
-- It is written now and then, with the progress of that partition in one transaction; a consumer that starts goes on there.
CREATE TABLE projection.anomaly_snapshots (
    parts    smallint    NOT NULL CHECK (parts BETWEEN 1 AND 16),
    part     smallint    NOT NULL CHECK (part BETWEEN 1 AND parts),
    position bigint      NOT NULL,
    data     bytea       NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (parts, part)
);
-- It is compressed already.
ALTER TABLE projection.anomaly_snapshots ALTER COLUMN data SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.anomaly_snapshots TO tallystick_app;

-- The findings and what was done about them: few among many.
CREATE INDEX events_anomalies ON journal.events (position)
    WHERE type IN ('anomaly.detected', 'anomaly.extended', 'anomaly.answered', 'anomaly.acknowledged');
