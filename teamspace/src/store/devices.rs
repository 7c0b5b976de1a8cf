//! Device codes: logins that wait for a person, and the polls that ask whether one has come.
//!
//! An approved login becomes a session in the transaction that consumes it, so it does so once.

use super::sessions::open_session;
use super::{
    AuthMethod, EXPIRED_CODES_KEPT, NewSession, SessionLifetimes, Store, StoreError, TokenPair,
    Writing,
};
use crate::secret::digest;
use crate::time::Moment;
use sqlx::Row as _;
use std::time::Duration;

/// How much earlier than agreed a poll may arrive without being called too fast.
const POLL_TOLERANCE: Duration = Duration::from_millis(500);

/// A device login to be approved.
#[derive(Debug)]
pub(crate) struct DeviceDraft<'a> {
    pub(crate) device_code_hash: String,
    pub(crate) user_code: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) expires_at: Moment,
}

/// What became of a device login that was to be recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeviceAnswer {
    Recorded,
    /// The user code is in use; another one must be tried.
    UserCodeTaken,
    /// Too many logins wait already.
    TooManyPending,
}

/// What a person decided.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DeviceVerdict<'a> {
    Approve { account_id: &'a str },
    Deny,
}

/// What a polling client is told.
#[derive(Debug)]
pub(crate) enum DevicePoll {
    Granted(TokenPair),
    Pending,
    TooFast,
    Denied,
    Expired,
    /// No such code, another client's, or one that was exchanged before.
    Unknown,
}

impl Store {
    /// Records a device login, unless too many wait already.
    pub(crate) async fn record_device(
        &self,
        draft: &DeviceDraft<'_>,
        most_pending: u32,
        now: Moment,
    ) -> Result<DeviceAnswer, StoreError> {
        let mut writing = self.write().await?;
        sqlx::query("DELETE FROM device_authorizations WHERE expires_at < $1")
            .bind(now.minus(EXPIRED_CODES_KEPT).millis())
            .execute(&mut *writing)
            .await?;
        let pending: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM device_authorizations \
             WHERE state = 'pending' AND expires_at > $1",
        )
        .bind(now.millis())
        .fetch_one(&mut *writing)
        .await?;
        if pending >= i64::from(most_pending) {
            return Ok(DeviceAnswer::TooManyPending);
        }
        let inserted = sqlx::query(
            "INSERT INTO device_authorizations \
                 (device_code_hash, user_code, client_id, scope, state, expires_at) \
             VALUES ($1, $2, $3, $4, 'pending', $5) ON CONFLICT (user_code) DO NOTHING",
        )
        .bind(&draft.device_code_hash)
        .bind(draft.user_code)
        .bind(draft.client_id)
        .bind(draft.scope)
        .bind(draft.expires_at.millis())
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(match inserted.rows_affected() {
            0 => DeviceAnswer::UserCodeTaken,
            _ => DeviceAnswer::Recorded,
        })
    }

    /// Records what a person decided; false when no login waits under this user code.
    pub(crate) async fn decide_device(
        &self,
        user_code: &str,
        verdict: DeviceVerdict<'_>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let (state, account) = match verdict {
            DeviceVerdict::Approve { account_id } => ("approved", Some(account_id)),
            DeviceVerdict::Deny => ("denied", None),
        };
        let mut writing = self.write().await?;
        let decided = sqlx::query(
            "UPDATE device_authorizations SET state = $1, account_id = $2 \
             WHERE user_code = $3 AND state = 'pending' AND expires_at > $4",
        )
        .bind(state)
        .bind(account)
        .bind(user_code)
        .bind(now.millis())
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(decided.rows_affected() > 0)
    }

    /// Answers a poll; an approved login becomes a session here.
    pub(crate) async fn poll_device(
        &self,
        device_code: &str,
        client_id: &str,
        interval: Duration,
        lifetimes: SessionLifetimes,
        now: Moment,
    ) -> Result<DevicePoll, StoreError> {
        let mut writing = self.write().await?;
        let hash = digest(device_code);
        let row = sqlx::query(
            "SELECT state, expires_at, polled_at, scope, account_id FROM device_authorizations \
             WHERE device_code_hash = $1 AND client_id = $2",
        )
        .bind(&hash)
        .bind(client_id)
        .fetch_optional(&mut *writing)
        .await?;
        let Some(row) = row else {
            return Ok(DevicePoll::Unknown);
        };
        let state: String = row.try_get(0)?;
        let expired = now >= Moment::from_millis(row.try_get(1)?);
        match state.as_str() {
            "denied" => return Ok(DevicePoll::Denied),
            "pending" | "approved" if expired => return Ok(DevicePoll::Expired),
            "pending" => {
                let polled: Option<i64> = row.try_get(2)?;
                note_poll(&mut writing, &hash, now).await?;
                writing.commit().await?;
                let waited = polled.map(|polled| now.since(Moment::from_millis(polled)));
                let too_fast = waited.is_some_and(|waited| waited + POLL_TOLERANCE < interval);
                return Ok(if too_fast {
                    DevicePoll::TooFast
                } else {
                    DevicePoll::Pending
                });
            }
            "approved" => {}
            _ => return Ok(DevicePoll::Unknown),
        }
        let (scope, account_id): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        sqlx::query(
            "UPDATE device_authorizations SET state = 'consumed' WHERE device_code_hash = $1",
        )
        .bind(&hash)
        .execute(&mut *writing)
        .await?;
        let new = NewSession {
            account_id: &account_id,
            client_id,
            scope: &scope,
            method: AuthMethod::DeviceCode,
            lifetimes,
        };
        let pair = open_session(&mut writing, &new, now).await?;
        writing.commit().await?;
        Ok(DevicePoll::Granted(pair))
    }
}

async fn note_poll(writing: &mut Writing, hash: &str, now: Moment) -> Result<(), StoreError> {
    sqlx::query("UPDATE device_authorizations SET polled_at = $1 WHERE device_code_hash = $2")
        .bind(now.millis())
        .bind(hash)
        .execute(&mut **writing)
        .await?;
    Ok(())
}
