//! The project that a command is about.

use crate::failure::Failure;
use crate::invocation::Invocation;
use kitty_missions::identity::{self, ProjectIdentity};
use kitty_missions::project::Project;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::owner::Scope;

/// Finds the project of the working directory.
///
/// # Errors
/// [`Failure`] when there is none.
pub fn current(invocation: &Invocation) -> Result<Project, Failure> {
    Project::locate(
        &invocation.git(),
        &invocation.directory,
        invocation.named_project_root().as_deref(),
    )
    .map_err(|error| Failure::from_error("not_a_project", error))
}

/// Returns the project's UUID, or `None` when none was ever given to it; creates nothing.
///
/// # Errors
/// [`Failure`] when there is no project, or its identity cannot be read.
pub fn known_identity(invocation: &Invocation) -> Result<Option<ProjectUuid>, Failure> {
    let project = current(invocation)?;
    let config = project
        .config()
        .map_err(|error| Failure::from_error("project_config", error))?;
    let node_id = identity::node_id(&invocation.map.clock_json());
    let known = identity::resolve(&project, &config, node_id)
        .map_err(|error| Failure::from_error("no_identity", error))?;
    Ok(known.project_uuid)
}

/// Returns the project's identity, giving it one if it has none.
///
/// # Errors
/// [`Failure`].
pub fn project_identity(
    invocation: &Invocation,
    project: &Project,
) -> Result<ProjectIdentity, Failure> {
    let config = project
        .config()
        .map_err(|error| Failure::from_error("project_config", error))?;
    let node_id = identity::node_id(&invocation.map.clock_json());
    identity::ensure(&*invocation.filesystem, project, &config, node_id)
        .map_err(|error| Failure::from_error("no_identity", error))
}

/// Returns where a project's queue lies.
#[must_use]
pub fn scope(invocation: &Invocation, project: ProjectUuid) -> Scope {
    let name = project.to_string();
    Scope {
        paths: invocation.map.project_scope(&name),
        name,
    }
}
