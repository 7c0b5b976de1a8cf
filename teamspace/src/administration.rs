//! What an operator does beside the running server: accounts, issues, counts, exports.

mod issue_seed;
mod new_account;

pub use issue_seed::{IssueSeed, SeedReport};
pub use new_account::NewAccount;

use self::new_account::normal_email;
use crate::accounts::Account;
use crate::data_directory::DataDirectory;
use crate::store::{AccountRefusal, EventFilter, Store, StoreError, StoreOpenError};
use crate::time::{Moment, SharedTime, SystemTime};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long an administrator waits for the store.
const STORE_DEADLINE: Duration = Duration::from_secs(10);

/// Events read at a time for an export, and the bytes after which a page ends earlier.
const EXPORT_PAGE_EVENTS: u32 = 500;
const EXPORT_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// An operator's request was not carried out; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// The text is not an email address.
    #[error("'{0}' is not an email address; give one such as ann@example.com")]
    Email(String),
    /// A name is empty or too long.
    #[error("'{0}' is not a name; give one of 1 to 200 characters")]
    Name(String),
    /// A slug has other characters than lower-case letters, digits and hyphens.
    #[error("'{0}' is not a team slug; use 1 to 64 of a-z, 0-9 and -")]
    Slug(String),
    /// There is such an account already.
    #[error("an account with the email {0} exists; use it, or give another email")]
    EmailTaken(String),
    /// There is no such account.
    #[error("no account has the email {0}; list the accounts to see which exist")]
    UnknownAccount(String),
    /// There is no such team.
    #[error("no team has the id or slug {0}; list the accounts to see their teams")]
    UnknownTeam(String),
    /// The account has a Private Teamspace already.
    #[error("{0} has a Private Teamspace; there is nothing to do")]
    HasPrivateTeam(String),
    /// The slug is that of somebody's Private Teamspace.
    #[error("{0} is a Private Teamspace, which nobody can join; choose another slug")]
    NotShareable(String),
    /// The team has no binding of this reference.
    #[error("the team has no tracker binding {0}; see the tracker's status for those it has")]
    UnknownBinding(String),
    /// The issues cannot be put into the tracker.
    #[error("the issues cannot be taken: {0}; correct them and try again")]
    Seed(String),
    /// The export could not be written.
    #[error("cannot write the export: {0}; check the disk and start it again")]
    Output(#[source] io::Error),
    /// The database failed.
    #[error("the store failed: {problem}; check {place} and try again")]
    Store {
        /// What went wrong.
        problem: String,
        /// Where to look.
        place: &'static str,
    },
}

impl From<StoreError> for AdministrationError {
    fn from(error: StoreError) -> Self {
        Self::Store {
            problem: error.to_string(),
            place: "the data directory",
        }
    }
}

/// Accounts, counts and exports, over the store of a server that runs or has run.
#[derive(Debug, Clone)]
pub struct Administration {
    store: Store,
    time: SharedTime,
}

impl Administration {
    pub(crate) const fn over(store: Store, time: SharedTime) -> Self {
        Self { store, time }
    }

    /// Opens the store in a data directory; a server may be running on it.
    ///
    /// # Errors
    /// [`StoreOpenError`] when no server has run there yet, or the store cannot be used.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreOpenError> {
        let directory = DataDirectory::existing(data_dir)?;
        let store = Store::open_existing(&directory, STORE_DEADLINE).await?;
        Ok(Self::over(store, Arc::new(SystemTime)))
    }

    /// Makes an account and joins its teams. Durable when it returns.
    ///
    /// # Errors
    /// When the email, a name or a slug is not one, the email is taken, a slug is that of a
    /// Private Teamspace, or the store fails.
    pub async fn create_account(&self, new: NewAccount) -> Result<Account, AdministrationError> {
        let draft = new.checked()?;
        let made = self.store.create_account(&draft, self.now()).await?;
        made.map_err(|refusal| describe(refusal, &draft.email))
    }

    /// Gives an account that has none its Private Teamspace. Durable when it returns.
    ///
    /// # Errors
    /// When there is no such account, it has one already, or the store fails.
    pub async fn grant_private_team(&self, email: &str) -> Result<Account, AdministrationError> {
        let email = normal_email(email)?;
        let granted = self.store.grant_private_team(&email, self.now()).await?;
        granted.map_err(|refusal| describe(refusal, &email))
    }

    /// Ends every session of an account and returns how many were open. Durable when it returns.
    ///
    /// # Errors
    /// When there is no such account, or the store fails.
    pub async fn revoke_sessions(&self, email: &str) -> Result<u64, AdministrationError> {
        let email = normal_email(email)?;
        let account = self.store.account_by_email(&email).await?;
        let account = account.ok_or(AdministrationError::UnknownAccount(email))?;
        let revoked = self
            .store
            .revoke_account_sessions(&account.id, self.now())
            .await?;
        Ok(revoked)
    }

    /// Returns all accounts with their teams, ordered by email.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accounts(&self) -> Result<Vec<Account>, AdministrationError> {
        Ok(self.store.accounts().await?)
    }

    /// Counts the events a team has received; the team by id or slug.
    ///
    /// # Errors
    /// When there is no such team, or the store fails.
    pub async fn count_events(&self, team: &str) -> Result<u64, AdministrationError> {
        let team_id = self.team_id(team).await?;
        let events = self.store.count_events(&team_id).await?;
        Ok(u64::try_from(events).unwrap_or(0))
    }

    /// Writes every envelope a team has received, in order of arrival, one per line, and returns
    /// how many.
    ///
    /// Each line is byte for byte what the client sent. The one exception is an envelope that was
    /// sent over several lines: a line break in JSON is white space, and becomes a space. Memory
    /// stays small however much there is.
    ///
    /// # Errors
    /// When there is no such team, the output cannot be written, or the store fails; what was
    /// written before stays.
    pub async fn export_events(
        &self,
        team: &str,
        output: &mut dyn Write,
    ) -> Result<u64, AdministrationError> {
        let team_id = self.team_id(team).await?;
        let mut filter = EventFilter {
            limit: EXPORT_PAGE_EVENTS,
            most_bytes: EXPORT_PAGE_BYTES,
            ..EventFilter::default()
        };
        let mut written = 0;
        loop {
            let page = self.store.events(&team_id, &filter).await?;
            for event in &page.events {
                let line = one_line(&event.envelope);
                let wrote = output.write_all(line.as_bytes());
                wrote
                    .and_then(|()| output.write_all(b"\n"))
                    .map_err(AdministrationError::Output)?;
                filter.after = event.sequence;
                written += 1;
            }
            if !page.has_more {
                output.flush().map_err(AdministrationError::Output)?;
                return Ok(written);
            }
        }
    }

    /// Closes the store; only needed for one that was opened with [`Administration::open`].
    pub async fn close(self) {
        self.store.close().await;
    }

    fn now(&self) -> Moment {
        Moment::now(&self.time)
    }

    async fn team_id(&self, team: &str) -> Result<String, AdministrationError> {
        let found = self.store.team_id(team).await?;
        found.ok_or_else(|| AdministrationError::UnknownTeam(team.to_owned()))
    }
}

fn one_line(envelope: &str) -> std::borrow::Cow<'_, str> {
    if envelope.contains(['\n', '\r']) {
        envelope.replace(['\n', '\r'], " ").into()
    } else {
        envelope.into()
    }
}

fn describe(refusal: AccountRefusal, email: &str) -> AdministrationError {
    let email = email.to_owned();
    match refusal {
        AccountRefusal::EmailTaken => AdministrationError::EmailTaken(email),
        AccountRefusal::UnknownAccount => AdministrationError::UnknownAccount(email),
        AccountRefusal::HasPrivateTeam => AdministrationError::HasPrivateTeam(email),
        AccountRefusal::NotShareable { slug } => AdministrationError::NotShareable(slug),
    }
}
