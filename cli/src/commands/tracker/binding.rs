//! What this project is bound to, and whether that lets a command go on.

use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use kitty_actors::tracker::{Route, RouteKey};
use kitty_missions::git::{Checkout, GitProgram};
use kitty_missions::project::Project;
use kitty_missions::project::tracker::TrackerBinding;
use kitty_runtime::consent::Consent;
use kitty_runtime::id::ProjectUuid;

/// Where a command runs, as far as the tracker is concerned.
pub struct Place {
    /// What the project is bound to; `None` outside of a project.
    pub binding: Result<Option<TrackerBinding>, String>,
    /// What the project is called.
    pub subject: String,
}

impl Place {
    /// Finds the project and reads its binding; creates nothing.
    pub fn find(invocation: &Invocation) -> Self {
        let Ok(project) = project::current(invocation) else {
            return Self {
                binding: Ok(None),
                subject: name_of(&invocation.directory),
            };
        };
        let binding = TrackerBinding::read(&project.config_file());
        let slug = project.config().ok().and_then(|config| config.project.slug);
        Self {
            binding: binding.map(Some).map_err(|error| error.to_string()),
            subject: slug.unwrap_or_else(|| name_of(&project.root)),
        }
    }

    /// Tells whether a resource is named.
    pub fn is_bound(&self) -> Result<bool, String> {
        let binding = self.binding.clone()?;
        Ok(binding.is_some_and(|binding| binding.is_bound()))
    }
}

fn name_of(directory: &std::path::Path) -> String {
    let name = directory.file_name();
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Finds the project that is to be bound: a repository without `.kittify` becomes one.
///
/// # Errors
/// [`Failure`] outside of a project and of git.
pub fn project_to_bind(invocation: &Invocation) -> Result<Project, Failure> {
    let refused = match project::current(invocation) {
        Ok(project) => return Ok(project),
        Err(refused) => refused,
    };
    let git = GitProgram::default();
    match Checkout::discover(&git, &invocation.directory) {
        Ok(Some(checkout)) => Project::locate(&git, &invocation.directory, Some(checkout.root()))
            .map_err(|error| Failure::from_error("not_a_project", error)),
        _ => Err(refused),
    }
}

/// Returns the route of a binding; the reference wins over the older slug.
pub fn route(provider: &str, binding: &TrackerBinding) -> Route {
    let reference = binding.binding_ref.clone().map(RouteKey::BindingRef);
    let slug = || binding.project_slug.clone().map(RouteKey::ProjectSlug);
    Route {
        provider: provider.to_owned(),
        key: reference.or_else(slug),
    }
}

/// Refuses a project that is bound to a provider with a local connector.
///
/// # Errors
/// [`Failure`] that names the provider.
pub fn refuse_local_provider(binding: &TrackerBinding) -> Result<(), Failure> {
    match &binding.provider {
        Some(provider) if binding.workspace.is_some() && !binding.is_bound() => {
            super::providers::hosted(provider).map(drop)
        }
        _ => Ok(()),
    }
}

/// Refuses a project whose tracker data may not leave: by the file that is shared with everybody who
/// works on it, or by what was decided on this machine.
///
/// `tracker.egress: permitted` overrules the decision of this machine only for providers that are
/// reached without a Teamspace (reference 9), which this program does not have.
///
/// # Errors
/// [`Failure`] that names what forbids it; whatever cannot be understood forbids it too.
pub fn refuse_egress(invocation: &Invocation, place: &Place) -> Result<(), Failure> {
    let setting = match &place.binding {
        Ok(None) => return Ok(()),
        Ok(Some(binding)) => binding.egress.as_deref(),
        Err(problem) => {
            return Err(refused(problem).next("Mend the file, then run the command again."));
        }
    };
    if let Some(value) = setting.filter(|value| *value != "permitted") {
        let reason = format!("`tracker.egress` in .kittify/config.yaml is '{value}'");
        return Err(refused(&reason).next(
            "Remove it, or set it to `permitted`, to let the tracker commands send what this machine allows.",
        ));
    }
    match project::known_identity(invocation)? {
        Some(project) if is_opted_out(invocation, project) => Err(refused(
            "this project has opted out of hosted sync on this machine",
        )
        .next("Run `spec-kitty sync opt-in` to let the tracker commands send.")),
        _ => Ok(()),
    }
}

fn is_opted_out(invocation: &Invocation, project: ProjectUuid) -> bool {
    let paths = project::scope(invocation, project).paths;
    Consent::read(&*invocation.filesystem, &paths) == Consent::Refused
}

fn refused(reason: &str) -> Failure {
    Failure::new(
        "tracker_egress_refused",
        format!("Refusing to send tracker data to Spec Kitty SaaS: {reason}."),
    )
}
