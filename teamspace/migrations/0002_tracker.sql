-- Trackers: the issues a team's projects are bound to, and what was done with them.
--
-- `change` numbers the changes of one resource, so that a page of a pull and the checkpoint of a
-- binding are one number, and an issue that changes while it is read is read again, never missed.

CREATE TABLE tracker_resources (
    resource_id TEXT PRIMARY KEY NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    provider TEXT NOT NULL,
    resource_key TEXT NOT NULL,
    name TEXT NOT NULL,
    workspace TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (team_id, provider, resource_key)
);

-- `labels` is a JSON list of texts.
CREATE TABLE tracker_issues (
    resource_id TEXT NOT NULL REFERENCES tracker_resources (resource_id),
    issue_id TEXT NOT NULL,
    issue_key TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    assignee TEXT,
    labels TEXT NOT NULL,
    url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    change BIGINT NOT NULL,
    PRIMARY KEY (resource_id, issue_id),
    UNIQUE (resource_id, issue_key)
);
CREATE INDEX tracker_issues_by_change ON tracker_issues (resource_id, change);
CREATE INDEX tracker_issues_by_update ON tracker_issues (resource_id, updated_at);

-- A project has one binding per provider; binding it anew replaces the row and its reference.
CREATE TABLE tracker_bindings (
    binding_ref TEXT PRIMARY KEY NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    provider TEXT NOT NULL,
    resource_id TEXT NOT NULL REFERENCES tracker_resources (resource_id),
    project_uuid TEXT NOT NULL,
    project_slug TEXT NOT NULL,
    project_identity TEXT NOT NULL,
    bound_at BIGINT NOT NULL,
    bound_by TEXT NOT NULL REFERENCES accounts (account_id),
    disabled_at BIGINT,
    pulled_change BIGINT NOT NULL,
    synced_at BIGINT,
    UNIQUE (team_id, provider, project_uuid)
);
CREATE INDEX tracker_bindings_by_slug ON tracker_bindings (team_id, provider, project_slug);
CREATE INDEX tracker_bindings_by_resource ON tracker_bindings (resource_id, bound_at);

CREATE TABLE tracker_mappings (
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    provider TEXT NOT NULL,
    project_uuid TEXT NOT NULL,
    wp_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, provider, project_uuid, wp_id),
    FOREIGN KEY (resource_id, issue_id) REFERENCES tracker_issues (resource_id, issue_id)
);

-- The issue a mission began with; a mission has one, for ever.
CREATE TABLE tracker_origins (
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    mission_id TEXT NOT NULL,
    mission_slug TEXT,
    provider TEXT NOT NULL,
    project_uuid TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    issue_key TEXT NOT NULL,
    issue_url TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    bound_at BIGINT NOT NULL,
    bound_by TEXT NOT NULL REFERENCES accounts (account_id),
    PRIMARY KEY (team_id, mission_id)
);
CREATE INDEX tracker_origins_by_project ON tracker_origins (team_id, provider, project_uuid);

-- The first answer to each idempotency key.
CREATE TABLE tracker_answers (
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    endpoint TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    status BIGINT NOT NULL,
    body TEXT NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, team_id, endpoint, idempotency_key)
);
CREATE INDEX tracker_answers_by_age ON tracker_answers (answered_at);

-- state: pending, running, completed, failed. `request` and `outcome` are JSON.
CREATE TABLE tracker_operations (
    operation_id TEXT PRIMARY KEY NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    outcome TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX tracker_operations_by_state ON tracker_operations (state, created_at);
