//! Makes a directory a project: `.kittify/` and what git must not track.
//!
//! Git itself is never touched: no repository, no index, no commit. A file that exists is never
//! rewritten (`.gitignore` gets the lines it lacks), so a second run changes nothing.
//! `.kittify/config.yaml` is written last and marks a finished run: a run that was killed is completed
//! by the next one.
//!
//! The files are those that the Python CLI reads (3.2.7), without its agent templates, skills and
//! merge drivers, and without `node_id` and `build_id`: those belong to one checkout and not into a
//! file that every clone shares (document 4, FR-006).

mod agent;
mod content;

pub use agent::{Agent, UnknownAgent};

use crate::files::{Links, ReadProblem, WorktreeFilesystem, read_text};
use crate::git::{Checkout, GitProgram};
use crate::identity::derived_slug;
use crate::project::{ConfigProblem, MARKER, ProjectConfig};
use crate::schema;
use content::{IGNORE_HEADING, IGNORED, config, metadata};
use kitty_runtime::crashsafe::{self, Durability, create_dir_all};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::time::{TimeSource, iso};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// The most that is read of a `.gitignore`.
const LIMIT: u64 = 4 << 20;

/// The project was not made; files that were already written are complete and stay.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A link or a file stands where a directory or a file of ours must be.
    #[error("{} is a link or not what a project needs there: move it away", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// A file of the user cannot be read, so nothing may be added to it.
    #[error("{} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: ReadProblem,
    },
    /// The operating system refused.
    #[error("{} cannot be written: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The configuration that is there cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
}

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct InitTools<'a> {
    /// Tells the time.
    pub time: &'a dyn TimeSource,
    /// Reads the name of the remote, where there is one.
    pub git: &'a GitProgram,
    /// The release, for `metadata.yaml`.
    pub version: &'a str,
}

/// What a run found and did; serialises as the answer of `init --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initialised {
    /// Always `success`.
    pub result: &'static str,
    /// The project's root, absolute.
    pub project_root: String,
    /// Whether nothing was left to do.
    pub already_initialized: bool,
    /// What was made or completed, relative to the root.
    pub changed_files: Vec<&'static str>,
    /// The project's UUID as configured.
    pub project_uuid: Option<String>,
    /// The project's slug as configured.
    pub project_slug: Option<String>,
    /// The agents that were recorded; empty when the configuration was there before.
    pub agents: Vec<Agent>,
    /// Whether the root lies in a git repository; missions need one.
    pub in_git: bool,
    /// The layout of the project.
    pub schema_version: u64,
    /// The release.
    pub spec_kitty_version: String,
}

/// Makes the directory `root` a project; it is created when it is missing.
///
/// What is written is on stable storage when this returns.
///
/// # Errors
/// [`InitError`].
pub fn init(
    root: &Path,
    agents: &[Agent],
    tools: &InitTools<'_>,
) -> Result<Initialised, InitError> {
    create_dir_all(&WorktreeFilesystem, root).map_err(|error| failed(root, error))?;
    let root = root.canonicalize().map_err(|error| failed(root, error))?;
    let marker = root.join(MARKER);
    let config_file = marker.join("config.yaml");
    plain(&marker, std::fs::Metadata::is_dir)?;
    let configured = plain(&config_file, std::fs::Metadata::is_file)?;
    // A git that refuses the repository does not keep anybody from marking a project.
    let checkout = Checkout::discover(tools.git, &root).ok().flatten();
    let mut changed = Vec::new();
    if !configured {
        create_dir_all(&WorktreeFilesystem, &marker).map_err(|error| failed(&marker, error))?;
        let metadata_file = schema::file(&root);
        if !plain(&metadata_file, std::fs::Metadata::is_file)? {
            let text = metadata(tools.version, &iso(tools.time.now()));
            write(&metadata_file, &text)?;
            changed.push(".kittify/metadata.yaml");
        }
        if ignore(&root)? {
            changed.push(".gitignore");
        }
        let origin = checkout.as_ref().and_then(|git| git.repo_slug().ok()?);
        let slug = derived_slug(&root, origin.as_deref());
        write(&config_file, &config(ProjectUuid::random(), &slug, agents))?;
        changed.push(".kittify/config.yaml");
    }
    let project = ProjectConfig::read(&config_file)?.project;
    Ok(Initialised {
        result: "success",
        already_initialized: configured,
        changed_files: changed,
        project_uuid: project.uuid,
        project_slug: project.slug,
        agents: if configured {
            Vec::new()
        } else {
            agents.to_vec()
        },
        in_git: checkout.is_some(),
        schema_version: schema::SCHEMA_VERSION,
        spec_kitty_version: tools.version.to_owned(),
        project_root: root.to_string_lossy().into_owned(),
    })
}

/// Tells whether a path exists; what exists must be of the right kind itself, never through a link.
fn plain(path: &Path, right: impl Fn(&std::fs::Metadata) -> bool) -> Result<bool, InitError> {
    match path.symlink_metadata() {
        Ok(metadata) if right(&metadata) => Ok(true),
        Ok(_) => Err(InitError::InTheWay {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path, error)),
    }
}

/// Adds the lines that `.gitignore` lacks; what the user wrote stays as it is.
fn ignore(root: &Path) -> Result<bool, InitError> {
    let path = root.join(".gitignore");
    let unreadable = |problem| InitError::Unreadable {
        path: path.clone(),
        problem,
    };
    let existing = read_text(&path, LIMIT, Links::Refuse).map_err(unreadable)?;
    let existing = existing.unwrap_or_default();
    let has = |entry: &&&str| !existing.lines().any(|line| line.trim() == **entry);
    let missing: Vec<&&str> = IGNORED.iter().filter(has).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let newline = if existing.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let mut text = existing;
    if !text.is_empty() {
        if !text.ends_with('\n') {
            text.push_str(newline);
        }
        text.push_str(newline);
    }
    for line in std::iter::once(&IGNORE_HEADING).chain(missing) {
        text.push_str(line);
        text.push_str(newline);
    }
    write(&path, &text)?;
    Ok(true)
}

fn write(path: &Path, text: &str) -> Result<(), InitError> {
    let filesystem: &dyn Filesystem = &WorktreeFilesystem;
    crashsafe::replace(filesystem, path, text.as_bytes(), Durability::PowerCut)
        .map_err(|error| failed(path, error))
}

fn failed(path: &Path, source: io::Error) -> InitError {
    InitError::Io {
        path: path.to_owned(),
        source,
    }
}
