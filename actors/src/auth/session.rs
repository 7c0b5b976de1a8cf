//! The stored session and its exact bytes.
//!
//! The JSON is the Python CLI's (reference/auth-state-daemon.md 3): one line, `", "` and `": "`,
//! ASCII-escaped, keys in a fixed order, times as ISO 8601 with `+00:00`. Keys that this program
//! does not know are kept as they are and written back after the known ones.

mod object;

use super::secret::{Secret, TokenFingerprint};
use jiff::Timestamp;
use kitty_runtime::{python_json, time};
use object::Object;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::fmt;
use zeroize::Zeroizing;

pub use object::SessionContentError;

/// A team the user belongs to.
#[derive(Debug, Clone)]
pub struct Team {
    /// The id that servers know it by.
    pub id: String,
    /// The name that people know it by.
    pub name: String,
    /// The user's role in it.
    pub role: String,
    /// Whether it is the user's Private Teamspace, the only one that may receive events directly.
    pub is_private_teamspace: bool,
    /// The name in addresses; the id when the server gave none.
    pub slug: String,
    extra: Object,
}

impl PartialEq for Team {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, &self.name, &self.role, &self.slug)
            == (&other.id, &other.name, &other.role, &other.slug)
            && self.is_private_teamspace == other.is_private_teamspace
            && self.extra == other.extra
    }
}

impl Eq for Team {}

impl Team {
    /// Creates a team.
    #[must_use]
    pub fn new(id: &str, name: &str, role: &str, is_private_teamspace: bool) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            role: role.to_owned(),
            is_private_teamspace,
            slug: id.to_owned(),
            extra: Object::default(),
        }
    }

    /// Returns the team with another slug.
    #[must_use]
    pub fn with_slug(mut self, slug: impl Into<String>) -> Self {
        self.slug = slug.into();
        self
    }

    fn from_object(mut object: Object) -> Result<Self, SessionContentError> {
        let id: String = object.take("id")?;
        Ok(Self {
            name: object.take("name")?,
            role: object.take("role")?,
            is_private_teamspace: object
                .take_optional("is_private_teamspace")?
                .unwrap_or(false),
            slug: object.take_optional("slug")?.unwrap_or_else(|| id.clone()),
            id,
            extra: object,
        })
    }
}

impl Serialize for Team {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("role", &self.role)?;
        map.serialize_entry("is_private_teamspace", &self.is_private_teamspace)?;
        map.serialize_entry("slug", &self.slug)?;
        self.extra.serialize_into(&mut map)?;
        map.end()
    }
}

/// Returns the first Private Teamspace, never a default or shared team in its place.
#[must_use]
pub fn private_team(teams: &[Team]) -> Option<&Team> {
    teams.iter().find(|team| team.is_private_teamspace)
}

/// Returns the id of the team to show first: the first private one, else the first.
///
/// For display only; nothing is ever sent to a team because it is the default.
#[must_use]
pub fn default_team_id(teams: &[Team]) -> &str {
    private_team(teams)
        .or(teams.first())
        .map_or("", |team| &team.id)
}

/// How the user logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMethod {
    /// In a browser, with PKCE.
    AuthorizationCode,
    /// On another device, with a code.
    DeviceCode,
    /// A word of another version, kept as it is.
    Other(String),
}

impl AuthMethod {
    /// Returns the word in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
            Self::Other(word) => word,
        }
    }

    fn from_word(word: String) -> Self {
        match word.as_str() {
            "authorization_code" => Self::AuthorizationCode,
            "device_code" => Self::DeviceCode,
            _ => Self::Other(word),
        }
    }
}

/// What identifies one grant: a session is replaced or deleted only by whoever names its pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// The server's id of the session.
    pub session_id: String,
    /// The refresh token, new with every refresh.
    pub refresh_token: Secret,
}

/// A login as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// The server's id of the user.
    pub user_id: String,
    /// The user's e-mail address.
    pub email: String,
    /// The user's name.
    pub name: String,
    /// The user's teams, in the server's order.
    pub teams: Vec<Team>,
    /// The team shown first (see [`default_team_id`]).
    pub default_team_id: String,
    /// The short-lived bearer token.
    pub access_token: Secret,
    /// The token that gets the next access token, once.
    pub refresh_token: Secret,
    /// The server's id of this session; stays over refreshes.
    pub session_id: String,
    /// When the tokens were issued.
    pub issued_at: Timestamp,
    /// When the access token ends.
    pub access_token_expires_at: Timestamp,
    /// When the refresh token ends; `None` when only the server knows.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// The OAuth scope.
    pub scope: String,
    /// Where the session is kept: `file` or `keyring`.
    pub storage_backend: String,
    /// When the tokens were last renewed.
    pub last_used_at: Timestamp,
    /// How the user logged in.
    pub auth_method: AuthMethod,
    /// The server's count of refreshes, when it tells.
    pub generation: Option<i64>,
    extra: Object,
}

/// How far before its end an access token counts as ended.
pub(crate) const EXPIRY_MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

impl StoredSession {
    /// Reads the plaintext of a session file.
    ///
    /// # Errors
    /// [`SessionContentError`] names the first key that is missing or has another type; it never
    /// holds a value.
    pub fn from_json(text: &[u8]) -> Result<Self, SessionContentError> {
        let mut object = Object::parse(text)?;
        let teams: Vec<Object> = object.take("teams")?;
        let mut session = Self {
            user_id: object.take("user_id")?,
            email: object.take("email")?,
            name: object.take("name")?,
            teams: teams
                .into_iter()
                .map(Team::from_object)
                .collect::<Result<_, _>>()?,
            default_team_id: object.take("default_team_id")?,
            access_token: object.take("access_token")?,
            refresh_token: object.take("refresh_token")?,
            session_id: object.take("session_id")?,
            issued_at: object.take_time("issued_at")?,
            access_token_expires_at: object.take_time("access_token_expires_at")?,
            refresh_token_expires_at: object.take_optional_time("refresh_token_expires_at")?,
            scope: object.take("scope")?,
            storage_backend: object.take("storage_backend")?,
            last_used_at: object.take_time("last_used_at")?,
            auth_method: AuthMethod::from_word(object.take("auth_method")?),
            generation: object.take_optional("generation")?,
            extra: Object::default(),
        };
        session.extra = object;
        Ok(session)
    }

    /// Renders the plaintext of a session file, byte for byte as the Python CLI does.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        Zeroizing::new(python_json::line(self))
    }

    /// Returns what identifies this grant.
    #[must_use]
    pub fn pair(&self) -> TokenPair {
        TokenPair {
            session_id: self.session_id.clone(),
            refresh_token: self.refresh_token.clone(),
        }
    }

    /// Returns the user's Private Teamspace.
    #[must_use]
    pub fn private_team(&self) -> Option<&Team> {
        private_team(&self.teams)
    }

    /// Tells whether the access token can still be sent: it ends later than in five seconds.
    #[must_use]
    pub fn access_is_valid(&self, now: Timestamp) -> bool {
        now.checked_add(EXPIRY_MARGIN)
            .is_ok_and(|soon| self.access_token_expires_at > soon)
    }

    /// Tells whether the session can still be refreshed, as far as this machine knows.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.refresh_token_expires_at.is_none_or(|end| end > now)
    }

    /// Returns the name to report the access token by.
    #[must_use]
    pub fn access_fingerprint(&self) -> TokenFingerprint {
        self.access_token.fingerprint()
    }
}

impl Serialize for StoredSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user_id", &self.user_id)?;
        map.serialize_entry("email", &self.email)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("teams", &self.teams)?;
        map.serialize_entry("default_team_id", &self.default_team_id)?;
        map.serialize_entry("access_token", &self.access_token)?;
        map.serialize_entry("refresh_token", &self.refresh_token)?;
        map.serialize_entry("session_id", &self.session_id)?;
        map.serialize_entry("issued_at", &time::iso(self.issued_at))?;
        let access_end = time::iso(self.access_token_expires_at);
        map.serialize_entry("access_token_expires_at", &access_end)?;
        let refresh_end = self.refresh_token_expires_at.map(time::iso);
        map.serialize_entry("refresh_token_expires_at", &refresh_end)?;
        map.serialize_entry("scope", &self.scope)?;
        map.serialize_entry("storage_backend", &self.storage_backend)?;
        map.serialize_entry("last_used_at", &time::iso(self.last_used_at))?;
        map.serialize_entry("auth_method", self.auth_method.as_str())?;
        map.serialize_entry("generation", &self.generation)?;
        self.extra.serialize_into(&mut map)?;
        map.end()
    }
}

/// Prints who and when, and no token.
impl fmt::Debug for StoredSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredSession")
            .field("email", &self.email)
            .field("session_id", &self.session_id)
            .field("access_token", &self.access_token)
            .field("refresh_token", &self.refresh_token)
            .field("access_token_expires_at", &self.access_token_expires_at)
            .field("refresh_token_expires_at", &self.refresh_token_expires_at)
            .finish_non_exhaustive()
    }
}

/// Everything that a login knows; [`NewSession::into_stored`] turns it into what is kept.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) teams: Vec<Team>,
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Secret,
    pub(crate) session_id: String,
    pub(crate) access_token_expires_at: Timestamp,
    pub(crate) refresh_token_expires_at: Option<Timestamp>,
    pub(crate) scope: String,
    pub(crate) storage_backend: &'static str,
    pub(crate) auth_method: AuthMethod,
    pub(crate) generation: Option<i64>,
}

impl NewSession {
    /// Completes the record with the times and the team to show first.
    pub(crate) fn into_stored(self, now: Timestamp) -> StoredSession {
        StoredSession {
            default_team_id: default_team_id(&self.teams).to_owned(),
            user_id: self.user_id,
            email: self.email,
            name: self.name,
            teams: self.teams,
            access_token: self.access_token,
            refresh_token: self.refresh_token,
            session_id: self.session_id,
            issued_at: now,
            access_token_expires_at: self.access_token_expires_at,
            refresh_token_expires_at: self.refresh_token_expires_at,
            scope: self.scope,
            storage_backend: self.storage_backend.to_owned(),
            last_used_at: now,
            auth_method: self.auth_method,
            generation: self.generation,
            extra: Object::default(),
        }
    }
}

/// Cuts a time to the microseconds that a session file keeps.
#[must_use]
pub(crate) fn to_microseconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond())
        .expect("a time in range stays in range when it is cut")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::VECTOR as SESSION_VECTOR;
