//! A person's yes: who may approve a login, and how often they may get it wrong.

use crate::accounts::Account;
use crate::request::Fields;
use crate::state::State;
use crate::store::StoreError;
use crate::time::Moment;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The span over which failures are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// How many addresses are remembered; those beyond share one count.
const MOST_ADDRESSES: usize = 4_096;

/// Counts failed approvals per address, so that nobody can guess for long.
#[derive(Debug)]
pub(crate) struct Attempts {
    most: u32,
    failures: Mutex<HashMap<Option<IpAddr>, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Moment,
    failures: u32,
}

impl Attempts {
    /// Allows this many failures per address and minute.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            failures: Mutex::default(),
        }
    }

    /// Returns the seconds an address has to wait; `None` when it may try.
    pub(crate) fn blocked(&self, address: Option<IpAddr>, now: Moment) -> Option<u32> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let window = failures.get(&address).or_else(|| failures.get(&None))?;
        let passed = now.since(window.began);
        let blocked = window.failures >= self.most && passed < WINDOW;
        blocked.then(|| {
            let left = WINDOW.saturating_sub(passed).as_secs() + 1;
            u32::try_from(left).unwrap_or(u32::MAX)
        })
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: Option<IpAddr>, now: Moment) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, window| now.since(window.began) < WINDOW);
        }
        let full = failures.len() >= MOST_ADDRESSES && !failures.contains_key(&address);
        let key = if full { None } else { address };
        let window = failures.entry(key).or_insert(Window {
            began: now,
            failures: 0,
        });
        if now.since(window.began) >= WINDOW {
            *window = Window {
                began: now,
                failures: 0,
            };
        }
        window.failures = window.failures.saturating_add(1);
    }
}

/// Why a form was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Too many failures; the seconds to wait.
    #[error("Too many failed attempts from this address. Try again in {0} seconds.")]
    TooManyAttempts(u32),
    /// The approval key is missing or wrong.
    #[error(
        "The approval key is not right. It stands in the file approval.key of the server's data \
         directory."
    )]
    WrongKey,
    /// No account has the email.
    #[error("No account has this email. Check it, or have the server's operator make the account.")]
    NoAccount,
    /// The store failed.
    #[error("The server failed. Try again in a moment, then see its log.")]
    Store(#[from] StoreError),
}

impl Refused {
    /// Returns the status of the page that shows the refusal.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::WrongKey => StatusCode::FORBIDDEN,
            Self::NoAccount => StatusCode::NOT_FOUND,
            Self::Store(error) if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) => {
                tracing::error!(%error, "an approval failed in the store");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// Checks the approval key and finds the account that a form names.
///
/// Reads the fields `email` and `approval_key`. A wrong key counts against the sender's address.
pub(crate) async fn account_of_form(
    state: &State,
    request: &HttpRequest,
    form: &Fields,
) -> Result<Account, Refused> {
    let (address, now) = (sender(request), state.now());
    if let Some(seconds) = state.attempts.blocked(address, now) {
        return Err(Refused::TooManyAttempts(seconds));
    }
    if !state.approval_key.matches(&form.first("approval_key")) {
        state.attempts.failed(address, now);
        tracing::warn!(?address, "a login was approved with a wrong key; refused");
        return Err(Refused::WrongKey);
    }
    let email = form.first("email").trim().to_lowercase();
    let account = state.store.account_by_email(&email).await?;
    account.ok_or(Refused::NoAccount)
}

/// Returns the address of the connection; behind a proxy that is the proxy's.
pub(crate) fn sender(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_blocked_after_its_failures_and_free_after_a_minute() {
        let attempts = Attempts::new(2);
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Moment::from_millis(1_000_000);
        attempts.failed(Some(here), start);
        assert_eq!(attempts.blocked(Some(here), start), None);
        attempts.failed(Some(here), start);
        assert_eq!(attempts.blocked(Some(here), start), Some(61));
        assert_eq!(attempts.blocked(Some(there), start), None);
        assert_eq!(attempts.blocked(Some(here), start.plus(WINDOW)), None);
        attempts.failed(Some(here), start.plus(WINDOW));
        assert_eq!(attempts.blocked(Some(here), start.plus(WINDOW)), None);
    }

    #[test]
    fn addresses_beyond_the_bound_share_one_count() {
        let attempts = Attempts::new(1);
        let now = Moment::from_millis(0);
        for number in 0..u32::try_from(MOST_ADDRESSES).unwrap() {
            attempts.failed(Some(IpAddr::from(number.to_be_bytes())), now);
        }
        let late = IpAddr::from([200, 0, 0, 1]);
        assert_eq!(attempts.blocked(Some(late), now), None);
        attempts.failed(Some(late), now);
        assert!(attempts.blocked(Some(late), now).is_some());
        assert!(attempts.failures.lock().unwrap().len() <= MOST_ADDRESSES + 1);
    }
}
