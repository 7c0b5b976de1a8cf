//! Who may come in: accounts, and the teams they belong to.

use serde::Serialize;

/// The role of an account in its own Private Teamspace.
pub(crate) const OWNER: &str = "owner";

/// The role of an account in a team that others share.
pub(crate) const MEMBER: &str = "member";

/// A person or a machine that can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Identifies the account for ever.
    pub id: String,
    /// The address a login is approved for; lower case, unique.
    pub email: String,
    /// The name that is shown.
    pub name: String,
    /// The teams, in the order in which the account joined them.
    pub teams: Vec<Team>,
}

impl Account {
    /// Returns the one team that may receive this account's events.
    #[must_use]
    pub fn private_team(&self) -> Option<&Team> {
        self.teams.iter().find(|team| team.is_private_teamspace)
    }

    /// Returns the team with this id or slug, if the account belongs to it.
    pub(crate) fn team(&self, id_or_slug: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.is_named(id_or_slug))
    }
}

/// A team, as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Team {
    /// Identifies the team for ever.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// What the member is in it: `owner` or `member`.
    pub role: String,
    /// Whether it is the member's own, not shareable team: the only kind that receives events.
    pub is_private_teamspace: bool,
    /// The readable, unique name.
    pub slug: String,
}

impl Team {
    /// Tells whether a client means this team: by its id or by its slug.
    pub(crate) fn is_named(&self, id_or_slug: &str) -> bool {
        self.id == id_or_slug || self.slug == id_or_slug
    }
}
