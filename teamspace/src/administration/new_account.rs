//! An account to be made, and what its parts must look like.

use super::AdministrationError;
use crate::email;
use crate::store::{AccountDraft, TeamDraft};

/// The longest name of an account or a team.
const LONGEST_NAME: usize = 200;

/// The longest slug of a team.
const LONGEST_SLUG: usize = 64;

/// An account to be made.
///
/// ```
/// use kitty_teamspace::NewAccount;
///
/// let shared_only = NewAccount::new("ann@example.com", "Ann").shared_team("crew", "The crew");
/// assert!(!shared_only.private_team);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The address logins are approved for.
    pub email: String,
    /// The name that is shown.
    pub name: String,
    /// Whether the account gets a Private Teamspace; without one its events have no place.
    pub private_team: bool,
    /// The shared teams it joins, as slug and name; a team is made when its slug is new.
    pub shared_teams: Vec<(String, String)>,
}

impl NewAccount {
    /// Describes an account that belongs to no team.
    #[must_use]
    pub fn new(email: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            name: name.into(),
            private_team: false,
            shared_teams: Vec::new(),
        }
    }

    /// Gives it a Private Teamspace.
    #[must_use]
    pub const fn with_private_team(mut self) -> Self {
        self.private_team = true;
        self
    }

    /// Lets it join a shared team.
    #[must_use]
    pub fn shared_team(mut self, slug: impl Into<String>, name: impl Into<String>) -> Self {
        self.shared_teams.push((slug.into(), name.into()));
        self
    }

    /// Checks every part.
    pub(super) fn checked(self) -> Result<AccountDraft, AdministrationError> {
        let mut shared_teams = Vec::with_capacity(self.shared_teams.len());
        for (slug, name) in self.shared_teams {
            shared_teams.push(TeamDraft {
                slug: checked_slug(slug)?,
                name: checked_name(name)?,
            });
        }
        Ok(AccountDraft {
            email: normal_email(&self.email)?,
            name: checked_name(self.name)?,
            private_team: self.private_team,
            shared_teams,
        })
    }
}

/// Returns an email in the form in which it is stored.
pub(super) fn normal_email(text: &str) -> Result<String, AdministrationError> {
    email::normal(text).ok_or_else(|| AdministrationError::Email(text.to_owned()))
}

fn checked_name(name: String) -> Result<String, AdministrationError> {
    let length = name.trim().chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !name.contains(char::is_control) {
        Ok(name.trim().to_owned())
    } else {
        Err(AdministrationError::Name(name))
    }
}

fn checked_slug(slug: String) -> Result<String, AdministrationError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=LONGEST_SLUG).contains(&slug.len()) && slug.bytes().all(plain) {
        Ok(slug)
    } else {
        Err(AdministrationError::Slug(slug))
    }
}
