-- The house: who may come in, what they carry, what they left.
--
-- Every time is milliseconds since 1970-01-01 UTC in a BIGINT. Every secret is the lower-case hex
-- SHA-256 of what was handed out; the secret itself is nowhere. The one line that another SQL
-- dialect has to spell differently is `events.sequence`.

CREATE TABLE accounts (
    account_id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A team is a Private Teamspace exactly when `private_to` names the one account it belongs to.
CREATE TABLE teams (
    team_id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    private_to TEXT UNIQUE REFERENCES accounts (account_id),
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    role TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, account_id)
);
CREATE INDEX memberships_by_account ON memberships (account_id, joined_at);

-- One login. Its refresh tokens form one family; revoking the session ends them all.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    client_id TEXT NOT NULL,
    auth_method TEXT NOT NULL,
    scope TEXT NOT NULL,
    generation BIGINT NOT NULL,
    refresh_expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_because TEXT
);
CREATE INDEX sessions_by_account ON sessions (account_id);

CREATE TABLE access_tokens (
    token_hash TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL REFERENCES sessions (session_id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_by_session ON access_tokens (session_id, expires_at);

-- A rotated token stays until it expires, because its second use is what shows a theft.
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL REFERENCES sessions (session_id),
    generation BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id, expires_at);

-- state: pending, approved, denied, consumed
CREATE TABLE device_authorizations (
    device_code_hash TEXT PRIMARY KEY NOT NULL,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    state TEXT NOT NULL,
    account_id TEXT REFERENCES accounts (account_id),
    expires_at BIGINT NOT NULL,
    polled_at BIGINT
);
CREATE INDEX device_authorizations_by_expiry ON device_authorizations (expires_at);

-- A consumed code keeps the session it opened, so that its second use can end that session.
CREATE TABLE authorization_codes (
    code_hash TEXT PRIMARY KEY NOT NULL,
    client_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    scope TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    session_id TEXT REFERENCES sessions (session_id)
);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

-- What a team has received. `envelope` is byte for byte what the client sent; the other columns
-- are read from it once, for finding it again. `sequence` is the order of arrival.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    aggregate_type TEXT,
    aggregate_id TEXT,
    project_uuid TEXT,
    build_id TEXT,
    occurred_at BIGINT,
    received_at BIGINT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    envelope TEXT NOT NULL,
    UNIQUE (team_id, event_id)
);
CREATE INDEX events_by_arrival ON events (team_id, sequence);
CREATE INDEX events_by_project ON events (team_id, project_uuid, sequence);
CREATE INDEX events_by_type ON events (team_id, event_type, sequence);

-- One row per project of a team, kept in the transaction that stores its events.
CREATE TABLE projects (
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    project_uuid TEXT NOT NULL,
    project_slug TEXT,
    events BIGINT NOT NULL,
    first_received_at BIGINT NOT NULL,
    last_received_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, project_uuid)
);

-- What a team holds, counted by where it comes from; kept in the same transaction, so that a
-- summary reads a few rows instead of every event. A member an event lacks is an empty text.
CREATE TABLE tallies (
    team_id TEXT NOT NULL REFERENCES teams (team_id),
    project_uuid TEXT NOT NULL,
    event_type TEXT NOT NULL,
    build_id TEXT NOT NULL,
    events BIGINT NOT NULL,
    earliest BIGINT,
    latest BIGINT,
    last_received_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, project_uuid, event_type, build_id)
);
