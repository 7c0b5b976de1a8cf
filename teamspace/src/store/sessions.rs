//! Sessions and their tokens: opening, rotating, revoking.
//!
//! A session is one login and the family of refresh tokens that follows from it. Every change reads
//! and writes inside one transaction that holds the write lock, so of any number of refreshes with
//! one token exactly one rotates it and the others see it rotated.

use super::{Store, StoreError, Writing};
use crate::secret::{Secret, digest, identifier};
use crate::time::Moment;
use sqlx::Row as _;
use std::time::Duration;

/// Expired access tokens are kept this long, so that a client is told "expired" and not "unknown".
const EXPIRED_TOKENS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How a session was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AuthMethod {
    DeviceCode,
    AuthorizationCode,
}

impl AuthMethod {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceCode => "device_code",
            Self::AuthorizationCode => "authorization_code",
        }
    }
}

/// How long the tokens of a new pair live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLifetimes {
    pub(crate) access: Duration,
    pub(crate) refresh: Duration,
}

/// A login that was approved.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) method: AuthMethod,
    pub(crate) lifetimes: SessionLifetimes,
}

/// What a client receives once; the store keeps digests.
#[derive(Debug)]
pub(crate) struct TokenPair {
    pub(crate) access: Secret,
    pub(crate) refresh: Secret,
    pub(crate) session_id: String,
    pub(crate) generation: i64,
    pub(crate) scope: String,
}

/// What became of a refresh.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// A new pair.
    Rotated(TokenPair),
    /// The token was rotated a moment ago: its owner's other process was faster.
    BenignReplay,
    /// The token was rotated long ago; the session is revoked now.
    Replayed,
    /// The session had been revoked before.
    Revoked,
    /// The token has expired.
    Expired,
    /// No such token, or another client's.
    Unknown,
}

/// Whose access token it is, and whether it still counts.
#[derive(Debug)]
pub(crate) enum AccessState {
    Valid {
        session_id: String,
        account_id: String,
        refresh_expires_at: Moment,
    },
    Expired,
    Revoked,
    Unknown,
}

impl Store {
    /// Exchanges a refresh token for a new pair; see [`Rotation`] for what else may happen.
    pub(crate) async fn rotate(
        &self,
        refresh_token: &str,
        client_id: &str,
        lifetimes: SessionLifetimes,
        grace: Duration,
        now: Moment,
    ) -> Result<Rotation, StoreError> {
        let mut writing = self.write().await?;
        let hash = digest(refresh_token);
        let row = sqlx::query(
            "SELECT r.session_id, r.expires_at, r.rotated_at, s.generation, s.scope, \
                 s.revoked_at IS NOT NULL \
             FROM refresh_tokens r JOIN sessions s ON s.session_id = r.session_id \
             WHERE r.token_hash = $1 AND s.client_id = $2",
        )
        .bind(&hash)
        .bind(client_id)
        .fetch_optional(&mut *writing)
        .await?;
        let Some(row) = row else {
            return Ok(Rotation::Unknown);
        };
        let session_id: String = row.try_get(0)?;
        if row.try_get(5)? {
            return Ok(Rotation::Revoked);
        }
        if now >= Moment::from_millis(row.try_get(1)?) {
            return Ok(Rotation::Expired);
        }
        if let Some(rotated_at) = row.try_get::<Option<i64>, _>(2)? {
            if now.since(Moment::from_millis(rotated_at)) <= grace {
                return Ok(Rotation::BenignReplay);
            }
            revoke_session(&mut writing, &session_id, "refresh token replayed", now).await?;
            writing.commit().await?;
            return Ok(Rotation::Replayed);
        }
        sqlx::query("UPDATE refresh_tokens SET rotated_at = $1 WHERE token_hash = $2")
            .bind(now.millis())
            .bind(&hash)
            .execute(&mut *writing)
            .await?;
        sqlx::query(
            "UPDATE sessions SET generation = generation + 1, refresh_expires_at = $1 \
             WHERE session_id = $2",
        )
        .bind(now.plus(lifetimes.refresh).millis())
        .bind(&session_id)
        .execute(&mut *writing)
        .await?;
        let generation = row.try_get::<i64, _>(3)?.saturating_add(1);
        let scope: String = row.try_get(4)?;
        let pair = issue(&mut writing, session_id, generation, scope, lifetimes, now).await?;
        writing.commit().await?;
        Ok(Rotation::Rotated(pair))
    }

    /// Revokes the session of a token of either kind; false when no session has it.
    pub(crate) async fn revoke_by_token(
        &self,
        token: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let session: Option<String> = sqlx::query_scalar(
            "SELECT session_id FROM refresh_tokens WHERE token_hash = $1 \
             UNION ALL SELECT session_id FROM access_tokens WHERE token_hash = $1",
        )
        .bind(digest(token))
        .fetch_optional(&mut *writing)
        .await?;
        let Some(session) = session else {
            return Ok(false);
        };
        revoke_session(&mut writing, &session, "revoked by the client", now).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Revokes every session of an account; returns how many were open.
    pub(crate) async fn revoke_account_sessions(
        &self,
        account_id: &str,
        now: Moment,
    ) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let revoked = sqlx::query(
            "UPDATE sessions SET revoked_at = $1, revoked_because = $2 \
             WHERE account_id = $3 AND revoked_at IS NULL",
        )
        .bind(now.millis())
        .bind("revoked by the operator")
        .bind(account_id)
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(revoked.rows_affected())
    }

    /// Tells whether a session is still open.
    pub(crate) async fn session_is_open(
        &self,
        session_id: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let open: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM sessions \
             WHERE session_id = $1 AND revoked_at IS NULL AND refresh_expires_at > $2",
        )
        .bind(session_id)
        .bind(now.millis())
        .fetch_optional(self.read())
        .await?;
        Ok(open.is_some())
    }

    /// Finds out what an access token is worth now.
    pub(crate) async fn access(&self, token: &str, now: Moment) -> Result<AccessState, StoreError> {
        let row = sqlx::query(
            "SELECT a.expires_at, s.session_id, s.account_id, s.refresh_expires_at, \
                 s.revoked_at IS NOT NULL \
             FROM access_tokens a JOIN sessions s ON s.session_id = a.session_id \
             WHERE a.token_hash = $1",
        )
        .bind(digest(token))
        .fetch_optional(self.read())
        .await?;
        let Some(row) = row else {
            return Ok(AccessState::Unknown);
        };
        if row.try_get(4)? {
            return Ok(AccessState::Revoked);
        }
        if now >= Moment::from_millis(row.try_get(0)?) {
            return Ok(AccessState::Expired);
        }
        Ok(AccessState::Valid {
            session_id: row.try_get(1)?,
            account_id: row.try_get(2)?,
            refresh_expires_at: Moment::from_millis(row.try_get(3)?),
        })
    }
}

/// Opens a session inside the transaction that consumes its approval.
pub(super) async fn open_session(
    writing: &mut Writing,
    new: &NewSession<'_>,
    now: Moment,
) -> Result<TokenPair, StoreError> {
    let session_id = identifier("session")?;
    sqlx::query(
        "INSERT INTO sessions (session_id, account_id, client_id, auth_method, scope, generation, \
             refresh_expires_at, created_at) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)",
    )
    .bind(&session_id)
    .bind(new.account_id)
    .bind(new.client_id)
    .bind(new.method.as_str())
    .bind(new.scope)
    .bind(now.plus(new.lifetimes.refresh).millis())
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    issue(
        writing,
        session_id,
        1,
        new.scope.to_owned(),
        new.lifetimes,
        now,
    )
    .await
}

/// Ends a session; its first reason stays.
pub(super) async fn revoke_session(
    writing: &mut Writing,
    session_id: &str,
    because: &str,
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sessions SET revoked_at = $1, revoked_because = $2 \
         WHERE session_id = $3 AND revoked_at IS NULL",
    )
    .bind(now.millis())
    .bind(because)
    .bind(session_id)
    .execute(&mut **writing)
    .await?;
    Ok(())
}

/// Makes a pair and forgets the tokens of the session that nobody can present usefully any more.
async fn issue(
    writing: &mut Writing,
    session_id: String,
    generation: i64,
    scope: String,
    lifetimes: SessionLifetimes,
    now: Moment,
) -> Result<TokenPair, StoreError> {
    let (access, refresh) = (Secret::random("skta_")?, Secret::random("sktr_")?);
    sqlx::query(
        "INSERT INTO access_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)",
    )
    .bind(access.digest())
    .bind(&session_id)
    .bind(now.plus(lifetimes.access).millis())
    .execute(&mut **writing)
    .await?;
    sqlx::query(
        "INSERT INTO refresh_tokens (token_hash, session_id, generation, expires_at) \
         VALUES ($1, $2, $3, $4)",
    )
    .bind(refresh.digest())
    .bind(&session_id)
    .bind(generation)
    .bind(now.plus(lifetimes.refresh).millis())
    .execute(&mut **writing)
    .await?;
    let forgotten = now.minus(EXPIRED_TOKENS_KEPT).millis();
    for statement in [
        "DELETE FROM access_tokens WHERE session_id = $1 AND expires_at < $2",
        "DELETE FROM refresh_tokens WHERE session_id = $1 AND expires_at < $2",
    ] {
        sqlx::query(statement)
            .bind(&session_id)
            .bind(forgotten)
            .execute(&mut **writing)
            .await?;
    }
    Ok(TokenPair {
        access,
        refresh,
        session_id,
        generation,
        scope,
    })
}
