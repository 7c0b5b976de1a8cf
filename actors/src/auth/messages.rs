//! The whole protocol of the auth actor.
//!
//! Queries answer from what is stored and, where they say so, from the server; each states how long
//! its asker waits. [`RevokeToken`] is the one durable command: it is stored before it is sent, and
//! handling it twice has one effect. Events are published after the fact.

use super::error::AuthError;
use super::secret::{AccessToken, Secret, TokenFingerprint};
use super::session::{AuthMethod, Team, private_team};
use super::store::{Presence, StoreError};
use crate::transport::TransportError;
use actix::Message;
use jiff::Timestamp;
use kitty_config::ServerUrl;
use kitty_runtime::diagnostic::Diagnostic;
use kitty_runtime::python_json;
use kitty_runtime::record::RecordKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::Zeroizing;

/// How much an asker wants to know about the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionDetail {
    /// Whether there is one; never derives a key and creates no file.
    Presence,
    /// Who it belongs to and when it ends; opens the session (30 ms without the cached key).
    Summary,
}

/// Asks about the session; reads only (house rule 7).
///
/// Answered with a [`SessionAnswer`] and never with an error: a session that cannot be used counts
/// as none, with one diagnostic that names the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "SessionAnswer")]
pub struct GetSession {
    /// How much is asked.
    pub detail: SessionDetail,
}

/// Where the token of this process comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOrigin {
    /// The session store.
    Store,
    /// `SPEC_KITTY_ACCESS_TOKEN`, which wins over the store.
    Environment,
}

/// What is known about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAnswer {
    /// Where the token comes from.
    pub origin: SessionOrigin,
    /// Whether there is a session.
    pub presence: Presence,
    /// Who it belongs to; only when [`SessionDetail::Summary`] was asked and there is one.
    pub summary: Option<SessionSummary>,
    /// Why a session that exists does not count.
    pub diagnostic: Option<Diagnostic>,
}

impl SessionAnswer {
    /// Tells whether there is a session that can be used, as far as this machine knows.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        matches!(self.presence, Presence::Present { .. })
    }
}

/// A session without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// The server's id of the user.
    pub user_id: String,
    /// The user's e-mail address.
    pub email: String,
    /// The user's name.
    pub name: String,
    /// The user's teams, in the server's order.
    pub teams: Vec<Team>,
    /// The team shown first; nothing is ever sent to a team because it is the default.
    pub default_team_id: String,
    /// The server's id of the session.
    pub session_id: String,
    /// When the access token ends.
    pub access_token_expires_at: Timestamp,
    /// When the refresh token ends, if that is known.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// When the tokens were last renewed.
    pub last_used_at: Timestamp,
    /// How the user logged in.
    pub auth_method: AuthMethod,
    /// Where the session is kept, in words.
    pub storage: &'static str,
    /// The same as the stored word: `file` or `keyring`.
    pub storage_backend: String,
    /// The server that issued the session, if that is known.
    pub issuer: Option<ServerUrl>,
}

impl SessionSummary {
    /// Returns the user's Private Teamspace.
    #[must_use]
    pub fn private_team(&self) -> Option<&Team> {
        private_team(&self.teams)
    }
}

/// Asks for a bearer token that is valid now, refreshing it if need be.
///
/// At most one refresh runs at a time in this process, and across processes the refresh lock and a
/// comparison under it keep it to one per token (user need 12). A refresh goes on when its askers
/// gave up, and serves the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<AccessToken, AuthError>")]
pub struct GetAccessToken {
    /// The token that a server just rejected: another one is wanted, valid or not by the clock.
    pub rejected: Option<TokenFingerprint>,
    /// How long the asker waits.
    pub limit: Duration,
}

/// Asks which teams the user belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<Membership, AuthError>")]
pub struct GetMembership {
    /// Whether to ask the server when the stored session has no Private Teamspace.
    pub rehydrate: bool,
    /// How long the asker waits.
    pub limit: Duration,
}

/// The user's teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The server's id of the user; `None` while no server has said whose token the environment's is.
    pub user_id: Option<String>,
    /// All teams, in the server's order.
    pub teams: Vec<Team>,
    /// Whether the server was asked, and what came of it.
    pub rehydrate: Rehydrate,
}

impl Membership {
    /// Returns the user's Private Teamspace: the first private team, never a default or shared one.
    #[must_use]
    pub fn private_team(&self) -> Option<&Team> {
        private_team(&self.teams)
    }
}

/// What came of asking the server for the teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehydrate {
    /// Not asked: the stored session has a Private Teamspace.
    NotNeeded,
    /// Not asked: the asker did not want it.
    NotWanted,
    /// Not asked: this process asked before, and there is none.
    RememberedNone,
    /// Asked: there is a Private Teamspace now, and it is stored.
    Found,
    /// Asked: there is none; remembered until another session is stored.
    FoundNone,
    /// Asked without success; nothing was stored or remembered.
    Failed(AuthError),
}

impl Rehydrate {
    /// Tells whether the server was asked.
    #[must_use]
    pub const fn attempted(&self) -> bool {
        matches!(self, Self::Found | Self::FoundNone | Self::Failed(_))
    }
}

/// Asks what would have to be revoked at a logout.
///
/// A durable logout stores the answer before it sends [`Logout`], so that a crash in between leaves
/// a revocation to send and not a session on the server that nobody can end. `None` when there is
/// no session, or none that opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Option<RevokeToken>")]
pub struct GetRevocation;

/// Deletes the stored session, whatever it is.
///
/// Durable when answered. Works without a network and without opening the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<LoggedOut, StoreError>")]
pub struct Logout;

/// What a logout found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// A session, which is gone now.
    SessionDeleted,
    /// None.
    NothingStored,
}

/// Tells a server to forget a refresh token; a durable command.
///
/// The server treats an unknown token as revoked, so handling it twice has one effect.
#[derive(Debug, Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Revocation")]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    /// The token.
    pub refresh_token: Secret,
    /// The server that issued it.
    #[serde(with = "server_text")]
    pub server: ServerUrl,
}

impl RevokeToken {
    /// The kind of the stored record, whose name is that of the command.
    pub const KIND: RecordKind = RecordKind::RevokeToken;

    /// Renders the payload of the stored envelope: one line of JSON that holds the token.
    #[must_use]
    pub fn to_payload(&self) -> Zeroizing<String> {
        Zeroizing::new(python_json::line(self))
    }

    /// Reads a stored payload; `None` when it is not one of [`RevokeToken::KIND`].
    #[must_use]
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

mod server_text {
    use kitty_config::ServerUrl;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(url: &ServerUrl, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(url.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ServerUrl, D::Error> {
        let text = String::deserialize(from)?;
        ServerUrl::parse(&text).map_err(de::Error::custom)
    }
}

/// What came of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The server said that the token is revoked.
    Confirmed,
    /// The server could not be asked; worth trying again.
    NetworkError(TransportError),
    /// The server answered something else.
    ServerError {
        /// The status of the answer.
        status: u16,
    },
}

impl Revocation {
    /// Tells whether trying again cannot change the outcome: done, or refused for good.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Confirmed => true,
            Self::NetworkError(_) => false,
            Self::ServerError { status } => {
                *status >= 400 && *status < 500 && *status != 408 && *status != 429
            }
        }
    }
}

/// The access token was renewed, by this process or by another whose work was found.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct SessionRefreshed {
    /// The server's id of the session.
    pub session_id: String,
    /// When the new access token ends.
    pub access_token_expires_at: Timestamp,
}

/// The session is no more.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct SessionEnded {
    /// The server's id of the session; `None` at a logout, which does not open it.
    pub session_id: Option<String>,
    /// Why it ended.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The user logged out.
    LoggedOut,
    /// Its refresh token ended.
    RefreshTokenExpired,
    /// The server ended it.
    EndedByServer,
    /// Another process deleted it during a refresh.
    DeletedElsewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_revocation_reads_back_and_prints_no_token() {
        let command = RevokeToken {
            refresh_token: Secret::new("s3cret"),
            server: ServerUrl::parse("https://a.example").unwrap(),
        };
        let payload = command.to_payload();
        assert_eq!(
            *payload,
            r#"{"refresh_token": "s3cret", "server": "https://a.example"}"#
        );
        let read = RevokeToken::from_payload(payload.as_bytes()).unwrap();
        assert_eq!(read, command);
        assert!(!format!("{read:?}").contains("s3cret"));
        for bad in [
            "",
            "{}",
            r#"{"refresh_token": "x", "server": "http://evil.example"}"#,
            r#"{"refresh_token": "x", "server": "https://a.example", "more": 1}"#,
        ] {
            assert_eq!(RevokeToken::from_payload(bad.as_bytes()), None);
        }
    }

    #[test]
    fn only_done_and_refused_for_good_end_a_revocation() {
        let server = |status| Revocation::ServerError { status };
        assert!(Revocation::Confirmed.is_final());
        assert!(server(400).is_final());
        for status in [200, 302, 408, 429, 500, 503] {
            assert!(!server(status).is_final(), "{status}");
        }
    }
}
