//! The trackers a project can be bound to through a Teamspace.

use crate::errors::ApiError;

/// A tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Linear, whose issues belong to teams.
    Linear,
    /// Jira, whose issues belong to projects.
    Jira,
    /// GitHub, whose issues belong to repositories.
    Github,
    /// GitLab, whose issues belong to projects.
    Gitlab,
}

impl Provider {
    const ALL: [Self; 4] = [Self::Linear, Self::Jira, Self::Github, Self::Gitlab];

    /// Returns the name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Jira => "jira",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        }
    }

    /// Returns what the provider's issues belong to, as origins of missions name it.
    pub(crate) const fn resource_type(self) -> &'static str {
        match self {
            Self::Linear => "linear_team",
            Self::Jira => "jira_project",
            Self::Github => "github_repository",
            Self::Gitlab => "gitlab_project",
        }
    }

    /// Returns the key of the numbered issue of a resource.
    pub(crate) fn issue_key(self, resource_key: &str, number: i64) -> String {
        match self {
            Self::Linear | Self::Jira => format!("{resource_key}-{number}"),
            Self::Github | Self::Gitlab => format!("{resource_key}#{number}"),
        }
    }

    /// Finds a provider by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == name)
    }

    /// Finds the provider that a request names.
    pub(super) fn requested(name: Option<&str>) -> Result<Self, ApiError> {
        name.and_then(Self::named).ok_or_else(|| {
            ApiError::invalid(
                "unknown_provider",
                "'provider' is one of linear, jira, github and gitlab",
            )
        })
    }
}
