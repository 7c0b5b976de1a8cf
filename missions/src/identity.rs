//! Who sends: the project, the machine and the checkout, as every event envelope names them.
//!
//! [`resolve`] only reads; [`ensure`] creates what is missing and is called when hosted sync is on
//! and never otherwise. What is created lies in git directories and therefore never dirties a tree:
//!
//! | Field | Truth |
//! |---|---|
//! | `project_uuid` | `project.uuid` of `.kittify/config.yaml`, else `<common git dir>/spec-kitty/identity.json` |
//! | `project_slug` | `project.slug`, else the last part of `origin`, else the directory's name |
//! | `node_id` | `node_id` of `clock.json`, else derived from host and user |
//! | `build_id` | `<git dir>/spec-kitty/build.json` of the checkout, see [`build`] |
//! | `repo_slug` | `repo_slug` of the configuration if it has a slash, else from `origin` |
//!
//! Source: document 4 FR-005 and FR-006, design section 4, reference events-queue-wire section 7.

pub mod build;
mod persist;
mod store;

use crate::files::{Links, read_text};
use crate::git::{Checkout, GitError};
use crate::project::{ConfigProblem, Project, ProjectConfig, ProjectSection};
use build::BuildId;
use kitty_runtime::fs::Filesystem;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::lock::LockError;
pub use persist::{NotPersisted, persist};
use std::io;
use std::path::{Path, PathBuf};
use store::{LIMIT, create_uuid, read_uuid};

/// The identity cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// `project.uuid` is not a UUID; it is never replaced silently.
    #[error(
        "no usable identity: `project.uuid` in {} is not a UUID; correct it by hand",
        file.display()
    )]
    NotUsable {
        /// The configuration.
        file: PathBuf,
    },
    /// Outside of git there is nowhere to keep an identity.
    #[error("{} is not in a git repository: run `git init` there", root.display())]
    NoRepository {
        /// The project's root.
        root: PathBuf,
    },
    /// An identity file of ours cannot be understood.
    #[error("{} is damaged: remove it to get a new identity", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// The configuration cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// Git cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Another process is writing the identity.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused.
    #[error("the identity at {} cannot be used: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// The identity of a checkout, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectIdentity {
    /// Identifies the project, in every clone that shares its configuration.
    pub project_uuid: ProjectUuid,
    /// Names the project for people.
    pub project_slug: String,
    /// Identifies machine and user.
    pub node_id: String,
    /// Identifies this checkout, and no other.
    pub build_id: BuildId,
    /// `owner/repo`, if the repository has a remote.
    pub repo_slug: Option<String>,
}

/// What is known of an identity without creating anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Identifies the project, once it has an identity.
    pub project_uuid: Option<ProjectUuid>,
    /// Names the project for people.
    pub project_slug: String,
    /// Identifies machine and user.
    pub node_id: String,
    /// Identifies this checkout, once it has an identity of its own.
    pub build_id: Option<BuildId>,
    /// `owner/repo`, if the repository has a remote.
    pub repo_slug: Option<String>,
}

impl KnownIdentity {
    /// Returns the identity if nothing is missing.
    #[must_use]
    pub fn complete(self) -> Option<ProjectIdentity> {
        Some(ProjectIdentity {
            project_uuid: self.project_uuid?,
            project_slug: self.project_slug,
            node_id: self.node_id,
            build_id: self.build_id?,
            repo_slug: self.repo_slug,
        })
    }
}

/// Returns the emitter's identity: what `clock.json` holds, else 12 hex digits of host and user.
///
/// Reads one file and creates none. A damaged file counts as missing, as today.
#[must_use]
pub fn node_id(clock_json: &Path) -> String {
    let recorded = || -> Option<String> {
        let text = read_text(clock_json, LIMIT, Links::Follow).ok()??;
        let clock: serde_json::Value = serde_json::from_str(&text).ok()?;
        let id = clock.get("node_id")?.as_str()?.trim();
        (!id.is_empty()).then(|| id.to_owned())
    };
    recorded().unwrap_or_else(kitty_runtime::node_id::node_id_of_machine)
}

/// Reads the identity of the checkout that the command was started in; creates nothing.
///
/// # Errors
/// [`IdentityError`]; a missing identity is not an error.
pub fn resolve(
    project: &Project,
    config: &ProjectConfig,
    node_id: String,
) -> Result<KnownIdentity, IdentityError> {
    let checkout = project.checkout.as_ref();
    let origin = match checkout {
        Some(checkout) => checkout.repo_slug()?,
        None => None,
    };
    let section = &config.project;
    let project_uuid = match (configured_uuid(project, config)?, checkout) {
        (Some(uuid), _) => Some(uuid),
        (None, Some(checkout)) => read_uuid(checkout)?,
        (None, None) => None,
    };
    let build_id = match checkout {
        Some(checkout) => build::resolve(checkout.git_dir(), || own_section(checkout, config))?,
        None => None,
    };
    let slug = section.slug.clone();
    let configured_repo = section.repo_slug.clone().filter(|slug| slug.contains('/'));
    Ok(KnownIdentity {
        project_uuid,
        project_slug: slug.unwrap_or_else(|| derived_slug(&project.root, origin.as_deref())),
        node_id,
        build_id,
        repo_slug: configured_repo.or(origin),
    })
}

/// Reads the identity, and creates what is missing: the project's UUID and the checkout's build id.
///
/// Many processes may call this at once; all get the same identity. What was created is durable
/// before this returns (0600, in git directories).
///
/// # Errors
/// [`IdentityError`]; after an error nothing is half written.
pub fn ensure(
    filesystem: &dyn Filesystem,
    project: &Project,
    config: &ProjectConfig,
    node_id: String,
) -> Result<ProjectIdentity, IdentityError> {
    let mut known = resolve(project, config, node_id)?;
    let Some(checkout) = &project.checkout else {
        return Err(IdentityError::NoRepository {
            root: project.root.clone(),
        });
    };
    let project_uuid = match known.project_uuid {
        Some(uuid) => uuid,
        None => create_uuid(filesystem, checkout)?,
    };
    known.project_uuid = Some(project_uuid);
    known.build_id = Some(build::ensure(filesystem, checkout.git_dir(), || {
        own_section(checkout, config)
    })?);
    Ok(known
        .complete()
        .expect("the project's UUID and the build id were just filled in"))
}

/// The section that speaks of this checkout: a linked worktree has a configuration of its own.
fn own_section(checkout: &Checkout, config: &ProjectConfig) -> ProjectSection {
    if checkout.is_linked() {
        // One that is missing or cannot be read names no build id.
        let own = ProjectConfig::read(&persist::own_file(checkout)).unwrap_or_default();
        own.project
    } else {
        config.project.clone()
    }
}

fn configured_uuid(
    project: &Project,
    config: &ProjectConfig,
) -> Result<Option<ProjectUuid>, IdentityError> {
    let Some(text) = &config.project.uuid else {
        return Ok(None);
    };
    let uuid = text.parse().map_err(|_| IdentityError::NotUsable {
        file: project.config_file(),
    })?;
    Ok(Some(uuid))
}

/// Lower case, underscores and spaces as hyphens, as the Python CLI derives it.
pub(crate) fn derived_slug(root: &Path, repo_slug: Option<&str>) -> String {
    let of_origin = repo_slug.and_then(|slug| slug.rsplit('/').next());
    let of_directory = || {
        root.file_name()
            .map_or_else(|| "project".into(), |name| name.to_string_lossy())
    };
    of_origin
        .map_or_else(of_directory, Into::into)
        .to_lowercase()
        .replace(['_', ' '], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::write;

    #[test]
    fn the_slug_is_derived_from_origin_and_else_from_the_directory() {
        let root = Path::new("/x/My_Demo Project");
        assert_eq!(derived_slug(root, Some("acme/Some_Repo")), "some-repo");
        assert_eq!(derived_slug(root, Some("g/s/r")), "r");
        assert_eq!(derived_slug(root, None), "my-demo-project");
        assert_eq!(derived_slug(Path::new("/"), None), "project");
    }

    #[test]
    fn the_node_id_of_the_clock_wins_and_a_damaged_clock_counts_as_missing() {
        let directory = tempfile::tempdir().unwrap();
        let clock = directory.path().join("clock.json");
        let derived = node_id(&clock);
        assert_eq!(derived.len(), 12);
        assert!(derived.bytes().all(|byte| byte.is_ascii_hexdigit()));
        write(&clock, r#"{"value": 3, "node_id": "abcdefabcdef"}"#);
        assert_eq!(node_id(&clock), "abcdefabcdef");
        for damaged in ["{", "[]", r#"{"node_id": ""}"#, r#"{"node_id": 3}"#] {
            write(&clock, damaged);
            assert_eq!(node_id(&clock), derived, "{damaged}");
        }
    }
}
