//! Seeding a real encrypted session, as a login or the Python CLI would have left it.

use super::sandbox::Sandbox;
use kitty_actors::auth::session::StoredSession;
use kitty_actors::auth::store::{
    FileSessionStore, HostIdentity, ReadPurpose, SessionStore as _, Stored,
};
use kitty_config::ServerUrl;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::time::{iso, system_time};
use serde_json::json;
use std::time::Duration;

/// A session to be stored.
#[derive(Debug, Clone)]
pub struct Seed {
    pub user_id: String,
    pub email: String,
    pub private_team: Option<String>,
    pub access_token: String,
    pub refresh_token: String,
    pub issuer: Option<String>,
    access_ends_in: i64,
    refresh_ends_in: Option<i64>,
}

impl Seed {
    /// A session of a user who belongs to a shared team only.
    pub fn shared_only() -> Self {
        Self {
            user_id: "u-1".to_owned(),
            email: "ada@example.invalid".to_owned(),
            private_team: None,
            access_token: "s3cret-access-0".to_owned(),
            refresh_token: "s3cret-refresh-0".to_owned(),
            issuer: None,
            access_ends_in: 3600,
            refresh_ends_in: Some(30 * 24 * 3600),
        }
    }

    /// A session of a user with a Private Teamspace.
    pub fn private() -> Self {
        Self {
            private_team: Some("t-private".to_owned()),
            ..Self::shared_only()
        }
    }

    /// The session of another user.
    pub fn of(mut self, user_id: &str, private_team: &str) -> Self {
        self.user_id = user_id.to_owned();
        self.email = format!("{user_id}@example.invalid");
        self.private_team = Some(private_team.to_owned());
        self
    }

    pub fn issued_by(mut self, server: &str) -> Self {
        self.issuer = Some(server.to_owned());
        self
    }

    pub fn with_access_token(mut self, token: &str) -> Self {
        self.access_token = token.to_owned();
        self
    }

    /// The access token ends in so many seconds.
    pub fn access_ends_in(mut self, seconds: i64) -> Self {
        self.access_ends_in = seconds;
        self
    }

    /// The access token ended an hour ago.
    pub fn access_expired(mut self) -> Self {
        self.access_ends_in = -3600;
        self
    }

    /// The refresh token ended a day ago, and the access token with it.
    pub fn refresh_expired(mut self) -> Self {
        self.access_ends_in = -2 * 24 * 3600;
        self.refresh_ends_in = Some(-24 * 3600);
        self
    }

    fn session(&self) -> StoredSession {
        let now = system_time().now();
        let after = |seconds: i64| {
            let span = Duration::from_secs(seconds.unsigned_abs());
            iso(if seconds < 0 { now - span } else { now + span })
        };
        let mut teams = vec![json!({
            "id": "t-shared", "name": "Shared", "role": "member",
            "is_private_teamspace": false, "slug": "t-shared",
        })];
        teams.extend(self.private_team.as_ref().map(|id| {
            json!({
                "id": id, "name": "My Private", "role": "owner",
                "is_private_teamspace": true, "slug": id,
            })
        }));
        let default = self.private_team.as_deref().unwrap_or("t-shared");
        let text = json!({
            "user_id": self.user_id, "email": self.email, "name": "Ada",
            "teams": teams, "default_team_id": default,
            "access_token": self.access_token, "refresh_token": self.refresh_token,
            "session_id": format!("session-of-{}", self.user_id),
            "issued_at": iso(now),
            "access_token_expires_at": after(self.access_ends_in),
            "refresh_token_expires_at": self.refresh_ends_in.map(after),
            "scope": "offline_access", "storage_backend": "file", "last_used_at": iso(now),
            "auth_method": "device_code", "generation": null,
        });
        StoredSession::from_json(text.to_string().as_bytes()).unwrap()
    }
}

impl Sandbox {
    fn session_store(&self) -> FileSessionStore {
        FileSessionStore::new(
            self.map().auth(),
            os_filesystem(),
            system_time(),
            HostIdentity::of_this_process(),
        )
    }

    /// Stores a session in this sandbox's state root.
    pub fn seed(&self, seed: &Seed) {
        let stored = Stored {
            session: seed.session(),
            issuer: seed
                .issuer
                .as_deref()
                .map(|url| ServerUrl::parse(url).unwrap()),
        };
        self.session_store().write(&stored).unwrap();
    }

    /// The access token of this sandbox's session.
    pub fn access_token(&self) -> String {
        let stored = self.session().unwrap();
        stored.session.access_token.expose().to_owned()
    }

    /// Reads the session that is stored in this sandbox's state root.
    pub fn session(&self) -> Option<Stored> {
        self.session_store().read(ReadPurpose::Inspect).unwrap()
    }
}
