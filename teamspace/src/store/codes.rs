//! Authorization codes of the browser flow.
//!
//! A code becomes a session in the transaction that consumes it, so it does so once.

use super::sessions::{open_session, revoke_session};
use super::{
    AuthMethod, EXPIRED_CODES_KEPT, NewSession, SessionLifetimes, Store, StoreError, TokenPair,
    Writing,
};
use crate::secret::{code_challenge, digest, equal};
use crate::time::Moment;
use sqlx::Row as _;

/// A code of the browser flow.
#[derive(Debug)]
pub(crate) struct AuthorizationCode<'a> {
    pub(crate) code_hash: String,
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_challenge: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) expires_at: Moment,
}

/// What a client shows to exchange a code.
pub(crate) struct CodeExchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
}

impl Store {
    /// Records a code of the browser flow.
    pub(crate) async fn record_code(
        &self,
        code: &AuthorizationCode<'_>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query("DELETE FROM authorization_codes WHERE expires_at < $1")
            .bind(now.minus(EXPIRED_CODES_KEPT).millis())
            .execute(&mut *writing)
            .await?;
        sqlx::query(
            "INSERT INTO authorization_codes (code_hash, client_id, redirect_uri, code_challenge, \
                 scope, account_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&code.code_hash)
        .bind(code.client_id)
        .bind(code.redirect_uri)
        .bind(code.code_challenge)
        .bind(code.scope)
        .bind(code.account_id)
        .bind(code.expires_at.millis())
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(())
    }

    /// Exchanges a code for a session; `None` when anything about it is not right.
    ///
    /// The first try consumes the code, also when it fails. A second exchange ends the session that
    /// the first one opened (RFC 6749, 4.1.2).
    pub(crate) async fn exchange_code(
        &self,
        exchange: &CodeExchange<'_>,
        lifetimes: SessionLifetimes,
        now: Moment,
    ) -> Result<Option<TokenPair>, StoreError> {
        let mut writing = self.write().await?;
        let hash = digest(exchange.code);
        let row = sqlx::query(
            "SELECT client_id, redirect_uri, code_challenge, scope, account_id, expires_at, \
                 consumed_at IS NOT NULL, session_id \
             FROM authorization_codes WHERE code_hash = $1",
        )
        .bind(&hash)
        .fetch_optional(&mut *writing)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get(6)? {
            if let Some(session) = row.try_get::<Option<String>, _>(7)? {
                revoke_session(&mut writing, &session, "authorization code replayed", now).await?;
                writing.commit().await?;
            }
            return Ok(None);
        }
        let (client, redirect): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let challenge: String = row.try_get(2)?;
        let right = client == exchange.client_id
            && redirect == exchange.redirect_uri
            && now < Moment::from_millis(row.try_get(5)?)
            && equal(&challenge, &code_challenge(exchange.verifier));
        if !right {
            consume_code(&mut writing, &hash, None, now).await?;
            writing.commit().await?;
            return Ok(None);
        }
        let (scope, account_id): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let new = NewSession {
            account_id: &account_id,
            client_id: exchange.client_id,
            scope: &scope,
            method: AuthMethod::AuthorizationCode,
            lifetimes,
        };
        let pair = open_session(&mut writing, &new, now).await?;
        consume_code(&mut writing, &hash, Some(&pair.session_id), now).await?;
        writing.commit().await?;
        Ok(Some(pair))
    }
}

async fn consume_code(
    writing: &mut Writing,
    hash: &str,
    session_id: Option<&str>,
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE authorization_codes SET consumed_at = $1, session_id = $2 WHERE code_hash = $3",
    )
    .bind(now.millis())
    .bind(session_id)
    .bind(hash)
    .execute(&mut **writing)
    .await?;
    Ok(())
}
