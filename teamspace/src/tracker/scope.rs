//! For whom a tracker request is, and which binding it is about.

use super::input::Input;
use super::provider::Provider;
use crate::accounts::{Account, Team};
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::request::{Fields, header};
use crate::state::State;
use crate::store::tracker::{self, Binding, Connection, Routing};
use actix_web::HttpRequest;
use actix_web::http::StatusCode;

/// The account that asks and the shared team it asks for.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) account: Account,
    pub(super) team: Team,
}

impl Scope {
    /// Identifies the caller and the team (401, 403; 400 when no team is named).
    pub(super) async fn begin(state: &State, request: &HttpRequest) -> Result<Self, ApiError> {
        let account = Caller::identify(state, request).await?.account;
        let mut shared = account
            .teams
            .iter()
            .filter(|team| !team.is_private_teamspace);
        let (Some(team), None, Some(_)) = (shared.next(), shared.next(), account.private_team())
        else {
            return Err(forbidden(
                "collaborative_team_required",
                "a Private Teamspace and exactly one Collaborative Teamspace are required; have \
                 the server's operator change the account's teams, then log in again",
            ));
        };
        let Some(named) = header(request, "x-team-slug").filter(|named| !named.is_empty()) else {
            return Err(ApiError::invalid(
                "missing_team",
                "X-Team-Slug is missing; send the id of the account's Collaborative Teamspace",
            ));
        };
        if !team.is_named(named) {
            return Err(forbidden(
                "team_mismatch",
                "X-Team-Slug does not name this account's Collaborative Teamspace; log in again",
            ));
        }
        let team = team.clone();
        Ok(Self { account, team })
    }
}

fn forbidden(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, code, message).for_people()
}

/// A provider and, perhaps, the binding that a request names.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) provider: Provider,
    binding_ref: Option<String>,
    project_slug: Option<String>,
}

impl Route {
    /// Reads the route from a query.
    pub(super) fn of_query(request: &HttpRequest) -> Result<Self, ApiError> {
        let query = Fields::of_query(request);
        Ok(Self {
            provider: Provider::requested(query.one("provider")?)?,
            binding_ref: query.one("binding_ref")?.map(str::to_owned),
            project_slug: query.one("project_slug")?.map(str::to_owned),
        })
    }

    /// Reads the route from a body.
    pub(super) fn of_body(input: &Input) -> Result<Self, ApiError> {
        Ok(Self {
            provider: Provider::requested(input.optional("provider")?)?,
            binding_ref: input.optional("binding_ref")?.map(str::to_owned),
            project_slug: input.optional("project_slug")?.map(str::to_owned),
        })
    }

    /// Tells whether the request names a binding at all.
    pub(super) const fn names_binding(&self) -> bool {
        self.binding_ref.is_some() || self.project_slug.is_some()
    }

    /// Finds the binding; the reference goes before the slug.
    ///
    /// Refuses with `missing_routing_key`, `binding_not_found`, `mapping_disabled` or
    /// `project_mismatch`.
    pub(super) async fn binding(
        &self,
        connection: &mut Connection,
        team_id: &str,
    ) -> Result<Binding, ApiError> {
        let routing = match (&self.binding_ref, &self.project_slug) {
            (Some(reference), _) => Routing::Reference(reference),
            (None, Some(slug)) => Routing::Project(slug),
            (None, None) => {
                return Err(ApiError::invalid(
                    "missing_routing_key",
                    "send 'binding_ref' or 'project_slug'",
                ));
            }
        };
        let provider = self.provider.name();
        let found = tracker::binding(connection, team_id, provider, routing).await?;
        let binding = found.ok_or_else(|| Stale::NotFound.error())?;
        let mismatch = self
            .project_slug
            .as_ref()
            .is_some_and(|slug| *slug != binding.project_slug);
        match (binding.disabled_at, mismatch) {
            (Some(_), _) => Err(Stale::Disabled.error()),
            (None, true) => Err(Stale::OtherProject.error()),
            (None, false) => Ok(binding),
        }
    }
}

/// Why a binding no longer serves; clients tell people to bind anew.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stale {
    NotFound,
    Disabled,
    OtherProject,
}

impl Stale {
    /// Returns the code, which is also the category: clients read either.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "binding_not_found",
            Self::Disabled => "mapping_disabled",
            Self::OtherProject => "project_mismatch",
        }
    }

    /// Says it to people.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "no such tracker binding; bind the project again",
            Self::Disabled => "the tracker binding was disabled; bind the project again",
            Self::OtherProject => "the tracker binding belongs to another project; bind this one",
        }
    }

    pub(super) fn error(self) -> ApiError {
        let status = match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Disabled | Self::OtherProject => StatusCode::CONFLICT,
        };
        ApiError::new(status, self.code(), self.code(), self.message()).for_people()
    }
}
