//! Browsers that are signed in to the overview page.
//!
//! Kept in memory: a restart signs everybody out, which costs one sign-in and no table.

use crate::secret::{NoRandomness, Secret, digest};
use crate::time::Moment;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How many browsers may be signed in; one more signs out the one that would expire first.
const MOST_SESSIONS: usize = 256;

/// Who is signed in where.
#[derive(Default)]
pub(crate) struct PageSessions(Mutex<HashMap<String, PageSession>>);

struct PageSession {
    account_id: String,
    expires_at: Moment,
}

impl PageSessions {
    /// Signs an account in; returns the cookie's value.
    pub(super) fn open(
        &self,
        account_id: &str,
        now: Moment,
        expires_at: Moment,
    ) -> Result<Secret, NoRandomness> {
        let cookie = Secret::random("")?;
        let session = PageSession {
            account_id: account_id.to_owned(),
            expires_at,
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.expires_at > now);
        if sessions.len() >= MOST_SESSIONS {
            let first = sessions
                .iter()
                .min_by_key(|(_, session)| session.expires_at);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                sessions.remove(&first);
            }
        }
        sessions.insert(cookie.digest(), session);
        Ok(cookie)
    }

    /// Returns the account a cookie stands for.
    pub(super) fn account(&self, cookie: &str, now: Moment) -> Option<String> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&digest(cookie))?;
        (session.expires_at > now).then(|| session.account_id.clone())
    }

    /// Signs a browser out.
    pub(super) fn close(&self, cookie: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&digest(cookie));
    }
}

impl fmt::Debug for PageSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_at_its_time_or_when_it_is_closed() {
        let sessions = PageSessions::default();
        let (now, later) = (Moment::from_millis(0), Moment::from_millis(10));
        let cookie = sessions.open("a", now, later).unwrap();
        assert_eq!(sessions.account(cookie.expose(), now).as_deref(), Some("a"));
        assert_eq!(sessions.account(cookie.expose(), later), None);
        assert_eq!(sessions.account("another", now), None);
        sessions.close(cookie.expose());
        assert_eq!(sessions.account(cookie.expose(), now), None);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let sessions = PageSessions::default();
        let now = Moment::from_millis(0);
        for number in 1..1_000 {
            sessions
                .open("a", now, Moment::from_millis(number))
                .unwrap();
        }
        assert_eq!(sessions.0.lock().unwrap().len(), MOST_SESSIONS);
    }
}
