-- What was refused for good. A row that a business rule made is history: it is never changed and never
-- removed, so that a release gate can prove that nobody touched it.
--
-- failure_class: infra, business_rule. `category` and `message` are what the client was told.
CREATE TABLE failures (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    event_id TEXT NOT NULL,
    failure_class TEXT NOT NULL CHECK (failure_class IN ('infra', 'business_rule')),
    category TEXT NOT NULL,
    message TEXT NOT NULL,
    failed_at BIGINT NOT NULL,
    UNIQUE (team_id, event_id, category)
);
CREATE INDEX failures_by_arrival ON failures (team_id, failure_class, sequence);
CREATE INDEX failures_by_class ON failures (failure_class);

CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON failures
WHEN OLD.failure_class = 'business_rule'
BEGIN
    SELECT RAISE(ABORT, 'a historical row is not changed');
END;

CREATE TRIGGER history_is_not_removed BEFORE DELETE ON failures
WHEN OLD.failure_class = 'business_rule'
BEGIN
    SELECT RAISE(ABORT, 'a historical row is not removed');
END;
