-- What artifacts hold. A content is stored once, by the SHA-256 of its bytes.
CREATE TABLE contents (
    content_hash TEXT PRIMARY KEY NOT NULL,
    content TEXT NOT NULL,
    size_bytes BIGINT NOT NULL
);

-- Which content an artifact of a mission had; every content it ever had is a row.
CREATE TABLE bodies (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    project_uuid TEXT NOT NULL,
    mission_slug TEXT NOT NULL,
    target_branch TEXT NOT NULL,
    mission_type TEXT NOT NULL,
    manifest_version TEXT NOT NULL,
    artifact_path TEXT NOT NULL,
    content_hash TEXT NOT NULL REFERENCES contents (content_hash),
    build_id TEXT,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    received_at BIGINT NOT NULL,
    UNIQUE (team_id, project_uuid, mission_slug, artifact_path, content_hash, target_branch,
            mission_type, manifest_version)
);
CREATE INDEX bodies_by_arrival ON bodies (team_id, sequence);

-- The events that name artifacts, by what they are about.
CREATE INDEX events_of_artifacts ON events (team_id, aggregate_id)
    WHERE event_type = 'MissionDossierArtifactIndexed';
